"""The longest waits that the settings allow, by which the store tells what is overdue."""

from __future__ import annotations

from datetime import timedelta

from ..config import LimitSettings
from ..store import Tx

_CLOCK_TOLERANCE = timedelta(seconds=5)


def has_work(tx: Tx, *, agency: str, limits: LimitSettings, include_due: bool = False) -> bool:
    """Whether there is something to recover, or to send.

    Args:
        tx: the transaction.
        agency: whose rows.
        limits: the longest waits.
        include_due: whether messages that are due count too.
    """
    return tx.leases.has_work(
        agency,
        longest_wait=compute_longest_wait(limits),
        longest_lease=compute_longest_lease(limits),
        include_due=include_due,
    )


def correct_future_times(tx: Tx, *, agency: str, limits: LimitSettings) -> None:
    """Make due what waits longer than anything may: its time was written by a clock that was ahead.

    Args:
        tx: the transaction.
        agency: whose rows.
        limits: the longest waits.
    """
    tx.leases.correct_future_times(
        agency, longest_wait=compute_longest_wait(limits), longest_lease=compute_longest_lease(limits)
    )


def compute_longest_wait(limits: LimitSettings) -> timedelta:
    """The longest that anything may wait for its next attempt."""
    return timedelta(seconds=max(limits.backoff_cap, limits.retry_after_cap, limits.grace)) + _CLOCK_TOLERANCE


def compute_longest_lease(limits: LimitSettings) -> timedelta:
    """The longest that a lease can last, where one clock gives all of them."""
    return 2 * timedelta(seconds=limits.lease)
