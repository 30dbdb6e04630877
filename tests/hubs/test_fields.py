"""Single values of answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edoc_connector.errors import ProtocolError
from edoc_connector.hubs.fields import as_printable, as_text, parse_flag, parse_identifier, parse_time

TEN = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-22 10:00:00", "2026-11-22 10:00:00.0", "2026-11-22T10:00:00+07:00", "2026-11-22T03:00:00Z",
        "2026-11-22T10:00:00", "2026/11/22 10:00:00", "22/11/2026 10:00:00", "22-11-2026 10:00:00", "20261122100000",
        1_795_316_400, 1_795_316_400_000, "1795316400000",
    ],
)  # fmt: skip
def test_known_times(written: Any) -> None:
    """A time without an offset is Vietnam time, and all become aware UTC (design, times inside)."""
    assert parse_time(written) == TEN


@pytest.mark.parametrize("written", [None, "", "soon", "2014-02-30 00:00:00", "0001-01-01", "99/99/9999", 5, 1.5])
def test_unknown_times(written: Any) -> None:
    """A time in an unknown form is None and never a guess (VXP interface, list)."""
    assert parse_time(written) is None


@given(st.text())
def test_any_text_as_time(written: str) -> None:
    """No text makes the reading of times fail (hostile answers)."""
    found = parse_time(written)
    assert found is None or found.tzinfo is UTC


def test_dates_alone() -> None:
    """A date is its midnight in Vietnam (design, times inside)."""
    assert parse_time("2026/11/22") == parse_time("22/11/2026") == datetime(2026, 11, 21, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), (7, "7"), (1.5, "1.5"), (True, "true"), (False, "false"), ("a\0b", "a\ufffdb"), ("\ud800", "\ufffd")],
)
def test_text(value: Any, expected: str) -> None:
    """Values become text that every database takes (hostile answers)."""
    assert as_text(value) == expected


def test_text_is_bounded() -> None:
    """A text is cut and a structure refused (hostile answers)."""
    assert len(as_text("x" * 100_000)) == 4096
    with pytest.raises(ProtocolError):
        as_text(["x"])


@pytest.mark.parametrize("value", ["x" * 257, "", " a", "a\u202eb", "a\nb", None, True, 1.5, [], "\ud800"])
def test_no_identifier(value: Any) -> None:
    """An id is bounded and printable, or it is none (VXP interface, list)."""
    assert parse_identifier(value) is None


def test_identifier_and_flags() -> None:
    """Numbers are ids too; yes and no come in several spellings (VXP interface, calls)."""
    assert (parse_identifier(12), parse_identifier("a/b,1")) == ("12", "a/b,1")
    assert [parse_flag(v) for v in (True, "TRUE", 1, 0, "false", None, "x")] == [
        True,
        True,
        True,
        False,
        False,
        None,
        None,
    ]
    assert as_printable("a\x1b\n b" + "c" * 400).startswith("a b")
