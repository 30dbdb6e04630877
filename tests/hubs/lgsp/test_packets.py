"""Packets within answers: as base64, as text, and with files beside them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import edxml
from edoc_connector.errors import EdocError, ProtocolError
from edoc_connector.hubs import Lgsp
from edoc_connector.testing import sample_document


@pytest.fixture
def lgsp() -> Lgsp:
    """A platform by hand."""
    return Lgsp(endpoint="http://h", system_id="s", secret="k")


@pytest.fixture
def packet(tmp_path: Path) -> bytes:
    """A packet with one attachment."""
    path = tmp_path / "packet.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC))
    return path.read_bytes()


def _fetch(lgsp: Lgsp, answered: Any, to: Path, data: Any) -> bytes:
    fetched = answered(lgsp.fetch("d", to), {"code": 200, "data": data})
    content = to.read_bytes()
    assert fetched.size == len(content)
    return content


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda packet: {"data": _encode(packet)},
        lambda packet: {"docId": "d", "data": packet.decode()},
        lambda packet: {"data": "", "edxml": packet.decode()},
        lambda packet: {"data": None, "edxml": _encode(packet)},
        lambda packet: {"edxml": f"  \n{packet.decode()}"},
        lambda packet: {"data": _encode(packet), "attachments": None},
        lambda packet: {"data": _encode(packet), "attachments": [{"fileName": "x", "fileContent": None}]},
        lambda packet: {"data": _encode(packet), "attachments": [{"fileName": "cong-van.pdf", "fileContent": "AAAA"}]},
    ],
)
def test_the_same_packet_in_every_form(lgsp: Lgsp, answered: Any, tmp_path: Path, packet: bytes, wrap: Any) -> None:
    """``data.data`` first, then ``data.edxml``; text that starts with ``<`` is XML, else base64 (fetch)."""
    assert _fetch(lgsp, answered, tmp_path / "got.edxml", wrap(packet)) == packet


def test_a_file_beside_the_packet_is_put_into_it(lgsp: Lgsp, answered: Any, tmp_path: Path, packet: bytes) -> None:
    """A file that only the list has is added to the packet, and the hash is that of the whole."""
    data = {"data": _encode(packet), "attachments": [{"fileName": "phu-luc.pdf", "fileContent": _encode(b"%PDF-1.4")}]}
    _fetch(lgsp, answered, tmp_path / "got.edxml", data)
    assert [one.name for one in edxml.read(tmp_path / "got.edxml").attachments] == ["cong-van.pdf", "phu-luc.pdf"]


def test_another_encoding_that_text_names(lgsp: Lgsp, answered: Any, tmp_path: Path, packet: bytes) -> None:
    """XML as text was once other bytes: what it says of their encoding is dropped, and the packet can be read."""
    text = packet.decode().replace("UTF-8", "utf-16", 1)
    _fetch(lgsp, answered, tmp_path / "got.edxml", {"edxml": text})
    assert edxml.read(tmp_path / "got.edxml").message.sender.id == "H29.05"


def test_bytes_that_are_no_packet_are_kept(lgsp: Lgsp, answered: Any, tmp_path: Path) -> None:
    """Judging packets is not the hub layer's: files beside one that cannot be read are left."""
    data = {"data": _encode(b"\x00no packet"), "attachments": [{"fileName": "x", "fileContent": "AAAA"}]}
    assert _fetch(lgsp, answered, tmp_path / "got.edxml", data) == b"\x00no packet"


@pytest.mark.parametrize(
    "data",
    [
        {}, [], None, "x", {"data": ""}, {"data": {}}, {"data": "%%%"}, {"edxml": "%%%"}, {"edxml": " "},
        {"docId": "another", "data": "QUJD"},
        {"data": "QUJD", "attachments": {}}, {"data": "QUJD", "attachments": ["x"]},
        {"data": "QUJD", "attachments": [{"fileContent": "QUJD"}]},
        {"data": "QUJD", "attachments": [{"fileName": "x", "fileContent": "%%"}]},
        {"data": "PGEvPg==", "attachments": [{"fileName": "x\u0001", "fileContent": "QUJD"}]},
    ],
)  # fmt: skip
def test_what_is_no_packet(lgsp: Lgsp, answered: Any, tmp_path: Path, data: Any) -> None:
    """An answer without a packet, or about another one, is a protocol error, and no file is left."""
    with pytest.raises(ProtocolError):
        _fetch(lgsp, answered, tmp_path / "got.edxml", data)
    assert list(tmp_path.iterdir()) == []


def test_a_large_packet_as_text(lgsp: Lgsp, answered: Any, tmp_path: Path) -> None:
    """Text of some megabytes is kept in memory up to max_answer, and not beyond."""
    text = f"<a>{'x' * 3_000_000}</a>"
    assert len(_fetch(lgsp, answered, tmp_path / "got.edxml", {"edxml": text})) == len(text)
    small = Lgsp(endpoint="http://h", system_id="s", secret="k", max_answer=1_000_000)
    with pytest.raises(EdocError, match="longer than"):
        _fetch(small, answered, tmp_path / "got.edxml", {"edxml": text})
