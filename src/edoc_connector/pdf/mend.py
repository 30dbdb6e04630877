"""Small damage to a PDF file that viewers forgive, mended in the copy that is read; the file itself is not touched.

Mended is what cannot change what the file shows: blank bytes before its first line, and a wrong number for where its
cross-reference table begins. A file with a signature keeps that number: what a signature covers is not guessed at.
"""

from __future__ import annotations

import re
from typing import IO

from .reasons import PdfRefused

_MAGIC = b"%PDF-"
_HEAD_SIZE = 1024
_TAIL_SIZE = 2048
_REACH = 1024
"""How far from its announced place a cross-reference table is looked for, in bytes."""
_BLANKS = b" \t\r\n\f\x00\xef\xbb\xbf"
_START = re.compile(rb"startxref\s+(\d{1,12})\s+%%EOF")
_TABLE = re.compile(rb"(?<!start)xref\s+\d+\s+\d+\s|\d+\s+\d+\s+obj\b(?=[^>]{0,200}/XRef\b)")
_SIGNATURE_MARK = b"/ByteRange"


def find_beginning(stream: IO[bytes]) -> int:
    """Find where a PDF file begins, within its first bytes.

    Raises:
        PdfRefused: it begins nowhere, or behind bytes that are not blank.
    """
    stream.seek(0)
    head = stream.read(_HEAD_SIZE)
    beginning = head.find(_MAGIC)
    if beginning < 0:
        raise PdfRefused("PDF-NOT-PDF")
    if head[:beginning].strip(_BLANKS):
        raise PdfRefused("PDF-LEADING", str(beginning))
    return beginning


def mend_pointer(stream: IO[bytes], size: int) -> int:
    """Append where the cross-reference table is, if the file's own word is off by some bytes.

    Args:
        stream: the copy, seekable; written to at its end.
        size: its length in bytes.

    Returns:
        The length afterwards.

    Raises:
        PdfRefused: it is off, and the file has a signature.
    """
    announced = _read_pointer(stream, size)
    if announced is None or _is_table_at(stream, announced):
        return size
    found = _find_table(stream, announced)
    if found is None:
        return size  # what is wrong is told when it is read
    if _has_signature(stream):
        raise PdfRefused("PDF-POINTER", f"{announced}, {found}")
    stream.seek(size)
    return size + stream.write(b"\nstartxref\n%d\n%%%%EOF\n" % found)


def _read_pointer(stream: IO[bytes], size: int) -> int | None:
    stream.seek(max(0, size - _TAIL_SIZE))
    numbers = _START.findall(stream.read(_TAIL_SIZE))
    return int(numbers[-1]) if numbers else None


def _is_table_at(stream: IO[bytes], place: int) -> bool:
    stream.seek(place)
    return _TABLE.match(stream.read(_REACH).lstrip(_BLANKS)) is not None


def _find_table(stream: IO[bytes], place: int) -> int | None:
    """Find the table nearest to a place."""
    begin = max(0, place - _REACH)
    stream.seek(begin)
    places = [begin + found.start() for found in _TABLE.finditer(stream.read(2 * _REACH))]
    return min(places, key=lambda one: abs(one - place), default=None)


def _has_signature(stream: IO[bytes]) -> bool:
    """Tell whether the mark of a signature is anywhere in the file: no signature works without it, in plain sight."""
    stream.seek(0)
    rest = b""
    while piece := stream.read(1 << 20):
        if _SIGNATURE_MARK in rest + piece:
            return True
        rest = piece[-len(_SIGNATURE_MARK) :]
    return False
