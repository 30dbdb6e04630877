"""Files put back into packets that came without them."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edoc_connector import edxml
from edoc_connector.edxml import add_attachments
from edoc_connector.errors import PacketError
from edoc_connector.testing import sample_document

FILE = base64.b64encode(b"%PDF-1.4 another").decode()


@pytest.fixture
def packet(tmp_path: Path) -> bytes:
    """A packet with one attachment."""
    path = tmp_path / "packet.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC))
    return path.read_bytes()


def _read(packet: bytes, folder: Path) -> dict[str, bytes]:
    path = folder / "read.edxml"
    path.write_bytes(packet)
    return {one.name: b"".join(one.pieces()) for one in edxml.read(path).attachments}


def test_what_is_there_stays(packet: bytes) -> None:
    """A packet that has the file is given back byte for byte."""
    assert add_attachments(packet, [("cong-van.pdf", FILE)]) == packet
    assert add_attachments(packet, []) == packet


def test_an_empty_one_is_filled(packet: bytes, tmp_path: Path) -> None:
    """An attachment that is named and has no content gets it, and no second one is made."""
    bare = re.sub(rb"(ContentTransferEncoded>)[^<]+", rb"\1", packet)
    assert _read(add_attachments(bare, [("cong-van.pdf", FILE)]), tmp_path) == {"cong-van.pdf": b"%PDF-1.4 another"}
    gone = re.sub(rb"<ContentTransferEncoded>[^<]*</ContentTransferEncoded>", b"", bare)
    assert gone != bare
    assert _read(add_attachments(gone, [("cong-van.pdf", FILE)]), tmp_path) == {"cong-van.pdf": b"%PDF-1.4 another"}


def test_one_that_is_not_named_is_added(packet: bytes, tmp_path: Path) -> None:
    """A file that the packet does not name is added beside the others, with the type of its name."""
    added = add_attachments(packet, [("phu-luc.docx", FILE)])
    assert set(_read(added, tmp_path)) == {"cong-van.pdf", "phu-luc.docx"}
    assert b"wordprocessingml" in added


def test_a_packet_without_any_place_for_files(packet: bytes, tmp_path: Path) -> None:
    """A packet without AttachmentEncoded gets one."""
    bare = re.sub(rb"<AttachmentEncoded.*</AttachmentEncoded>", b"", packet, flags=re.DOTALL)
    assert bare != packet
    assert "phu-luc.docx" in _read(add_attachments(bare, [("phu-luc.docx", FILE)]), tmp_path)


def test_what_is_no_packet() -> None:
    """Bytes that are no XML are a PacketError, a name that XML cannot have a ValueError."""
    with pytest.raises(PacketError):
        add_attachments(b"no packet", [("a", FILE)])
    with pytest.raises(ValueError, match="XML"):
        add_attachments(b"<a/>", [("a\x00", FILE)])
