"""Tables as files for a spreadsheet: CSV that computes nothing, and workbooks."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..._core import Text, format_table
from ...edxml import VIETNAM
from ...errors import ConfigError


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Args:
        head: its head.
        get_value: gives the value of an entry.
        width: width in a workbook, in characters.
    """

    head: Text
    get_value: Callable[[Any], object]
    width: int


def format_csv(columns: Sequence[Column], entries: Iterable[Any], language: str) -> bytes:
    """Format a table as CSV (RFC 4180)."""
    head = [_choose(column.head, language) for column in columns]
    rows = ([_format(column.get_value(entry), language) for column in columns] for entry in entries)
    return format_table([head, *rows]).encode()


def format_xlsx(columns: Sequence[Column], entries: Iterable[Any], language: str, *, title: str) -> bytes:
    """Format a table as a workbook with one sheet, whose cells are texts, numbers and days, never formulas.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise ConfigError(
            "workbooks need the extra 'xlsx'; install it: pip install 'edoc-connector[xlsx]'",
            vi="xuất tệp Excel cần gói bổ sung 'xlsx'; hãy cài: pip install 'edoc-connector[xlsx]'",
        ) from error
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(title[:1].upper() + title[1:31])
        head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "border": 1, "bg_color": "#e8ecf0"})
        text = book.add_format({"text_wrap": True, "valign": "top", "border": 1})
        day = book.add_format({"num_format": "dd/mm/yyyy", "valign": "top", "border": 1, "align": "left"})
        for number, column in enumerate(columns):
            sheet.set_column(number, number, column.width)
            sheet.write_string(0, number, _choose(column.head, language), head)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.fit_to_pages(1, 0)
        for row, entry in enumerate(entries, start=1):
            for number, column in enumerate(columns):
                value = column.get_value(entry)
                if isinstance(value, date):
                    sheet.write_datetime(row, number, _get_day(value), day)
                elif isinstance(value, int):
                    sheet.write_number(row, number, value, text)
                else:
                    sheet.write_string(row, number, _format(value, language)[:32767], text)
    return out.getvalue()


def _choose(text: Text, language: str) -> str:
    return text.vi if language == "vi" else text.en


def _format(value: object, language: str) -> str:
    if isinstance(value, Text):
        return _choose(value, language)
    if isinstance(value, date):
        return f"{_get_day(value):%d/%m/%Y}"
    return "" if value is None else str(value)


def _get_day(value: date) -> date:
    return value.astimezone(VIETNAM).date() if isinstance(value, datetime) else value
