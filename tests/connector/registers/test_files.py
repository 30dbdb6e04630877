"""Tables as files for a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from edoc_connector._core import Text
from edoc_connector.connector.registers.files import Column, format_csv

COLUMN = Column(Text("head", "đầu"), lambda entry: entry, 10)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+84 24 1", "-2+3", "@SUM(A1)", "\tx", "\r=1", "  =1+1", "＝1+1", "＋1", "|calc", "\u00a0@x"]
)
def test_what_would_be_computed_is_text(cell: str) -> None:
    """Each form that Excel or LibreOffice takes for a formula gets an apostrophe before it (OWASP, CSV injection)."""
    rows = list(csv.reader(io.StringIO(format_csv((COLUMN,), [cell], "vi").decode("utf-8-sig"))))
    assert rows[1] == [f"'{cell}"]


@pytest.mark.parametrize("cell", ["7816/SNV-VP", 'Kế hoạch, "gấp"\nhai dòng', "a=b", ""])
def test_other_text_is_as_it_was(cell: str) -> None:
    """Commas, quotes and lines come back as they went (RFC 4180)."""
    rows = list(csv.reader(io.StringIO(format_csv((COLUMN,), [cell], "en").decode("utf-8-sig"), newline="")))
    assert rows == [["head"], [cell] if cell else [""]]
