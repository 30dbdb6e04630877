"""Formats of files by their first bytes ("Content", content types of attachments)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import edoc_connector.edxml as edxml
from edoc_connector.edxml.attachments.media_types import (
    FILE_FORMATS,
    UNKNOWN_TYPE,
    detect_format,
    find_contradiction,
    guess_type,
)
from edoc_connector.testing import sample_pdf


def _zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.writestr(name, b"application/vnd.oasis.opendocument.text" if name == "mimetype" else b"x")
    return out.getvalue()


_OOXML = "application/vnd.openxmlformats-officedocument"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
_HEADS = {
    "a.pdf": sample_pdf(["x"]),
    "b.pdf": b"\r\n%PDF-1.7\n",
    "a.docx": _zip("[Content_Types].xml", "word/document.xml"),
    "a.xlsx": _zip("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "a.pptx": _zip("_rels/.rels", "ppt/presentation.xml"),
    "a.odt": _zip("mimetype", "content.xml"),
    "a.zip": _zip("a.txt"),
    "a.doc": _OLE,
    "a.xls": _OLE,
    "a.ppt": _OLE,
    "a.rtf": b"{\\rtf1\\ansi}",
    "a.png": b"\x89PNG\r\n\x1a\n" + bytes(8),
    "a.jpg": b"\xff\xd8\xff\xe0" + bytes(8),
    "a.gif": b"GIF89a" + bytes(8),
    "a.tif": b"II*\x00" + bytes(8),
    "a.bmp": b"BM" + b"\x10\x00\x00\x00" + bytes(8),
    "a.7z": b"7z\xbc\xaf\x27\x1c\x00",
    "a.rar": b"Rar!\x1a\x07\x01\x00",
    "a.mp4": b"\x00\x00\x00\x18ftypmp42",
    "a.xml": b'<?xml version="1.0"?><a/>',
    "a.html": b"<!DOCTYPE html><html>",
    "a.txt": "Kính gửi: Văn phòng Chính phủ\r\n".encode(),
    "a.csv": b"a;b\n1;2\n",
}


@pytest.mark.parametrize("name", _HEADS)
def test_right_files_raise_no_doubt(name: str) -> None:
    """A file of each format goes with the type of its own name."""
    assert find_contradiction(_HEADS[name], guess_type(name)) == ""
    assert find_contradiction(_HEADS[name], UNKNOWN_TYPE) == ""


@pytest.mark.parametrize(
    ("name", "real", "seen"),
    [
        ("a.pdf", "a.zip", "application/zip"),
        ("a.pdf", "a.docx", f"{_OOXML}.wordprocessingml.document"),
        ("a.pdf", "a.txt", "text/plain"),
        ("a.pdf", "a.html", "text/html"),
        ("a.docx", "a.pdf", "application/pdf"),
        ("a.docx", "a.xlsx", f"{_OOXML}.spreadsheetml.sheet"),
        ("a.doc", "a.docx", f"{_OOXML}.wordprocessingml.document"),
        ("a.zip", "a.rar", "application/vnd.rar"),
        ("a.png", "a.jpg", "image/jpeg"),
        ("a.txt", "a.pdf", "application/pdf"),
        ("a.jpg", "a.txt", "text/plain"),
    ],
)
def test_other_files_are_noticed(name: str, real: str, seen: str) -> None:
    """A file under the name of another format is reported with its real type."""
    assert find_contradiction(_HEADS[real], guess_type(name)) == seen


def test_programs_are_noticed() -> None:
    """A program is recognised under any harmless name or type."""
    for program in (b"MZ\x90" + bytes(80), b"\x7fELF\x02\x01\x01" + bytes(80)):
        for name in ("a.pdf", "a.txt", "a.docx", "a.jpg"):
            assert "executable" in find_contradiction(program, guess_type(name))
    assert find_contradiction(bytes(range(32)) * 4, "text/plain") == UNKNOWN_TYPE


@given(head=st.binary(max_size=64), name=st.sampled_from(sorted(_HEADS)))
def test_any_bytes_have_an_answer(head: bytes, name: str) -> None:
    """No bytes make the detection fail, and its answer never contradicts itself."""
    found = detect_format(head)
    find_contradiction(head, guess_type(name))
    assert found is None or find_contradiction(head, found.type) == ""


def test_every_format_goes_with_its_own_type() -> None:
    """The table is in itself consistent."""
    assert all(one.accepts_type(one.type) for one in FILE_FORMATS)
    assert len({one.type for one in FILE_FORMATS}) == len(FILE_FORMATS)


@pytest.mark.parametrize(
    ("name", "kind", "seen"),
    [("a.pdf", "application/pdf", "'a.pdf' (application/pdf)"), ("a.png", "text/plain", "'a.png' (text/plain)")],
)
def test_a_mismatch_is_a_finding(name: str, kind: str, seen: str, attached: Callable[..., str]) -> None:
    """Bytes that contradict the stated type or the name are reported with their real type."""
    text = attached(_HEADS["a.zip"], name=name, ref_name=name, kind=kind, ref_kind=kind)
    packet = edxml.read(text.encode())
    (finding,) = packet.findings
    assert (finding.code, finding.seen, finding.understood) == ("EDX-CONTENT-BYTES", seen, "application/zip")
    assert finding.line == 19
    assert packet.attachments[0].detected_type == "application/zip"


def test_the_type_nobody_gave(tmp_path: Path) -> None:
    """Without a type the name counts, then the bytes; a zip stays untyped, as its type would mean a wrapping."""
    path = tmp_path / "scan"
    path.write_bytes(_HEADS["a.png"])
    assert edxml.Attachment.from_path(path).content_type == "image/png"
    assert edxml.Attachment.from_bytes(_HEADS["a.png"], name="a.docx").content_type == guess_type("a.docx")
    assert edxml.Attachment.from_bytes(_HEADS["a.zip"], name="a").content_type == UNKNOWN_TYPE
    assert edxml.Attachment.from_bytes(b"x", name="a").content_type == UNKNOWN_TYPE
    assert edxml.Attachment.from_bytes(b"x", name="a.txt").detected_type is None


def test_the_safe_name_stands_beside_the_original() -> None:
    """A hostile name is kept as it was, with a safe one beside it."""
    one = edxml.Attachment.from_bytes(b"x", name="../../C:\\con\u202e.pdf")
    assert one.name == "../../C:\\con\u202e.pdf"
    assert one.safe_name == "_.._C__con.pdf"


@given(st.sampled_from(list(_HEADS)), st.binary(max_size=40), st.integers(0, 1100))
def test_the_first_format_in_the_table_counts(name: str, behind: bytes, before: int) -> None:
    """A search for all formats at once finds the same as trying them in turn."""
    for data in (
        behind,
        _HEADS[name][:4096],
        _HEADS[name][:9] + behind,
        bytes(before) + b"%PDF-1.7",
        b"PK\x03\x04" + behind,
    ):
        assert detect_format(data) == next((one for one in FILE_FORMATS if one.head.match(data)), None)
