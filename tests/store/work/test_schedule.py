"""Jobs of a worker: due times, back-off and leases, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector.store import DELIVERIES, JOBS_TABLE, Lease, LeaseLost, NewDelivery, Store

if TYPE_CHECKING:
    from tests.store.conftest import Clock

AGENCY = "H29.05"
ME = Lease("me", 60)
OTHER = Lease("other", 60)
TROUBLE: dict[str, str | None] = {"error_code": "503", "error_text": "busy", "error_vi": "bận"}


def test_a_job_is_done_by_one_worker_at_a_time(store: Store, clock: Clock) -> None:
    """Claimed while it is due, free again when the lease ran out, and the slow worker is fenced off (faults, row 7)."""
    with store.transaction("me") as tx:
        tx.schedule.ensure_job(AGENCY, "poll", first_at=tx.now)
        tx.schedule.ensure_job(AGENCY, "poll", first_at=tx.now)
        first = tx.schedule.claim_job(ME, AGENCY, "poll")
        assert first is not None
        assert tx.schedule.claim_job(OTHER, AGENCY, "poll") is None
    clock.forward(50)
    with store.transaction("me") as tx:
        assert tx.leases.renew(JOBS_TABLE, ME, [first.id]) == 1
    clock.forward(50)
    with store.transaction("other") as tx:
        assert tx.schedule.claim_job(OTHER, AGENCY, "poll") is None
    clock.forward(11)
    with store.transaction("other") as tx:
        second = tx.schedule.claim_job(OTHER, AGENCY, "poll")
        assert second is not None
    with pytest.raises(LeaseLost), store.transaction("me") as tx:
        tx.schedule.finish_job(first, next_at=tx.now, failures=0)
    with store.transaction("other") as tx:
        tx.schedule.finish_job(second, next_at=tx.now + timedelta(seconds=30), failures=0)
        assert tx.schedule.claim_job(ME, AGENCY, "poll") is None
        assert tx.schedule.list_jobs(AGENCY)["poll"].succeeded_at == tx.now


def test_a_worker_that_stops_lets_go(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """Nobody waits for the lease of a worker that said good-bye (issue, "finishes or releases what it holds")."""
    with store.transaction("me") as tx:
        tx.schedule.ensure_job(AGENCY, "poll", first_at=tx.now)
        tx.schedule.claim_job(ME, AGENCY, "poll")
        tx.deliveries.add(new_delivery())
        tx.leases.claim(DELIVERIES, ME, agency=AGENCY, states=["ready"])
        tx.schedule.release_leases(ME)
        assert tx.leases.release(DELIVERIES, ME, only_id=99) == 0
        assert tx.leases.release(DELIVERIES, ME) == 1
    with store.transaction("other") as tx:
        assert tx.schedule.claim_job(OTHER, AGENCY, "poll") is not None
        assert len(tx.leases.lock_expired(DELIVERIES, agency=AGENCY)) == 1


def test_trouble_that_threads_meet_together_counts_once(store: Store, clock: Clock) -> None:
    """The back-off grows with failures in a row, and a success ends it (faults, row 8)."""
    later = clock.now + timedelta(seconds=30)
    with store.transaction("me") as tx:
        for _ in range(3):
            tx.schedule.postpone_job(AGENCY, "hub", next_at=later, error=TROUBLE)
        gate = tx.schedule.find_job(AGENCY, "hub")
        assert gate is not None
        assert (gate.failures, gate.next_at, gate.error_text) == (1, later, "busy")
    clock.forward(31)
    with store.transaction("me") as tx:
        tx.schedule.postpone_job(AGENCY, "hub", next_at=later + timedelta(seconds=60), error=TROUBLE)
        assert tx.schedule.list_jobs(AGENCY)["hub"].failures == 2
        tx.schedule.record_recovery(AGENCY, "hub")
        gate = tx.schedule.find_job(AGENCY, "hub")
        assert gate is not None
        assert (gate.failures, gate.error_text, gate.next_at) == (0, None, tx.now)
        assert tx.schedule.find_job(AGENCY, "none") is None


def test_how_far_a_list_by_date_was_read(store: Store, clock: Clock) -> None:
    """The time is kept per agency and kind, never moves back, and is no job that a worker would do."""
    with store.transaction("me") as tx:
        assert tx.schedule.find_listed_until(AGENCY, "edoc") is None
        start = tx.now
        tx.schedule.record_listed(AGENCY, "edoc", until=start)
        tx.schedule.record_listed(AGENCY, "edoc", until=start - timedelta(days=3))
    with store.transaction("me") as tx:
        assert tx.schedule.find_listed_until(AGENCY, "edoc") == start
        assert tx.schedule.find_listed_until(AGENCY, "status") is None
        assert tx.schedule.find_listed_until("G22", "edoc") is None
        tx.schedule.record_listed(AGENCY, "edoc", until=start + timedelta(days=1))
        assert tx.schedule.find_listed_until(AGENCY, "edoc") == start + timedelta(days=1)
        assert tx.schedule.claim_job(ME, AGENCY, "listed-edoc") is None
