"""Handlers of a log for people and for programs: a flood of one event becomes one line with a count; lines of JSON."""

from __future__ import annotations

import copy
import json
import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from .logs import CONTEXT_FIELDS
from .text import escape_json

MAX_DISTINCT = 10
"""Most lines of one place in the code within a window that differ in more than ids; the others are counted."""

# What differs where the same thing happens to many packets: ids of random digits, hashes, numbers.
_IDS = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b[0-9a-fA-F]{16,}\b|(?<![\w.])\d+(?![\w.])")
_FIELDS = "edoc_fields"
_REPEATED = "edoc_repeated"

_Key: TypeAlias = tuple[str, int, str]


@dataclass(slots=True)
class _Window:
    """The time for which an event that was written is only counted."""

    ends_at: float
    place: _Key
    last: logging.LogRecord
    repeated: int = 0


class CollapsingHandler(logging.Handler):
    """Hands each event to another handler once in a window; what repeats it is counted, and the count is a line too.

    Events are the same where they come from the same logger with the same level and words, but for ids and numbers.

    Args:
        inner: writes the lines.
        window: seconds.
        monotonic: a count of seconds that only grows.
    """

    def __init__(
        self, inner: logging.Handler, *, window: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._inner = inner
        self._window = window
        self._monotonic = monotonic
        self._windows: dict[_Key, _Window] = {}
        self._distinct: Counter[_Key] = Counter()
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write an event, or count it."""
        try:
            self._end_windows(self._monotonic())
            self._collapse(record)
        except Exception:  # as every handler does: logging never ends what is logged
            self.handleError(record)

    def flush(self) -> None:
        """Flush the other handler; counts wait for the end of their windows."""
        self._inner.flush()

    def close(self) -> None:
        """Write every count that is left."""
        with self._get_lock():
            if self._timer is not None:
                self._timer.cancel()
            self._end_windows(float("inf"))
        self._inner.close()
        super().close()

    def _collapse(self, record: logging.LogRecord) -> None:
        place = (record.name, record.levelno, str(record.msg))
        key = (record.name, record.levelno, _IDS.sub("#", record.getMessage()))
        if key not in self._windows and self._distinct[place] >= MAX_DISTINCT:
            key = place
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = _Window(self._monotonic() + self._window, place, record)
            self._distinct[place] += 1
            self._inner.handle(record)
            return
        window.repeated += 1
        window.last = record
        self._start_timer(window.ends_at)

    def _end_windows(self, now: float) -> None:
        for key, window in list(self._windows.items()):
            if window.ends_at <= now:
                del self._windows[key]
                self._distinct[window.place] -= 1
                if not self._distinct[window.place]:
                    del self._distinct[window.place]
                if window.repeated:
                    self._inner.handle(self._summarise(window))

    def _summarise(self, window: _Window) -> logging.LogRecord:
        record = copy.copy(window.last)
        record.msg = f"{window.last.getMessage()} (and {window.repeated} like it within {self._window:g} s)"
        record.args = None
        record.exc_info = record.exc_text = None
        setattr(record, _REPEATED, window.repeated)
        return record

    def _start_timer(self, ends_at: float) -> None:
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(max(0.0, ends_at - self._monotonic()), self._tick)
            self._timer.daemon = True
            self._timer.start()

    def _tick(self) -> None:
        with self._get_lock():
            self._timer = None
            self._end_windows(self._monotonic())
            waiting = [window.ends_at for window in self._windows.values() if window.repeated]
            if waiting:
                self._start_timer(min(waiting))

    def _get_lock(self) -> threading.RLock:
        assert self.lock is not None  # noqa: S101  every handler makes one
        return self.lock


class JsonFormatter(logging.Formatter):
    """Formats each record as one JSON object on one line.

    ``time`` (RFC 3339, UTC), ``level``, ``logger``, ``message``; ``repeated`` where it stands for so many more,
    ``traceback`` where there is one, and the fields of the event: see `log_fields.LOG_FIELDS`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        values: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        values |= getattr(record, CONTEXT_FIELDS, {}) | getattr(record, _FIELDS, {})
        if hasattr(record, _REPEATED):
            values["repeated"] = getattr(record, _REPEATED)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            values["traceback"] = record.exc_text
        return escape_json(json.dumps(values, ensure_ascii=False, default=str))
