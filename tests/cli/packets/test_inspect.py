"""The commands inspect, verify and build."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from edoc_connector import edxml, signing
from edoc_connector.testing import agency_keys, sample_document, sample_pdf

SAMPLES = Path(__file__).resolve().parents[4] / "shared" / "samples"
READABLE = sorted(path.name for path in SAMPLES.glob("*.edxml") if path.name != "edoc_new.edxml")

Edoc = Callable[..., Any]


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A signed and sealed packet; its authority's certificate lies beside it as ca.pem."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    keys.write_root(tmp_path / "ca.pem")
    document, at = sample_document(), datetime.now(UTC)
    seal = signing.seal_maker(document, signer=keys.signer(), at=at)
    edxml.write(document, tmp_path / "a.edxml", at=at, signature=signing.enveloped(keys.signer()), seal=seal)
    return tmp_path / "a.edxml"


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    """A packet without a signature."""
    edxml.write(sample_document(), tmp_path / "plain.edxml", at=datetime.now(UTC))
    return tmp_path / "plain.edxml"


def _texts(file: Path) -> list[str]:
    """Every text of the source but the attachments' content, by a plain walk."""
    root = etree.fromstring(file.read_bytes(), etree.XMLParser(recover=True))
    leaves = [e for e in root.iter("{*}*") if not len(e) and "ContentTransferEncoded" not in str(e.tag)]
    return [text for element in leaves if (text := " ".join((element.text or "").split()))]


@pytest.mark.parametrize("name", READABLE)
def test_every_element_of_a_real_packet_is_shown(name: str, edoc: Edoc) -> None:
    """Each text of other people's packets stands in the JSON: the model, the signature or a finding (edXML packet)."""
    ran = edoc("inspect", "--json", SAMPLES / name)
    assert ran.code == 0
    shown = " ".join(json.dumps(json.loads(ran.out), ensure_ascii=False).split())
    missing = [text for text in _texts(SAMPLES / name) if _spelt(text) not in shown]
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


