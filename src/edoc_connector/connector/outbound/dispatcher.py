"""Dispatcher: find the outbox of the hub that a message is at, or is to be sent over.

What may be at a hub is asked about there and nowhere else, whichever hub sends now; what certainly is at none goes to
the one that sends. Where none does, it waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import TypeAlias

from ...errors import EdocError
from ...store import CONFIRM, DELIVERIES, DeliveryRow, DeliveryState, OutgoingRow, PendingWork, StateMachine, Tx
from .._context import ConnectorContext
from .late_refusals import ARRIVAL_TIME
from .outbox import Flushed, Outbox
from .sent_copies import SentFinding
from .submission import Submission

SentRow: TypeAlias = DeliveryRow | OutgoingRow


class Dispatcher:
    """Sends what is queued, each message over its hub.

    Args:
        context: of any of the hubs.
        outboxes: of each hub, by its name.
    """

    def __init__(self, context: ConnectorContext, outboxes: Mapping[str, Outbox]) -> None:
        self._context = context
        self._outboxes = dict(outboxes)

    @property
    def outboxes(self) -> Collection[Outbox]:
        """The outbox of each hub."""
        return self._outboxes.values()

    def close(self) -> None:
        """End the threads."""
        for outbox in self.outboxes:
            outbox.close()

    def recover(self) -> PendingWork:
        """Take over what dead workers were sending; see `Outbox.recover`."""
        return next(iter(self.outboxes)).recover()

    def send(self, submission: Submission) -> None:
        """Send a document now; where its outcome is unknown, ask the hub that may have it first.

        Nothing is done where another worker is at it, a hub has it, or no hub sends now.

        Raises:
            EdocError: the hub did not take it; what becomes of it is in the store.
        """
        if not submission.is_new and len(self._outboxes) > 1:
            self.recover()
            with self._context.store.snapshot() as tx:
                row = tx.deliveries.get_by_id(submission.row.id)
            if row.state == DeliveryState.UNKNOWN:
                self._find_outbox(row.hub).send(submission)
        outbox = self._find_sending()
        if outbox is not None:
            outbox.send(submission)

    def dispatch_due(self) -> None:
        """Send what is due now; see `Outbox.dispatch_due`."""
        for outbox in self.outboxes:
            outbox.dispatch_due()

    def flush(self, *, only_due: bool) -> Flushed:
        """Send everything that waits; see `Outbox.flush`. Trouble with one hub keeps nothing from another."""
        rounds = [outbox.flush(only_due=only_due) for outbox in self.outboxes]
        return Flushed(
            sent=sum(one.sent for one in rounds), errors=tuple(error for one in rounds for error in one.errors)
        )

    def send_due_acks(self) -> tuple[EdocError, ...]:
        """Send the statuses and confirmations that are due; see `Outbox.send_due_acks`.

        Raises:
            StoreError: the store does not answer.
        """
        return tuple(error for outbox in self.outboxes for error in outbox.send_due_acks())

    def look_for_late_refusals(self, *, older_than: timedelta = ARRIVAL_TIME) -> int:
        """Ask each hub what it refused after it took it; see `LateRefusals.try_to_find`."""
        return sum(outbox.late_refusals.try_to_find(older_than=older_than) for outbox in self.outboxes)

    def find_at_hub(self, row: SentRow) -> SentFinding:
        """Ask the hub that took a message once whether it has it.

        Raises:
            ConfigError: the settings do not name that hub any more.
            EdocError: it did not say.
        """
        return self._find_outbox(row.hub).find_at_hub(row)

    def send_again(self, machine: StateMachine, key: int) -> EdocError | None:
        """Send one message now, or ask its hub about it, whatever its back-off says; returns what that met."""
        error: EdocError | None = None
        for _ in range(2):  # what is settled at one hub may go to another
            with self._context.store.snapshot() as tx:
                outbox = self._choose(tx, _get_row(tx, machine, key))
            if outbox is None or error is not None:
                break
            error = outbox.send_again(machine, key)
        return error

    def look_up_message(self, machine: StateMachine, key: int) -> EdocError | None:
        """Ask the hub about one message whose outcome is unknown, and act on its answer; returns what that met.

        Raises:
            ConfigError: the settings do not name that hub any more.
        """
        with self._context.store.snapshot() as tx:
            hub = _get_row(tx, machine, key).hub
        return self._find_outbox(hub).look_up_message(machine, key)

    def _choose(self, tx: Tx, row: SentRow) -> Outbox | None:
        """Choose the outbox that a message waits for; None where it does not wait, or nothing sends it."""
        if row.state not in (DeliveryState.READY, DeliveryState.UNKNOWN):
            return None
        is_tied = isinstance(row, OutgoingRow) and (row.kind == CONFIRM or row.is_tied)
        if row.state == DeliveryState.UNKNOWN or is_tied:
            return self._find_outbox(row.hub)
        sending = self._context.find_sending(tx)
        return None if sending is None else self._outboxes[sending.hub_name]

    def _find_sending(self) -> Outbox | None:
        sending = self._context.read_sending()
        return None if sending is None else self._outboxes[sending.hub_name]

    def _find_outbox(self, hub: str) -> Outbox:
        return self._outboxes[self._context.for_hub(hub).hub_name]


def _get_row(tx: Tx, machine: StateMachine, key: int) -> SentRow:
    return tx.deliveries.get_by_id(key) if machine is DELIVERIES else tx.outgoing.get_by_id(key)
