"""An archive package is a bag with the packet, its files, its metadata and the evidence."""

from __future__ import annotations

import hashlib
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from edoc_connector.connector import check_pack
from edoc_connector.connector.operations.archive_package import METADATA_NAMESPACE
from edoc_connector.edxml import Attachment
from edoc_connector.errors import NotFound
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

PDF = sample_pdf(["CONG VAN"])
DOCUMENT = sample_document(
    attachments=(Attachment.from_bytes(PDF, name="công văn.pdf"), Attachment.from_bytes(b"x", name="công văn.pdf"))
)


def read_bag(path: Path) -> tuple[str, dict[str, bytes]]:
    """Read a bag as RFC 8493 has it: its folder, and its files; every manifest holds."""
    with zipfile.ZipFile(path) as archive:
        (base,) = {name.partition("/")[0] for name in archive.namelist()}
        files = {name.removeprefix(f"{base}/"): archive.read(name) for name in archive.namelist()}
    assert files["bagit.txt"] == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    for manifest, is_listed in (
        ("manifest-sha256.txt", lambda name: name.startswith("data/")),
        ("tagmanifest-sha256.txt", lambda name: not name.startswith(("data/", "tagmanifest"))),
    ):
        lines = [line.partition("  ") for line in files[manifest].decode().splitlines()]
        listed = {name: digest for digest, _, name in lines}
        assert set(listed) == {name for name in files if is_listed(name)}
        assert all(hashlib.sha256(files[name]).hexdigest() == digest for name, digest in listed.items())
    return base, files


@pytest.mark.parametrize("whose", ["H29.05", "G22"])
def test_a_package_holds_all_of_a_document(
    office: Office, hub: RunningHub, handle: Handle, tmp_path: Path, whose: str
) -> None:
    """Sent or received: packet, files and metadata as XML, and a pack that verifies (issue, "an archive package")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(DOCUMENT)
    handle(receiver)
    connector = sender if whose == "H29.05" else receiver
    base, files = read_bag(connector.archive(DOCUMENT.id, out=tmp_path / "a.zip"))
    assert "/" not in base
    payload = {name for name in files if name.startswith("data/documents/")}
    assert {files[name] for name in payload} == {PDF, b"x"}
    xml = etree.fromstring(files["data/metadata.xml"])
    found = {
        etree.QName(one).localname: one.text for group in ("Document", "Exchange") for one in
        xml.iterfind(f"{{{METADATA_NAMESPACE}}}{group}/*")
    }  # fmt: skip
    assert found["DocCode"] == DOCUMENT.id
    assert found["Subject"] == DOCUMENT.subject
    assert (found["OrganName"], found["SenderId"]) == (DOCUMENT.sender.name, DOCUMENT.sender.id)
    assert {"OrganId", "Format"}.isdisjoint(found)  # which mean something else to archives
    assert found["IssuedDate"] == str(DOCUMENT.issued_on)
    assert found["Direction"] == ("sent" if whose == "H29.05" else "received")
    assert found["PacketSha256"] == hashlib.sha256(files["data/packet.edxml"]).hexdigest()
    listed = {one.findtext("{*}Path"): one.findtext("{*}Sha256") for one in xml.iterfind(".//{*}File")}
    assert {f"data/{name}" for name in listed} == payload
    assert all(hashlib.sha256(files[f"data/{name}"]).hexdigest() == digest for name, digest in listed.items())
    assert b"Payload-Oxum: " in files["bag-info.txt"]
    (tmp_path / "evidence.zip").write_bytes(files["data/evidence.zip"])
    assert check_pack(tmp_path / "evidence.zip").problems == ()


def test_what_has_no_packet_cannot_be_archived(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """A document that nobody knows, and one whose packet was removed; nothing is left behind."""
    sender = office("H29.05")
    sender.send(DOCUMENT)
    sender.prune(timedelta(0), dry_run=False)
    for document_id, words in ((DOCUMENT.id, "edoc prune"), ("nothing", "nothing is known")):
        with pytest.raises(NotFound, match=words):
            sender.archive(document_id, out=tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
