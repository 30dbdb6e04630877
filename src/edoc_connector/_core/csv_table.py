"""Tables as spreadsheets write them: CSV with commas, semicolons or tabs, UTF-8 or UTF-16."""

from __future__ import annotations

import csv
import io

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
