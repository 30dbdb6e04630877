"""Checks: each condition that an operator must know, with its code, severity, sentence and cure in both languages."""

from .check import Check, CheckOutcome, CheckResult, CheckSeverity
from .exchange_checks import OPEN_COUNTS, measure_queue_age
from .key_checks import find_last_end
from .monitor import CheckMonitor
from .registry import CHECKS, run_checks
from .store_checks import measure_free_space
from .subject import Subject

__all__ = [
    "CHECKS",
    "OPEN_COUNTS",
    "Check",
    "CheckMonitor",
    "CheckOutcome",
    "CheckResult",
    "CheckSeverity",
    "Subject",
    "find_last_end",
    "measure_free_space",
    "measure_queue_age",
    "run_checks",
]
