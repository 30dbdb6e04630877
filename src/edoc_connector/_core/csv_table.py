"""Tables as spreadsheets write and open them: read with commas, semicolons or tabs, UTF-8 or UTF-16; written inert."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable

_DELIMITERS = ",;\t"


def decode_table(content: bytes) -> str:
    """Decode a text file: UTF-8, with or without a byte order mark, or UTF-16 with one.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return content.decode(encoding)


def split_table(text: str) -> list[list[str]]:
    """Split a table into its lines, without empty ones; what separates the cells is seen from the first.

    Raises:
        csv.Error: quotes do not fit.
    """
    head = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]


_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
"""Beginnings of what a spreadsheet computes; the first four also behind spaces."""
_SPACES = " \u00a0\u3000"


def format_table(rows: Iterable[Iterable[object]]) -> str:
    """Format a table as CSV (RFC 4180) that a spreadsheet opens and computes nothing of.

    Args:
        rows: the lines, the head first; cells are texts, numbers or None.
    """
    out = io.StringIO()
    csv.writer(out).writerows([_disarm(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return "\ufeff" + out.getvalue()  # without the mark Excel takes UTF-8 for the system's code page


def _disarm(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would compute, also in full width, behind spaces or apostrophes."""
    return f"'{text}" if _is_computed(text.lstrip("'")) else text


def rearm_cell(text: str) -> str:
    """Take away the apostrophe that `format_table` put before a text."""
    return text[1:] if text[:1] == "'" and _is_computed(text.lstrip("'")) else text


def _is_computed(text: str) -> bool:
    begins = unicodedata.normalize("NFKC", text.lstrip(_SPACES))[:1]
    return text[:1] in _COMPUTED or begins in _COMPUTED[:4]
