"""One look at a store for what is due for all its agencies: one without work costs a worker next to nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._core import make_lock
from ..errors import StoreError
from ..store import list_due_agencies
from .jobs import Job

if TYPE_CHECKING:
    from .worker import AgencyTurn

_ROUNDS_PER_SECOND = 1.0  # whole ones, of agencies for which the look finds nothing, all together
SCHEDULED_JOBS = (Job.POLL, Job.WATCH)
"""Jobs that are due by the schedule, and not by what is in the rows of messages."""


class SharedLook:
    """Tells which agencies of one store are worth a round.

    An agency gets a whole round, with all that belongs to one, when something may be due for it, when its last round
    did or left something, and every now and then in any case: what no look at rows tells (a clock that was wrong, a
    store that was put back) is found then. Where nothing but a job of the schedule is due, the round is that job's.

    Args:
        turns: the agencies of the store.
    """

    def __init__(self, turns: Sequence[AgencyTurn]) -> None:
        self._turns = {turn.agency_jobs.agency: turn for turn in turns}
        self._interval = min(turn.settings.idle for turn in turns)
        self._job_names = {name for turn in turns for name in (*turn.agency_jobs.list_poll_jobs(), Job.WATCH)}
        jobs = {job for turn in turns for job in turn.agency_jobs.list_jobs()}
        self._row_jobs = jobs.difference(SCHEDULED_JOBS)
        self._hands_over, self._tells = Job.HANDLE in jobs, Job.TELL in jobs
        self._round_interval = len(turns) / _ROUNDS_PER_SECOND
        self._lock = make_lock()
        self._looked_at = float("-inf")
        self._due_agencies: dict[str, bool] = {}

    def has_work(self, turn: AgencyTurn) -> bool:
        """Tell whether an agency is worth a round now; those that are not rest until the next look."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at >= self._interval:
                self._look(now)
            is_worth_it = self._is_worth_a_round(turn, now)
            if not is_worth_it:
                turn.rest(self._looked_at + self._interval - now)
            else:
                turn.plan_round(left_out=() if self._is_whole(turn, now) else self._row_jobs)
            return is_worth_it

    def _look(self, now: float) -> None:
        self._due_agencies = self._find_due_agencies()
        self._looked_at = now
        for turn in self._turns.values():
            if turn.rests_until <= now and not self._is_worth_a_round(turn, now):
                turn.rest(self._interval)

    def _find_due_agencies(self) -> dict[str, bool]:
        turn = next((one for one in self._turns.values() if not one.is_lost), None)
        if turn is None:
            return {}
        try:
            with turn.agency_jobs.store.snapshot() as tx:
                return list_due_agencies(
                    tx,
                    list(self._turns),
                    self._job_names,
                    common_job=Job.WATCH,
                    hands_over=self._hands_over,
                    tells=self._tells,
                )
        except StoreError:  # each agency's own round meets it, and tells
            return dict.fromkeys(self._turns, True)

    def _is_worth_a_round(self, turn: AgencyTurn, now: float) -> bool:
        return turn.agency_jobs.agency in self._due_agencies or self._is_whole(turn, now)

    def _is_whole(self, turn: AgencyTurn, now: float) -> bool:
        """Whether a round is a whole one: it is about more than the schedule, or there was none for long."""
        is_known_due = self._due_agencies.get(turn.agency_jobs.agency, False) or turn.has_more
        return is_known_due or now - turn.whole_round_at >= max(self._round_interval, turn.recovery_interval)
