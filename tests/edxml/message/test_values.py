"""Values of elements: "type, limits" of the tables, and dates as seen in the wild."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector.edxml import BusinessType, Priority, StatusCode
from edoc_connector.edxml.message import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018/09/28", date(2018, 9, 28)),
        ("2018-9-8", date(2018, 9, 8)),
        ("28/09/2018", date(2018, 9, 28)),
        ("28-09-2018", date(2018, 9, 28)),
        ("2018-09-28T00:00:00", date(2018, 9, 28)),
        ("2018/09/28 17:25:11", date(2018, 9, 28)),
        ("28/09/2018 17:25", date(2018, 9, 28)),
        ("2018-09-28T17:00:00Z", date(2018, 9, 29)),
        ("2018-09-28T00:00:00+07:00", date(2018, 9, 28)),
        ("2018-09-28T00:00:00+0900", date(2018, 9, 27)),
        ("2018-09-27T17:30:00-01:30", date(2018, 9, 28)),
        ("2014/02/30", None),
        ("2018/13/01", None),
        ("0000/01/01", None),
        ("2018/09/28 25:00:00", date(2018, 9, 28)),
        ("2018-09-28T00:00:00+99:00", date(2018, 9, 28)),
        ("9999-12-31T23:59:59-12:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("28 tháng 9 năm 2018", None),
        ("18/09/28", None),
    ],
)
def test_dates(text: str, expected: date | None) -> None:
    """dd/MM/yyyy, ISO and dates with a time are understood; an impossible date is none."""
    assert values.DATE.read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018/09/28 17:25:11", datetime(2018, 9, 28, 10, 25, 11, tzinfo=UTC)),
        ("2018-09-28T17:25:11.5+07:00", datetime(2018, 9, 28, 10, 25, 11, tzinfo=UTC)),
        ("2018-09-28T10:25:11Z", datetime(2018, 9, 28, 10, 25, 11, tzinfo=UTC)),
        ("28/09/2018 17:25", datetime(2018, 9, 28, 10, 25, tzinfo=UTC)),
        ("2018/09/28", datetime(2018, 9, 27, 17, tzinfo=UTC)),
        ("0001/01/01 00:00:00", None),
        ("9999-12-31T20:00:00Z", None),
        ("17:25:11", None),
    ],
)
def test_times(text: str, expected: datetime | None) -> None:
    """Times are Vietnam time (UTC+7) without an offset; a missing time is midnight."""
    assert values.TIME.read(text) == expected


_ZONES = st.integers(-720, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=_ZONES))
@settings(max_examples=100, deadline=None)
def test_times_read_back(moment: datetime) -> None:
    """A time written in any zone reads back as the same moment."""
    assert values.TIME.read(values.TIME.write(moment)) == moment.replace(microsecond=0)


@given(text=st.text(max_size=30) | st.from_regex(r"[0-9]{1,4}[/-][0-9]{1,2}[/-][0-9]{1,4}([T ][0-9:.Z+-]*)?"))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_value_or_none(text: str) -> None:
    """No text makes a kind raise, and a value that was read can be written."""
    kinds = (values.INT, values.DATE, values.TIME, values.BIT, values.TRUTH, values.STATUS)
    for kind in (*kinds, values.build_code_kind(Priority)):
        value = kind.read(text)
        assert value is None or kind.read(kind.write(value)) == value


@pytest.mark.parametrize(
    ("kind", "text", "value", "written"),
    [
        (values.INT, "007", 7, "7"),
        (values.INT, "-1", None, None),
        (values.INT, "1.5", None, None),
        (values.INT, "٣", None, None),
        (values.INT, "1234567890", None, None),
        (values.BIT, "1", True, "1"),
        (values.BIT, "TRUE", True, "1"),
        (values.BIT, "2", None, None),
        (values.TRUTH, "False", False, "false"),
        (values.TRUTH, "0", False, "false"),
        (values.TRUTH, "yes", None, None),
        (values.STATUS, "01", StatusCode.ARRIVED, "01"),
        (values.STATUS, "6", StatusCode.COMPLETED, "06"),
        (values.STATUS, "07", None, None),
        (values.build_code_kind(BusinessType), "3", BusinessType.REPLACE, "3"),
        (values.build_code_kind(BusinessType), "4", None, None),
        (values.build_code_kind(Priority), "x", None, None),
        (values.TEXT, "x", "x", "x"),
    ],
)
def test_numbers_and_words(kind: values.Kind, text: str, value: object, written: str | None) -> None:
    """Numbers, truth values and codes read as the tables list them."""
    assert kind.read(text) == value
    assert written is None or kind.write(value) == written
