"""Texts, numbers and dates as the hub's library reads them and writes them again.

It is written in Java: an integer may have a sign, leading zeros and any script's digits, but no white space; a date is
read leniently, as much of a text as fits the pattern. A conversion takes an element's text as it stands in the packet
(None: there is no such element) and gives the text to write (None: the element is left out).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Final, TypeAlias

from edoc_connector.mockhub.codes import ErrorCode, RefusedError

Conversion: TypeAlias = Callable[[str | None], str | None]

XML_SPACE: Final = " \t\r\n"
_INTEGER = re.compile(r"[+-]?\d+")
_LARGEST_INTEGER = 2**31 - 1
# Every number of a date may have blanks and a minus before it; what follows the last one is cut.
_DATE = re.compile(r"[ \t]*(-?\d+)/[ \t]*(-?\d+)/[ \t]*(-?\d+)")
_TIME = re.compile(r" [ \t]*(-?\d+):[ \t]*(-?\d+):[ \t]*(-?\d+)")
_SECONDS_A_DAY = 86_400


def copy_text(text: str | None) -> str | None:
    """Copy a text; an empty one is left out, one of nothing but white space is not."""
    return text or None


def copy_trimmed(text: str | None) -> str | None:
    """Copy a text that is trimmed when it is read, so that one of nothing but white space is left out."""
    return (text or "").strip(XML_SPACE) or None


def copy_or_invent_id(text: str | None) -> str | None:
    """Copy an identifier, or make one up where there is no such element."""
    return str(uuid.uuid4()) if text is None else copy_text(text)


def rewrite_boolean(text: str | None) -> str:
    """Write ``true`` for that word in any case, else ``false``."""
    return "true" if text is not None and text.lower() == "true" else "false"


def rewrite_integer(*, default: int | None) -> Conversion:
    """Make a conversion of integers: a default where there is none to read, nothing where it is negative."""

    def rewrite(text: str | None) -> str | None:
        number = default if text is None else parse_integer(text, default)
        return None if number is None or number < 0 else str(number)

    return rewrite


def require_integer(name: str, *, default: int) -> Conversion:
    """Make a conversion of integers that must be readable where they are there.

    Raises:
        RefusedError: by the conversion, 22.
    """

    def rewrite(text: str | None) -> str | None:
        number = default if text is None else parse_integer(text, None)
        if number is None:
            raise RefusedError(ErrorCode.NOT_EDXML, f"{name} is not an integer")
        return None if number < 0 else str(number)

    return rewrite


def rewrite_date(text: str | None) -> str | None:
    """Write a date as ``yyyy/MM/dd``, or nothing where it cannot be read."""
    match = _DATE.match(text or "")
    return None if match is None else _format_date(_count_days(*map(int, match.groups())))


def rewrite_timestamp(text: str | None) -> str | None:
    """Write a time as ``yyyy/MM/dd HH:mm:ss``, or nothing where it cannot be read."""
    date = _DATE.match(text or "")
    time = date and _TIME.match(date.string, date.end())
    if date is None or time is None:
        return None
    hours, minutes, seconds = map(int, time.groups())
    days, rest = divmod(hours * 3600 + minutes * 60 + seconds, _SECONDS_A_DAY)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{_format_date(_count_days(*map(int, date.groups())) + days)} {clock}"


def rewrite_trimmed_timestamp(text: str | None) -> str | None:
    """Write a time as `rewrite_timestamp` does, of a text that is trimmed when it is read."""
    return rewrite_timestamp((text or "").strip(XML_SPACE))


def parse_integer(text: str, default: int | None) -> int | None:
    """Read an integer of 32 bits, or give the default."""
    number = int(text) if _INTEGER.fullmatch(text) else None
    return default if number is None or not -_LARGEST_INTEGER - 1 <= number <= _LARGEST_INTEGER else number


# Days are counted from 1 January of the year 1 of the Gregorian calendar, which begins on this one.
_GREGORIAN_START: Final = 577_735  # 15 October 1582


def _count_days(year: int, month: int, day: int) -> int:
    """Count the days to a date, of which month and day may be any numbers, as Java's calendar does."""
    year_of_month, month_index = year + (month - 1) // 12, (month - 1) % 12
    gregorian = _count_to_month(year_of_month, month_index, is_gregorian=True) + day - 1
    if year >= 1582 and gregorian >= _GREGORIAN_START:
        return gregorian
    return _count_to_month(year_of_month, month_index, is_gregorian=False) + day - 1


def _count_to_month(year: int, month_index: int, *, is_gregorian: bool) -> int:
    # years that begin in March have the leap day at their end
    years, months = (year - 1, month_index + 10) if month_index < 2 else (year, month_index - 2)
    leap_days = years // 4 - (years // 100 - years // 400 if is_gregorian else 2)
    return years * 365 + leap_days + (months * 153 + 2) // 5 - 306


def _format_date(days: int) -> str:
    is_gregorian = days >= _GREGORIAN_START
    year, month_index = _estimate_year(days, is_gregorian=is_gregorian), 11
    while month_index and _count_to_month(year, month_index, is_gregorian=is_gregorian) > days:
        month_index -= 1
    day = days - _count_to_month(year, month_index, is_gregorian=is_gregorian) + 1
    return f"{year if year > 0 else 1 - year:04d}/{month_index + 1:02d}/{day:02d}"  # years before 1 count backwards


def _estimate_year(days: int, *, is_gregorian: bool) -> int:
    year = days // 366 if days >= 0 else days // 365 - 1
    while _count_to_month(year + 1, 0, is_gregorian=is_gregorian) <= days:
        year += max(1, (days - _count_to_month(year + 1, 0, is_gregorian=is_gregorian)) // 366)
    return year
