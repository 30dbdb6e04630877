"""The command inspect."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lxml import etree

from edoc_connector import edxml
from edoc_connector.testing import sample_document, sample_pdf

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def _texts(file: Path) -> list[str]:
    """Every text of the source but the attachments' content, by a plain walk."""
    root = etree.fromstring(file.read_bytes(), etree.XMLParser(recover=True))
    leaves = [e for e in root.iter("{*}*") if not len(e) and "ContentTransferEncoded" not in str(e.tag)]
    return [text for element in leaves if (text := " ".join((element.text or "").split()))]


def test_every_element_of_a_real_packet_is_shown(sample: Path, edoc: Edoc) -> None:
    """Each text of other people's packets stands in the JSON: the model, the signature or a finding (edXML packet)."""
    ran = edoc("inspect", "--json", sample)
    assert ran.code == 0
    shown = " ".join(json.dumps(json.loads(ran.out), ensure_ascii=False).split())
    missing = [text for text in _texts(sample) if _spelt(text) not in shown]
    assert missing == []


def _spelt(text: str) -> str:
    """How the JSON writes a source text: dates and times in ISO 8601 (times in UTC), ids without ``cid:``."""
    for written, shown in (("%Y/%m/%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"), ("%Y/%m/%d", "%Y-%m-%d")):
        try:
            moment = datetime.strptime(text, written).replace(tzinfo=edxml.VIETNAM)
        except ValueError:
            continue
        return (moment.astimezone(UTC) if "H" in written else moment).strftime(shown)
    return json.dumps(text.removeprefix("cid:"), ensure_ascii=False)[1:-1]


def test_bytes_before_the_declaration_are_refused(collection: Path, edoc: Edoc) -> None:
    """Not XML: exit 2 and a line in each language that says where and why (edXML packet, "Seen in the wild")."""
    ran = edoc("inspect", collection / "samples" / "edoc_new.edxml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 2
    assert {"data": "'45'", "shared": "'1212'"}[collection.name] in ran.err
    assert "line 1" in ran.err


def test_a_missing_file_is_one_line(edoc: Edoc, tmp_path: Path) -> None:
    """Exit 2, and the line names the file."""
    ran = edoc("inspect", tmp_path / "gone.edxml")
    assert ran.code == 2
    assert "gone.edxml" in ran.err
    assert ran.err.count("\n") == 2


def test_the_json_has_the_promised_keys(signed: Path, edoc: Edoc) -> None:
    """kind, message, attachments, signature, findings, each with its parts."""
    said = json.loads(edoc("inspect", "--json", signed).out)
    assert said["kind"] == "document"
    assert said["message"]["subject"] == "V/v kết nối, liên thông văn bản"
    assert said["findings"] == []
    assert said["signature"] | {"status": "VALID", "method": "packet"} == said["signature"]
    pdf = sample_pdf(["CONG VAN 7816/SNV-VP"])
    first = said["attachments"][0]
    assert (first["name"], first["content_type"], first["size"]) == ("cong-van.pdf", "application/pdf", len(pdf))
    assert {"content_id", "sha256"} <= set(first)


def test_extracting_writes_safe_names(edoc: Edoc, tmp_path: Path) -> None:
    """A name from a packet never leaves the folder, and two of the same name do not meet."""
    files = [edxml.Attachment.from_bytes(text, name="../../bí mật.txt") for text in (b"one", b"two")]
    edxml.write(sample_document(attachments=tuple(files)), tmp_path / "a.edxml", at=datetime.now(UTC))
    assert edoc("inspect", tmp_path / "a.edxml", "--extract", tmp_path / "out").code == 0
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(written.values()) == [b"one", b"two"]
    assert all("/" not in name and not name.startswith(".") for name in written)


def test_a_person_sees_fields_and_findings(unsigned: Path, edoc: Edoc) -> None:
    """Without --json there is a table, in both languages."""
    ran = edoc("inspect", unsigned)
    assert "V/v kết nối, liên thông văn bản" in ran.out
    assert "UNSIGNED" in ran.out


def test_control_characters_do_not_reach_the_terminal(edoc: Edoc, tmp_path: Path) -> None:
    """A subject cannot move the cursor: C1 controls are shown, not sent."""
    edxml.write(sample_document(subject="a\x9b31mb"), tmp_path / "a.edxml", at=datetime.now(UTC))
    ran = edoc("inspect", tmp_path / "a.edxml")
    assert "\x9b" not in ran.out
    assert "\\x9b" in ran.out
