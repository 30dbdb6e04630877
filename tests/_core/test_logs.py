"""Loggers whose records are one line each."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import edoc_connector
from edoc_connector._core import get_logger, make_record_safe

FORGED = "x\n2026-11-20 08:30:00 edoc_connector INFO \x1b[2K\u202eall is well"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a handler of the application's writes, which knows nothing of escapes."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("RECORD %(message)s"))
    logging.getLogger().addHandler(handler)
    yield out
    logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("docId %s is set aside", (FORGED,)),
        ("docId %s is set aside: %r", ("1", FORGED)),
        ("not sent: %s", (ValueError(FORGED),)),
        ("saved %s after %d tries in %.1f s", (Path(FORGED), 3, 0.5)),
        ("%(name)s is odd", ({"name": FORGED},)),
        (FORGED.replace("%", "%%"), ()),
        (ValueError(FORGED), ()),
    ],
)
def test_words_and_screens_a_record_is_one_line(
    message: object, arguments: tuple[object, ...], lines: io.StringIO
) -> None:
    """A value from the network begins no line of a log, and drives no terminal ("Words and screens")."""
    get_logger("edoc_connector.test").warning(message, *arguments)
    (line,) = lines.getvalue().removesuffix("\n").split("\n")
    assert line.startswith("RECORD ")
    assert line.isprintable()
    assert "all is well" in line


def test_words_and_screens_a_traceback_looks_like_no_record(lines: io.StringIO) -> None:
    """The lines of a traceback, and of the error in it, are indented and escaped ("Words and screens")."""

    def fail() -> None:
        raise RuntimeError(FORGED)

    try:
        fail()
    except RuntimeError:
        get_logger("edoc_connector.test").exception("the application failed on docId %s", "1")
    first, *others = lines.getvalue().removesuffix("\n").split("\n")
    assert first == "RECORD the application failed on docId 1"
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others)


@pytest.mark.parametrize("value", ["D" * 3_000_000, RuntimeError("D" * 3_000_000)], ids=["text", "error"])
def test_words_and_screens_a_stranger_fills_no_log(lines: io.StringIO, value: object) -> None:
    """A DocumentId of three megabytes makes no line of three megabytes ("Words and screens")."""
    get_logger("edoc_connector.test").warning("about a document that did not come: %s", value)
    (line,) = lines.getvalue().splitlines()
    assert len(line) < 5_000
    assert line.endswith("… (+2996000)")


def test_words_and_screens_a_filter_never_raises() -> None:
    """An error without words of its own is the handler's to report, as logging does it ("Words and screens")."""

    class Odd:
        def __str__(self) -> str:
            raise ZeroDivisionError

    record = logging.LogRecord("edoc_connector.test", logging.WARNING, __file__, 1, "%s", (Odd(),), None)
    assert make_record_safe(record)
    with pytest.raises(ZeroDivisionError):
        record.getMessage()


def test_words_and_screens_every_module_logs_so() -> None:
    """No module of the library makes a logger past `get_logger` ("Words and screens")."""
    folder = Path(edoc_connector.__file__).parent
    own = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if re.search(r"= logging\.getLogger\(", path.read_text(encoding="utf-8"))
    }
    assert own == {"_core/logs.py"}
