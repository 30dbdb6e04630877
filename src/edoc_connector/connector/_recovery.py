"""Recovery: take over what dead workers held, and make due what a wrong clock put off.

Every call looks whether there is something to do (`Leases.find_work`), and nearly always there is nothing.
"""

from __future__ import annotations

from datetime import timedelta

from .._core import Text, get_logger
from ..config import LimitSettings, WorkerSettings
from ..store import (
    CONFIRM,
    DELIVERIES,
    OUTGOING,
    RECEIPTS,
    DeliveryState,
    LeaseLost,
    OutgoingState,
    OverdueLimits,
    ReceiptState,
    StateMachine,
    Tx,
)
from ._context import ConnectorContext

log = get_logger("edoc_connector.connector.outbox")

_CLOCK_TOLERANCE = timedelta(seconds=5)


def compute_overdue_limits(limits: LimitSettings, worker: WorkerSettings) -> OverdueLimits:
    """Compute the longest that anything may wait, or be held, before its time must be wrong."""
    longest_wait = timedelta(seconds=max(limits.backoff_cap, limits.retry_after_cap, limits.grace, limits.pause_cap))
    intervals = {"poll": worker.poll, "watch": worker.watch}  # by the names of the jobs
    spread = 1.0 + worker.jitter
    return OverdueLimits(
        wait=longest_wait + _CLOCK_TOLERANCE,
        lease=2 * timedelta(seconds=limits.lease),
        written=timedelta(seconds=limits.lease) + _CLOCK_TOLERANCE,
        jobs={name: spread * timedelta(seconds=seconds) + _CLOCK_TOLERANCE for name, seconds in intervals.items()},
    )


def recover_sending(context: ConnectorContext) -> None:
    """Take over what dead workers were sending: its outcome is unknown; a confirmation is simply sent again."""
    with context.store.transaction() as tx:
        tx.leases.correct_future_times(context.agency, context.overdue_limits)
        for row in tx.leases.lock_expired(DELIVERIES, agency=context.agency):
            _expire_lease(tx, DELIVERIES, row["id"], row["fence"], DeliveryState.UNKNOWN)
        for row in tx.leases.lock_expired(OUTGOING, agency=context.agency):
            state = OutgoingState.READY if row["kind"] == CONFIRM else OutgoingState.UNKNOWN
            _expire_lease(tx, OUTGOING, row["id"], row["fence"], state)


def recover_receiving(context: ConnectorContext) -> None:
    """Offer again what dead applications were handling."""
    with context.store.transaction() as tx:
        tx.leases.correct_future_times(context.agency, context.overdue_limits)
        for row in tx.leases.lock_expired(RECEIPTS, agency=context.agency):
            tx.transitions.move(
                RECEIPTS,
                row["id"],
                old=row["state"],
                new=ReceiptState.WAITING,
                fencing_token=row["fence"],
                detail=Text("the worker's lease ran out", "tiến trình đang giữ đã dừng"),
            )


def _expire_lease(tx: Tx, machine: StateMachine, key: int, fencing_token: int, new_state: str) -> None:
    try:
        tx.transitions.move(
            machine,
            key,
            old="sending",
            new=new_state,
            fencing_token=fencing_token,
            asked=0,
            next_attempt_at=tx.now,
            detail=Text("the worker's lease ran out", "tiến trình đang giữ đã dừng"),
        )
    except LeaseLost:
        log.info("%s %d was taken over by another worker first", machine.subject, key)
