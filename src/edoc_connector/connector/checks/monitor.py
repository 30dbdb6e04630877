"""The monitor: looks at the conditions again and again, and logs what has changed."""

from __future__ import annotations

import logging
import time

from ..._core import get_logger, make_lock
from .check import CheckOutcome, CheckResult, CheckSeverity
from .registry import run_checks
from .subject import Subject

log = get_logger("edoc_connector.checks")

_LEVELS = {CheckSeverity.WARN: logging.WARNING, CheckSeverity.FAIL: logging.ERROR}


class CheckMonitor:
    """Looks at the conditions of an agency, remembers them, and logs each once when it begins and once when it ends.

    Safe to share between threads.

    Args:
        subject: the agency.
        slow_interval: seconds between two looks at conditions for which every file or row is read, and at those for
            which the hub is called; at these not before so much time has passed.
    """

    def __init__(self, subject: Subject, *, slow_interval: float) -> None:
        self._subject = subject
        self._slow_interval = slow_interval
        self._slow_at = float("-inf")
        self._remote_at = time.monotonic()  # a worker that starts calls the hub anyway
        self._lock = make_lock()
        self._results: dict[str, CheckResult] = {}
        self.examined_at: float | None = None

    @property
    def results(self) -> tuple[CheckResult, ...]:
        """What the last look found; nothing before the first one."""
        with self._lock:
            return tuple(self._results.values())

    def run(self) -> tuple[CheckResult, ...]:
        """Look at every condition that is due, and log changes; returns all results."""
        is_slow_due = time.monotonic() - self._slow_at >= self._slow_interval
        if is_slow_due:
            self._slow_at = time.monotonic()
        is_remote_due = time.monotonic() - self._remote_at >= self._slow_interval
        if is_remote_due:
            self._remote_at = time.monotonic()
        for result in run_checks(self._subject, slow=is_slow_due, remote=is_remote_due):
            with self._lock:
                previous, self._results[result.code] = self._results.get(result.code), self._keep(result)
            self._log_change(previous, result)
        self.examined_at = time.time()
        return self.results

    def _keep(self, result: CheckResult) -> CheckResult:
        """Keep a condition that lasts and cannot be looked at now: it has not ended."""
        previous = self._results.get(result.code)
        is_blind = result.outcome is CheckOutcome.UNKNOWN and previous is not None and previous.is_raised
        return previous if is_blind and previous is not None else result

    def _log_change(self, previous: CheckResult | None, result: CheckResult) -> None:
        was_raised = previous is not None and previous.is_raised
        if result.is_raised and not was_raised:
            self._log(_LEVELS[result.severity], "raised", result, f"{result.text.en}: {result.cure.en}")
        elif was_raised and result.outcome is CheckOutcome.PASS:
            self._log(logging.WARNING, "cleared", result, f"cleared: {result.text.en}")

    def _log(self, level: int, change: str, result: CheckResult, words: str) -> None:
        fields = {"agency": self._subject.agency, "check": result.code, "change": change}
        log.log(level, "%s: %s: %s", self._subject.agency, result.code, words, extra={"edoc_fields": fields})
