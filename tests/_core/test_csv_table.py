"""Tables that a spreadsheet opens: nothing in them is computed, and what is read again is what was written."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edoc_connector._core import format_table, rearm_cell, split_table

ARMED = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "|cmd", "%0A", "＝1", "  =1", "\u00a0-1", "\n=1")


@pytest.mark.parametrize("text", ARMED)
def test_what_a_spreadsheet_would_compute_begins_with_an_apostrophe(text: str) -> None:
    """Formulas, in full width and behind spaces too; heads of columns are no exception."""
    table = format_table([[text, "plain"], [1, text]])
    assert split_table(table.removeprefix("\ufeff")) == [["'" + text, "plain"], ["1", "'" + text]]


def test_a_table_is_known_as_utf_8() -> None:
    """It begins with the mark by which Excel tells UTF-8 from the system's code page; nothing stays nothing."""
    assert format_table([["Trích yếu", None, 0]]) == "\ufeffTrích yếu,,0\r\n"


@given(st.text(alphabet="'=+-@ a\t|％＝", max_size=5))
@example("'=1")
@example("''=1")
def test_a_cell_is_read_as_it_was_written(text: str) -> None:
    """Taking the apostrophe away undoes the putting, also where a text had one already."""
    written = split_table(format_table([["head", "x"], [text, "x"]]).removeprefix("\ufeff"))[1][0]
    assert rearm_cell(written) == text