def test_bytes_before_the_declaration_are_refused(edoc: Edoc) -> None:
    """Not XML: exit 2 and one line on stderr that says where and why (edXML packet, "Seen in the wild")."""
    if not SAMPLES.is_dir():
        pytest.skip("the collected samples are not beside this checkout")
    ran = edoc("inspect", SAMPLES / "edoc_new.edxml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert "'1212'" in ran.err
    assert "line 1" in ran.err


def test_a_missing_file_is_one_line(edoc: Edoc, tmp_path: Path) -> None:
    """Exit 2, and the line names the file."""
    ran = edoc("inspect", tmp_path / "gone.edxml")
    assert ran.code == 2
    assert "gone.edxml" in ran.err
    assert ran.err.count("\n") == 1


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


def test_verify_tells_by_its_exit_code(signed: Path, unsigned: Path, edoc: Edoc, tmp_path: Path) -> None:
    """0 VALID, 1 INVALID, 3 UNSIGNED or UNVERIFIABLE, 2 not readable."""
    assert edoc("verify", signed, "--trust", tmp_path / "ca.pem").code == 0
    assert edoc("verify", unsigned).code == 3
    forged = tmp_path / "forged.edxml"
    forged.write_bytes(signed.read_bytes().replace("kết nối".encode(), "cắt nối".encode()))
    ran = edoc("verify", forged)
    assert ran.code == 1
    assert "Subject" in ran.out
    agency_keys("Ai đó").write_root(tmp_path / "same.pem")
    (tmp_path / "not.edxml").write_text("<html/>")
    assert edoc("verify", tmp_path / "not.edxml").code == 2


def test_verify_with_strangers_only_is_unverifiable(signed: Path, edoc: Edoc, tmp_path: Path) -> None:
    """A signature that leads to nobody trusted is not accepted where trust is asked for."""
    from edoc_connector.testing import authority

    authority("Another CA").agency("Khác").write_root(tmp_path / "other.pem")
    ran = edoc("verify", signed, "--trust", tmp_path / "other.pem", "--json")
    assert ran.code == 3
    assert json.loads(ran.out)["status"] == "UNVERIFIABLE"


def test_build_takes_what_inspect_gives(unsigned: Path, edoc: Edoc, tmp_path: Path) -> None:
    """The JSON is the model's own: what one command shows the other writes."""
    said = json.loads(edoc("inspect", "--json", unsigned, "--extract", tmp_path / "files").out)
    (tmp_path / "document.json").write_text(json.dumps(said["message"]), encoding="utf-8")
    built = tmp_path / "again.edxml"
    attached = said["attachments"][0]["path"]
    assert edoc("build", tmp_path / "document.json", "--attach", attached, "--out", built).code == 0
    assert edxml.read(built).message == edxml.read(unsigned).message


def test_build_signs_and_seals(edoc: Edoc, tmp_path: Path) -> None:
    """With a key the packet verifies; its password comes by reference."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    uri = keys.write_p12(tmp_path / "key.p12", password="a password")
    (tmp_path / "password").write_text("a password\n")
    (tmp_path / "document.json").write_text(sample_document().model_dump_json(), encoding="utf-8")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    arguments = ["build", tmp_path / "document.json", "--attach", tmp_path / "a.pdf", "--out", tmp_path / "a.edxml"]
    assert edoc(*arguments, "--key", uri, "--key-password", f"file:{tmp_path / 'password'}").code == 0
    keys.write_root(tmp_path / "ca.pem")
    assert edoc("verify", tmp_path / "a.edxml", "--trust", tmp_path / "ca.pem").code == 0
    assert [a.name for a in edxml.read(tmp_path / "a.edxml").attachments] == ["a.pdf", edxml.SEAL_NAME]
    refused = edoc(*arguments, "--key", uri, "--key-password", "a password")
    assert refused.code == 1
    assert "a password" not in refused.err


def test_build_names_every_problem(edoc: Edoc, tmp_path: Path) -> None:
    """A document that breaks rules is not written; the error lists them all, in both languages."""
    document = sample_document(subject="x" * 501, number="123456789012")
    (tmp_path / "document.json").write_text(document.model_dump_json(), encoding="utf-8")
    ran = edoc("build", tmp_path / "document.json", "--out", tmp_path / "a.edxml")
    assert ran.code == 1
    assert "subject" in ran.err
    assert "number" in ran.err
    assert "tối đa" in ran.err
    assert not (tmp_path / "a.edxml").exists()


@pytest.mark.parametrize("text", ["{", '{"subject": 1}', "[]"])
def test_build_refuses_json_that_is_no_document(text: str, edoc: Edoc, tmp_path: Path) -> None:
    """One line says which fields are wrong or missing."""
    (tmp_path / "document.json").write_text(text)
    ran = edoc("build", tmp_path / "document.json", "--out", tmp_path / "a.edxml")
    assert ran.code == 1
    assert ran.err.count("\n") == 1


def test_build_writes_a_status_too(edoc: Edoc, tmp_path: Path) -> None:
    """The JSON of a status packet is told by its fields."""
    status = edxml.StatusMessage(
        sender=edxml.Organization(id="G22", name="Văn phòng Chính phủ"),
        response_for=edxml.ResponseFor(organ_id="H29.05", code="7816/SNV-VP", document_id="x"),
        code=edxml.StatusCode.ACCEPTED,
        timestamp=datetime.now(UTC),
    )
    (tmp_path / "status.json").write_text(status.model_dump_json(), encoding="utf-8")
    assert edoc("build", tmp_path / "status.json", "--out", tmp_path / "s.edxml").code == 0
    assert edxml.read(tmp_path / "s.edxml").kind == "status"


def test_a_verdict_says_whether_the_signer_was_checked(signed: Path, edoc: Edoc) -> None:
    """VALID without --trust proves no name: anybody can make a certificate (security, "Trust")."""
    alone, judged = edoc("verify", signed), edoc("verify", signed, "--trust", signed.parent / "ca.pem")
    assert "signer not checked / chưa xác minh người ký" in alone.out
    assert "SIG-NOT-JUDGED" in alone.out
    assert "VALID (SIG-OK) — Sở Nội vụ; trusted / tin cậy" in judged.out
    assert "SIG-NOT-JUDGED" not in judged.out
    for command in (("inspect",), ("seal", "show")):
        assert "signer not checked" in edoc(*command, signed).out


@pytest.mark.parametrize("options", [("--trust", "gone.pem"), ("--crl", "gone.crl")])
@pytest.mark.parametrize("command", [("verify",), ("pdf", "verify")])
def test_a_wrong_option_is_no_verdict(signed: Path, edoc: Edoc, command: tuple[str], options: tuple[str, str]) -> None:
    """Exit 1 says INVALID; what an option names and is not there is exit 2 (command line, "exit code")."""
    ran = edoc(*command, signed, *options)
    assert (ran.code, ran.out) == (2, "")
    assert "gone." in ran.err


def test_a_pdf_file_that_is_not_there_is_no_verdict(edoc: Edoc, tmp_path: Path) -> None:
    """Exit 2, as for a packet that cannot be read."""
    assert edoc("pdf", "verify", tmp_path / "gone.pdf").code == 2


def test_a_pdf_file_is_sent_to_the_right_command(edoc: Edoc, tmp_path: Path) -> None:
    """A PDF file is no packet; the error names the command for it."""
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["7816"]))
    ran = edoc("verify", tmp_path / "a.pdf")
    assert ran.code == 2
    assert "edoc pdf verify" in ran.err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"issued_on": "20/11/2026"}, ("issued_on: write the date as 2026-11-20", "hãy ghi ngày theo dạng 2026-11-20")),
        ({"subjct": "x"}, ("subjct: there is no such field", "subjct: không có trường này")),
        ({"number": 7816}, ("number: it must be a text in quotes", "phải là chuỗi ký tự trong dấu nháy")),
        ({"recipients": "G22"}, ("recipients: it must be a list", "recipients: phải là danh sách")),
        ({"signer": "Nguyễn Văn A"}, ("signer: it must be an object", "signer: phải là nhóm trường")),
        ({"sender": {"id": "G22"}}, ("sender.name: it is missing", "sender.name: thiếu trường này")),
    ],
)
def test_json_faults_are_in_both_languages(
    edoc: Edoc, tmp_path: Path, change: dict[str, Any], words: tuple[str, str]
) -> None:
    """Each names the field and what to write; what follows from another fault is not said."""
    fields = json.loads(sample_document().model_dump_json(exclude={"id"})) | change
    (tmp_path / "d.json").write_text(json.dumps(fields), encoding="utf-8-sig")
    ran = edoc("build", tmp_path / "d.json", "--out", tmp_path / "x.edxml")
    assert ran.code == 1
    assert all(one in ran.err for one in words), ran.err
    assert "default factory" not in ran.err


@pytest.mark.parametrize(("content", "word"), [(b"{", "JSON"), (b"\xff\xfe{", "UTF-8"), (None, "không tồn tại")])
def test_a_json_file_that_cannot_be_read(edoc: Edoc, tmp_path: Path, content: bytes | None, word: str) -> None:
    """One line, in both languages."""
    if content is not None:
        (tmp_path / "d.json").write_bytes(content)
    ran = edoc("build", tmp_path / "d.json", "--out", tmp_path / "x.edxml")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert word in ran.err
