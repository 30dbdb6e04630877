"""Windows of dates: the platform lists what came on some days, and refuses to list many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from ..fields import VIETNAM

OVERLAP = timedelta(days=1)
"""Whose midnight counts is unknown: a day is looked at again, on both sides."""


def split_windows(since: datetime, now: datetime, *, days: int) -> Iterator[tuple[date, date]]:
    """Split the days from a time until now into windows, both ends included, each beginning where one before ended.

    The first day is one before `since`, the last one after `now`.

    Args:
        since: aware.
        now: aware. A `since` behind it counts as now.
        days: most days of a window, 2 or more.
    """
    last = now.astimezone(VIETNAM).date() + OVERLAP
    start = min(since, now).astimezone(VIETNAM).date() - OVERLAP
    while True:
        end = min(start + timedelta(days=days - 1), last)
        yield start, end
        if end >= last:
            return
        start = end


def format_day(day: date) -> str:
    """Format a date as the platform takes it: ``YYYY/MM/DD``."""
    return f"{day:%Y/%m/%d}"
