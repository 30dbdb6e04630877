"""Handlers of a log: floods become one line with a count, and lines of JSON."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edoc_connector._core import CollapsingHandler, JsonFormatter
from edoc_connector._core.log_handlers import MAX_DISTINCT

Log = tuple[logging.Logger, Callable[[], list[str]], CollapsingHandler]


class Clock:
    """A count of seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def collapsing(clock: Callable[[], float], window: float = 60.0) -> Iterator[Log]:
    """A logger whose lines are collapsed, and a look at what was written."""
    written = io.StringIO()
    inner = logging.StreamHandler(written)
    inner.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler = CollapsingHandler(inner, window=window, monotonic=clock)
    log = logging.Logger("flood")
    log.addHandler(handler)
    yield log, lambda: written.getvalue().splitlines(), handler
    handler.close()


def test_a_flood_is_one_line_with_a_count() -> None:
    """The first is written at once, the others are counted, and none is lost (alarms, point 7)."""
    clock = Clock()
    with collapsing(clock) as (log, read, _):
        for number in range(500):
            log.warning("docId %s is not to be had: %s", 7000 + number, "404")
        assert read() == ["WARNING docId 7000 is not to be had: 404"]
        clock.now += 61
        log.warning("another")
        assert read()[1:] == [
            "WARNING docId 7499 is not to be had: 404 (and 499 like it within 60 s)",
            "WARNING another",
        ]
        log.warning("docId %s is not to be had: %s", 8000, "404")
        assert read()[-1] == "WARNING docId 8000 is not to be had: 404"


def test_what_differs_is_written() -> None:
    """Another agency, another level or other words are other events."""
    with collapsing(Clock()) as (log, read, _):
        log.warning("%s: %s", "H29.05", "the hub refuses us")
        log.warning("%s: %s", "H29.06", "the hub refuses us")
        log.warning("%s: %s", "H29.06", "the hub is busy")
        log.error("%s: %s", "H29.06", "the hub is busy")
        log.error("%s: %s", "H29.06", "the hub is busy")
        assert len(read()) == 4


def test_ids_are_no_difference() -> None:
    """Numbers, hashes and UUIDs differ from packet to packet, codes of agencies do not."""
    with collapsing(Clock()) as (log, read, _):
        for packet in ("0b0f9a5e-8d1e-4a57-9a3e-1b2c3d4e5f60", "f" * 32, "12"):
            log.warning("packet %s is gone", packet)
        assert len(read()) == 1


def test_lines_of_one_place_are_bounded() -> None:
    """A stranger who decides the words cannot fill the disk: further ones are counted together."""
    clock = Clock()
    with collapsing(clock) as (log, read, _):
        for letter in range(1000):
            log.warning("sender %s", f"X{letter}Y")
        assert len(read()) == MAX_DISTINCT + 1
        clock.now += 61
        log.warning("another")
        counted = [line for line in read() if "like it" in line]
        assert counted == [f"WARNING sender X999Y (and {1000 - MAX_DISTINCT - 1} like it within 60 s)"]


def test_a_count_comes_when_the_flood_is_over() -> None:
    """It is written at the end of the window, although nothing else is logged."""
    with collapsing(time.monotonic, window=0.2) as (log, read, _):
        log.warning("again")
        log.warning("again")
        deadline = time.monotonic() + 10
        while len(read()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert read()[1] == "WARNING again (and 1 like it within 0.2 s)"


def test_a_count_is_not_lost_at_the_end() -> None:
    """Closing writes what was counted."""
    with collapsing(Clock()) as (log, read, handler):
        for _ in range(3):
            log.warning("again")
        handler.close()
        assert read()[-1] == "WARNING again (and 2 like it within 60 s)"


@pytest.fixture
def formatted() -> Callable[..., dict[str, object]]:
    """Formats one record as JSON, and reads it."""

    def run(**values: object) -> dict[str, object]:
        record = logging.makeLogRecord(
            {"name": "a.b", "levelno": 30, "levelname": "WARNING", "created": 0.25, **values}
        )
        line = JsonFormatter().format(record)
        assert "\n" not in line
        read: dict[str, object] = json.loads(line)
        return read

    return run


def test_a_record_is_an_object(formatted: Callable[..., dict[str, object]]) -> None:
    """Time, level, logger and words, whatever letters are in them; fields of the event beside them."""
    found = formatted(msg="đơn vị %s\n\u202e", args=("H29.05",), edoc_fields={"check": "CHK-LATE"})
    assert found == {
        "time": "1970-01-01T00:00:00.250+00:00",
        "level": "warning",
        "logger": "a.b",
        "message": "đơn vị H29.05\n\u202e",
        "check": "CHK-LATE",
    }


def test_a_traceback_and_a_count_are_fields(formatted: Callable[..., dict[str, object]]) -> None:
    """They do not make further lines."""
    with pytest.raises(ValueError, match="invalid literal") as caught:
        int("why")
    found = formatted(msg="failed", exc_info=(caught.type, caught.value, caught.tb), edoc_repeated=7)
    assert found["repeated"] == 7
    assert "ValueError: invalid literal" in str(found["traceback"])
