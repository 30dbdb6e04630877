"""The outbox: send documents, statuses and confirmations from the store to the hub, and write down its answers.

Nothing is sent that is not stored. A message goes out between two transactions: one that claims it, one that writes
what became of it. A crash in between leaves a lease that runs out, and then an unknown outcome; the hub is asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from ..._core import AnyFile, HeldFile, Text, bind_log_fields, describe_error, drop_traceback, get_logger
from ...errors import DuplicateDocument, EdocError, StoreError
from ...hubs import MessageType
from ...store import (
    DELIVERIES,
    OUTGOING,
    DeliveryRow,
    DeliveryState,
    LeaseLost,
    OutgoingRow,
    OutgoingState,
    PendingWork,
    StateMachine,
    describe_report,
)
from .._context import ConnectorContext
from .._recovery import recover_sending
from .._retry import NO_ERROR, as_error_columns, compute_next_attempt, decide_retry
from .ack_sender import AckSender
from .late_refusals import LateRefusals
from .reconciler import FOUND_AFTER_RESTORE, Questions, Reconciler, build_wrong_id_error
from .sent_copies import SentFinding
from .submission import Submission, is_refused_by_hub, record_refusal

log = get_logger("edoc_connector.connector.outbox")

_ALREADY_AT_HUB_WORDS = "the hub says that it has it already", "trục báo đã có gói tin từ trước"
_MAX_FAILURES_PER_ROUND = 500  # messages of one round that were not sent, before the others wait for the next round


# What a message met, None where the hub took it, and whether the next one would meet the same.
_Tried: TypeAlias = tuple[EdocError | None, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """The result of one round of sending.

    Args:
        sent: how many messages the hub took.
        errors: what the others met; they stay queued, or failed for good, with the same words in the store.
    """

    sent: int
    errors: tuple[EdocError, ...] = ()


class Outbox:
    """Sends what is queued and goes to one hub.

    Args:
        context: the store, the hub and the key.

    Attributes:
        ack_sender: sends statuses and confirmations.
        late_refusals: finds what the hub refused after it took it.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self._reconciler = Reconciler(context)
        self._questions = Questions()
        self.ack_sender = AckSender(context, self._reconciler, self._questions)
        self.late_refusals = LateRefusals(context, self._reconciler)

    def close(self) -> None:
        """End the threads."""
        self.ack_sender.close()

    def recover(self) -> PendingWork:
        """Take over what dead workers were sending, where a look at the store finds any.

        Returns:
            What the look found.
        """
        with self._context.store.snapshot() as tx:
            work = tx.leases.find_work(self._context.agency, self._context.overdue_limits)
        if work.is_sending_overdue:
            recover_sending(self._context)
        return work

    # -- one document

    def send(self, submission: Submission) -> None:
        """Send a document now, whatever its back-off says; where its outcome is unknown, ask the hub first.

        Nothing is done where another worker is at it, or the hub has it.

        Raises:
            EdocError: the hub did not take it; what becomes of it is in the store.
        """
        row = self._claim_new(submission.row) if submission.is_new else self._claim_again(submission.row)
        if row is not None:
            with self._log_about(row), self._context.lease_keeper.hold_all(DELIVERIES.table_name, [row.id]):
                self._send_claimed_delivery(row, packet=submission.packet)
            self._context.breaker.record_result(None)

    def _log_about(self, row: DeliveryRow) -> AbstractContextManager[None]:
        """Name a delivery in every line of the log that is written while it is worked on."""
        return bind_log_fields(agency=row.agency, hub=self._context.hub_name, document_id=row.document_id)

    def _claim_new(self, row: DeliveryRow) -> DeliveryRow | None:
        try:
            with self._context.store.transaction() as tx:
                return tx.deliveries.claim_known(row, self._context.lease, hub=self._context.hub_name)
        except LeaseLost:
            log.info("delivery %d was taken by another worker first", row.id)
            return None

    def _claim_again(self, row: DeliveryRow) -> DeliveryRow | None:
        self.recover()
        return self._claim_delivery(only_id=row.id, only_due=False)

    def _claim_delivery(
        self,
        *,
        only_due: bool,
        after_id: int = 0,
        only_id: int | None = None,
        states: Collection[DeliveryState] = (DeliveryState.READY, DeliveryState.UNKNOWN),
        is_trial: bool = False,
    ) -> DeliveryRow | None:
        with self._context.store.transaction() as tx:
            return tx.deliveries.claim_next(
                self._context.lease,
                agency=self._context.agency,
                states=states,
                longest_due_first=is_trial or (only_due and DeliveryState.READY not in states),
                only_due=only_due,
                after_id=after_id,
                only_id=only_id,
                **self._context.list_claim_options(tx),
            )

    def _send_claimed_delivery(self, row: DeliveryRow, *, packet: HeldFile | None = None) -> None:
        """Send the stored bytes of a claimed delivery, and write down the hub's answer.

        Args:
            row: the delivery.
            packet: those bytes, where they were stored a moment ago; else they are read and checked by their hash.
        """
        context = self._context
        context.hub.clear_exchanges()
        if row.was_unknown and (reported := self._find_report(row)) is not None:
            self._mark_delivery_sent(row, None, reported)
            return
        if row.state == DeliveryState.UNKNOWN:
            reclaimed = self._look_up_delivery(row)
            if reclaimed is None:
                return
            row = reclaimed
        try:
            hub_copy = self._reconciler.find_sent_before_restore(row)
            if hub_copy is not None:
                self._mark_delivery_sent(row, hub_copy.doc_id, FOUND_AFTER_RESTORE)
                return
            result = context.hub.send(
                self._find_packet(row, packet),
                message_type=MessageType.EDOC,
                sender=context.agency,
                on_progress=context.on_progress,
                document_id=row.document_id,
            )
        except DuplicateDocument as error:
            self._resolve_duplicate_delivery(row, error)
        except EdocError as error:
            self._record_delivery_failure(row, error)
        else:
            self._mark_delivery_sent(row, result.doc_id or None)

    def _find_packet(self, row: DeliveryRow, packet: HeldFile | None) -> AnyFile:
        is_stored = packet is not None and packet.sha256 == row.sha256
        return packet if packet and is_stored else self._context.store.spool.verify_file(row.spool_file, row.sha256)

    def _mark_delivery_sent(self, row: DeliveryRow, doc_id: str | None, detail: Text | str = "") -> None:
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, DELIVERIES, row.id)
            sent_detail = detail or self._describe_taken(doc_id)
            if doc_id is not None and row.state == DeliveryState.UNKNOWN:
                tx.outgoing.take_id(DELIVERIES, row.id, row.agency, doc_id)
            told = {} if doc_id is None else {row.id: doc_id}
            is_bound = not tx.outgoing.find_bound_to_others(DELIVERIES, row.agency, told) and tx.deliveries.mark_sent(
                row, doc_id, detail=sent_detail, attempts=row.attempts + 1, **NO_ERROR
            )
        if not is_bound:
            self._record_delivery_failure(row, build_wrong_id_error(doc_id))

    def _describe_taken(self, doc_id: str | None) -> Text:
        words = Text(f"docId {doc_id}", f"docId {doc_id}")
        if doc_id is None:
            words = Text("docId not told", "trục không cho biết docId")
        if self._context.capabilities.tells_delivery:
            return words
        return Text(
            f"{words.en}; the hub has it, and does not tell whether it is delivered",
            f"{words.vi}; trục đã nhận nhưng không báo đã chuyển tới nơi hay chưa",
        )

    def _record_delivery_failure(
        self, row: DeliveryRow, error: EdocError, *, state: DeliveryState | None = None
    ) -> NoReturn:
        state = state or DeliveryState(decide_retry(error).next_state)
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, DELIVERIES, row.id)
            values: dict[str, Any] = {"attempts": row.attempts + 1, **as_error_columns(error)}
            if state is DeliveryState.UNKNOWN:
                values |= {"asked": 0}
            if state is DeliveryState.UNKNOWN and not row.was_unknown:
                values |= {"next_attempt_at": tx.now}
            else:
                values |= {"next_attempt_at": compute_next_attempt(self._context.limits, row.attempts, tx.now, error)}
            is_refused = state is DeliveryState.FAILED and is_refused_by_hub(error)
            values |= {"never_accepted": row.never_accepted} if is_refused else {}
            tx.deliveries.move(row, state, detail=describe_error(error), **values)
            if is_refused:
                record_refusal(tx, row)
        raise error

    # -- a document that the hub may have

    def _find_report(self, row: DeliveryRow) -> Text | None:
        """Find what a recipient reported on a document: it came to that, so the hub has it."""
        with self._context.store.snapshot() as tx:
            recipients = tx.recipients.load([row.id])[row.id]
        return next((describe_report(one.organ_id, one.last_code) for one in recipients if one.last_code), None)

    def _look_up_delivery(self, row: DeliveryRow) -> DeliveryRow | None:
        """Look up a delivery whose outcome is unknown; it comes back, claimed, if it has to be sent again."""
        hub_copy = self._reconciler.look_up(row)
        if hub_copy is not None:
            self._mark_delivery_sent(row, hub_copy.doc_id)
            return None
        return self._claim_delivery(only_id=row.id, only_due=False)

    def _resolve_duplicate_delivery(self, row: DeliveryRow, error: DuplicateDocument) -> None:
        """Find out whose packet the hub has: ours, from an attempt whose answer was lost, or somebody else's."""
        if row.was_unknown and not self._context.capabilities.has_sent_list:  # an earlier attempt arrived
            self._mark_delivery_sent(row, None, Text(*_ALREADY_AT_HUB_WORDS))
            return
        try:
            finding = self._reconciler.query_hub(row)
        except EdocError as lookup_error:
            log.warning("the hub cannot be asked what it has: %s", lookup_error)
            self._record_delivery_failure(row, error, state=DeliveryState.UNKNOWN)
        if not finding.is_found and not row.was_unknown:
            self._record_delivery_failure(row, error)
        self._mark_delivery_sent(row, finding.doc_id if finding.is_found else None, Text(*_ALREADY_AT_HUB_WORDS))

    def find_at_hub(self, row: DeliveryRow | OutgoingRow) -> SentFinding:
        """Ask the hub whether it has a message that it took once.

        Raises:
            EdocError: it did not say.
        """
        self._context.hub.clear_exchanges()
        return self._reconciler.query_taken(row)

    def send_again(self, machine: StateMachine, key: int) -> EdocError | None:
        """Send one message now, or ask the hub about it, whatever its back-off says; returns what that met."""
        if machine is OUTGOING:
            results = self.ack_sender.send_next(only_due=False, only_id=key)
            return results[0].error if results else None
        row = self._claim_delivery(only_due=False, only_id=key)
        return None if row is None else self._try_send_delivery(row)

    def look_up_message(self, machine: StateMachine, key: int) -> EdocError | None:
        """Ask the hub about one message whose outcome is unknown, and act on its answer.

        Nothing is done where another worker is at it, or its outcome is known by now.

        Returns:
            What that met, if anything.
        """
        with self._context.store.transaction() as tx:
            rows = tx.leases.claim(
                machine,
                self._context.lease,
                agency=self._context.agency,
                states=[DeliveryState.UNKNOWN if machine is DELIVERIES else OutgoingState.UNKNOWN],
                only_due=False,
                only_ids=[key],
            )
        if not rows:
            return None
        if machine is OUTGOING:
            return self.ack_sender.send_claimed([OutgoingRow.from_row(rows[0])])[0].error
        return self._try_send_delivery(DeliveryRow.from_row(rows[0]))

    # -- everything that waits

    def dispatch_due(self) -> None:
        """Send what is due now, unless the hub was out of reach a moment ago; errors stay in the store and the log."""
        try:
            if self._context.breaker.try_to_close():
                self.flush(only_due=True)
        except StoreError as error:
            # What the caller did is stored already; the queue can wait for a store that works again.
            log.warning("what is queued was not sent: %s", error)

    def flush(self, *, only_due: bool) -> Flushed:
        """Send everything that waits, deliveries first; stop where the next message would meet the same error.

        Args:
            only_due: only what is due by its back-off.
        """
        work = self.recover()
        if only_due and not work:
            return Flushed(sent=0)
        sent = 0
        errors: list[EdocError] = []
        skips_deliveries = only_due and not (work.is_sending_overdue or work.are_deliveries_due)
        for error, opens_breaker in self._try_waiting(only_due=only_due, skips_deliveries=skips_deliveries):
            if error is None:
                sent += 1
                self._context.breaker.record_result(None)
                continue
            errors.append(error)
            if opens_breaker:
                self._context.breaker.record_result(error)
                return Flushed(sent=sent, errors=tuple(errors))
        return Flushed(sent=sent, errors=tuple(errors))

    def send_due_acks(self) -> tuple[EdocError, ...]:
        """Send the statuses and confirmations that are due, until none is; returns the errors of the others.

        Raises:
            StoreError: the store does not answer.
        """
        if not self._context.breaker.try_to_close():
            return ()
        return tuple(error for error, _ in self._try_acks(only_due=True) if error is not None)

    def send_next_delivery(self, key: int | None = None) -> tuple[int | None, EdocError | None]:
        """Send the next delivery that is due, or this one; returns its key, None where there is none, and its error."""
        if key is not None:
            row = self._claim_delivery(only_due=True, only_id=key)
            return (None, None) if row is None else (row.id, self._try_send_delivery(row))
        # On trial the hub gets what is due for the longest time: one that was refused already would close it again.
        is_trial = self._context.breaker.is_on_trial()
        row = self._claim_delivery(only_due=True, states=[DeliveryState.READY], is_trial=is_trial)
        if row is not None:
            return row.id, self._try_send_delivery(row)
        with self._questions.ask_next() as may_ask:
            row = self._claim_delivery(only_due=True, states=[DeliveryState.UNKNOWN]) if may_ask else None
            return (None, None) if row is None else (row.id, self._try_send_delivery(row))

    def _try_waiting(self, *, only_due: bool, skips_deliveries: bool) -> Iterator[_Tried]:
        """Try each message that waits once, and ask about each unknown outcome; yields what became of it."""
        if not skips_deliveries:
            yield from self._try_deliveries(DeliveryState.READY, only_due=only_due)
        yield from self._try_acks(only_due=only_due)
        if skips_deliveries:
            return
        with self._questions.ask_next() as may_ask:
            if may_ask or not only_due:
                yield from self._try_deliveries(DeliveryState.UNKNOWN, only_due=only_due)

    def _try_deliveries(self, state: DeliveryState, *, only_due: bool) -> Iterator[_Tried]:
        row = self._claim_delivery(only_due=only_due, states=[state])
        while row is not None:
            error = self._try_send_delivery(row)
            yield error, error is not None and decide_retry(error).opens_breaker
            if state is DeliveryState.UNKNOWN and error is not None and only_due:
                return  # who called for something else does not wait for more questions that tell nothing
            after_id = 0 if state is DeliveryState.UNKNOWN and only_due else row.id
            row = self._claim_delivery(only_due=only_due, states=[state], after_id=after_id)

    def _try_send_delivery(self, row: DeliveryRow) -> EdocError | None:
        with self._log_about(row):
            try:
                with self._context.lease_keeper.hold_all(DELIVERIES.table_name, [row.id]):
                    self._send_claimed_delivery(row)
            except EdocError as error:
                log.warning("not sent: %s", error)
                return drop_traceback(error)
        return None

    def _try_acks(self, *, only_due: bool) -> Iterator[_Tried]:
        """Try each status and confirmation that waits once; yields what became of it."""
        failed_ids: set[int] = set()
        while len(failed_ids) < _MAX_FAILURES_PER_ROUND:
            results = self.ack_sender.send_next(only_due=only_due, exclude=failed_ids)
            if not results:
                return
            common_error = next((result.error for result in results if result.opens_breaker), None)
            for result in results:
                yield result.error, result.opens_breaker
            if common_error is not None:
                self._context.breaker.record_result(common_error)
                return
            if only_due and any(result.is_open for result in results):
                return  # as in `_try_deliveries`
            failed_ids |= {result.key for result in results if result.error is not None}
