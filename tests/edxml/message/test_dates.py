"""Dates and times as other systems write them ("Seen in the wild": dates)."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from edoc_connector.edxml.message import values
from edoc_connector.edxml.message.dates import VIETNAM, is_plausible_year, parse_date, parse_time

_DAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("text", "hour", "minute"),
    [
        ("20/11/2026 08:00:00 SA", 8, 0),
        ("20/11/2026 08:05:00 CH", 20, 5),
        ("20/11/2026 12:00:00 SA", 0, 0),
        ("20/11/2026 12:00 pm", 12, 0),
        ("20/11/2026 20:00:00 CH", 20, 0),
        ("20.11.2026 7:30", 7, 30),
        ("20261120", 0, 0),
        ("20261120101112", 10, 11),
        ("20112026", 0, 0),
        ("2026.11.20", 0, 0),
        ("2026/11/20 25:61:00", 0, 0),
        ("2026/11/20 mấy giờ", 0, 0),
        ("20/11/2026 08:00:00 XX", 0, 0),
        ("2026-11-20T08:00:00+99:00", 0, 0),
        ("2026-11-20 08:00:00,123", 8, 0),
        ("Fri Nov 20 00:00:00 ICT 2026", 0, 0),
        ("Fri Nov 20 01:02:03 UTC 2026", 8, 2),
        ("Fri Nov 20 09:30:00 2026", 9, 30),
        ("Fri Nov 20 2026 08:00:00 GMT+0700 (Indochina Time)", 8, 0),
        ("/Date(1795132800000)/", 7, 0),
        ("/Date(1795132800000+0700)/", 7, 0),
        ("1795132800000", 7, 0),
    ],
)
def test_a_readable_day_is_kept(text: str, hour: int, minute: int) -> None:
    """A readable day with an odd time behind it, or in another system's form, keeps the day ("Seen in the wild")."""
    assert parse_date(text) == _DAY
    moment = parse_time(text)
    assert moment is not None
    assert moment.utcoffset() == UTC.utcoffset(None)
    local = moment.astimezone(VIETNAM)
    assert (local.date(), local.hour, local.minute) == (_DAY, hour, minute)


def test_the_end_of_a_day() -> None:
    """``24:00:00`` keeps the day as a date, and is the next day's beginning as a time (ISO 8601)."""
    assert parse_date("2026/11/20 24:00:00") == _DAY
    assert parse_time("2026/11/20 24:00:00") == datetime(2026, 11, 20, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026/11.20",
        "20261320",
        "20260230",
        "30/02/2026 08:00:00 SA",
        "18260101",
        "Fri Xxx 20 00:00:00 ICT 2026",
        "Sat Feb 30 00:00:00 ICT 2026",
        "/Date(999999999999999)/",
        "/Date()/",
        "179513280000",
        "2026/11/201",
        "20/11/26",
    ],
)
def test_what_is_no_day(text: str) -> None:
    """A day that does not exist, and digits that may mean anything, are no date."""
    assert parse_date(text) is None
    assert parse_time(text) is None


@pytest.mark.parametrize("text", ["0026/05/19", "3026/11/20", "19/05/0026", "1899/12/31"])
def test_years_that_a_library_mangled(text: str) -> None:
    """``0026/05/19`` and the year 3026 are dates with a doubt ("dates that the vendor's library mangled")."""
    day = parse_date(text)
    assert day is not None
    assert not is_plausible_year(day)
    for kind in (values.DATE, values.TIME):
        assert kind.find_doubt is not None
        assert kind.find_doubt(text) == "EDX-YEAR"
        assert kind.find_doubt("2026/11/20") == kind.find_doubt("20/11/1950") == ""
