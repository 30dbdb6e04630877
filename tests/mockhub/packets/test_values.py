"""Texts, numbers and dates as the hub's library reads and writes them; the expected values are Java's own."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.mockhub.packets.values import parse_integer, rewrite_date, rewrite_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026/11/20", "2026/11/20"), ("2026/1/2", "2026/01/02"), (" 2026/ 1/\t2", "2026/01/02"),
        ("2026/02/30", "2026/03/02"), ("2026/13/45", "2027/02/14"), ("2026/00/10", "2025/12/10"),
        ("2026/-1/5", "2025/11/05"), ("2026/11/-20", "2026/10/11"), ("2026/3000/1", "2275/12/01"),
        ("20/11/2026", "0026/05/19"), ("26/1/1", "0026/01/01"), ("00/00/0000", "0002/11/30"),
        ("-2026/11/20", "2027/11/20"), ("99999/1/1", "99999/01/01"), ("1500/02/29", "1500/02/29"),
        ("1582/10/10", "1582/10/20"), ("1700/02/29", "1700/03/01"), ("4000/02/30", "4000/03/01"),
        ("2026/11/20 08:00:00", "2026/11/20"), ("2026/11/20T08:00", "2026/11/20"), ("２０２６/11/20", "2026/11/20"),
        ("2026-11-20", None), ("2026.11.20", None), ("20261120", None), ("2026/11", None), ("2026 /1/2", None),
        ("+2026/11/20", None), ("\n2026/11/20", None), ("2026//20", None), ("null", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_dates_are_read_leniently(text: str | None, expected: str | None) -> None:
    """Dates read as `yyyy/MM/dd`, leniently, what follows cut, ISO left out; Julian before October 1582."""
    assert rewrite_date(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026/11/28 20:23:15", "2026/11/28 20:23:15"), (" 2026/11/28  1:2:3", "2026/11/28 01:02:03"),
        ("2026/11/28 24:00:00", "2026/11/29 00:00:00"), ("2026/11/28 20:23:75", "2026/11/28 20:24:15"),
        ("2026/11/28 -1:00:00", "2026/11/27 23:00:00"), ("2026/11/28 25:61:61 SA", "2026/11/29 02:02:01"),
        ("28/11/2026 20:23:15", "0034/05/19 20:23:15"), ("2026/11/28 20:23:15.123", "2026/11/28 20:23:15"),
        ("2026/11/28", None), ("2026/11/28 20:23", None), ("2026/11/28T20:23:15", None), ("2026-11-28 20:23:15", None),
        ("", None), (None, None),
    ],
)  # fmt: skip
def test_time_stamps_need_a_time(text: str | None, expected: str | None) -> None:
    """Time stamps without a time are left out; the others are read as leniently as dates."""
    assert rewrite_timestamp(text) == expected


@given(day=st.dates(), months=st.integers(-500, 500))
def test_a_date_of_our_calendar_is_itself(day: date, months: int) -> None:
    """A date since October 1582 is written as it was, and a month beyond the twelfth counts into other years."""
    if day >= date(1582, 10, 15):
        assert rewrite_date(f"{day:%Y/%m/%d}") == f"{day.year:04d}/{day:%m/%d}"
        years, month = divmod(day.month - 1 + months, 12)
        if day.year + years > 1600:
            expected = f"{day.year + years:04d}/{month + 1:02d}/01"
            assert rewrite_date(f"{day.year}/{day.month + months}/1") == expected


@given(days=st.integers(0, 300_000))
def test_days_run_on(days: int) -> None:
    """A day beyond the month's end counts on."""
    expected = date(1900, 1, 1) + timedelta(days=days)
    assert rewrite_date(f"1900/1/{days + 1}") == f"{expected:%Y/%m/%d}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("007", 7), ("+1", 1), ("-1", -1), ("-0", 0), ("１", 1), ("٢", 2), ("2147483647", 2147483647),
        ("-2147483648", -2147483648), ("2147483648", None), ("", None), (" 1", None), ("1 ", None), ("1.0", None),
        ("1_0", None), ("+", None), ("abc", None),
    ],
)  # fmt: skip
def test_integers_are_read_as_java_reads_them(text: str, expected: int | None) -> None:
    """Numbers may have a sign and zeros; white space or what goes beyond 32 bits is no number."""
    assert parse_integer(text, None) == expected
