"""What leaves: documents, statuses and confirmations, from the store to the hub, and the hub's answers back.

Nothing is sent that is not stored. A message goes out between two transactions: one that claims it, one that writes
what became of it. A crash in between leaves a lease that runs out, and then an unknown outcome; the hub is asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from ..._core import describe_error, join_languages
from ...edxml import StatusMessage
from ...errors import AuthenticationRejected, DuplicateDocument, EdocError, HubError, OutcomeUnknown, StoreError
from ...hubs import MessageType
from ...store import (
    CONFIRM,
    DELIVERIES,
    OUTGOING,
    DeliveryRow,
    DeliveryState,
    LeaseLost,
    OutgoingRow,
    OutgoingState,
    StateMachine,
    Tx,
)
from .. import _recovery
from .._context import ConnectorContext
from .._recovery import correct_future_times
from .._retry import Undecided, as_error_columns, decide_retry
from . import correcting, reconciler
from .ack_sender import AckSender

log = logging.getLogger("edoc_connector.connector.outbox")

_ALREADY_AT_HUB_WORDS = "the hub says that it has it already", "trục báo đã có gói tin từ trước"
_MAX_FAILURES_PER_ROUND = 500  # messages of one round that were not sent, before the others wait for the next round
LOOKUPS_BEFORE_RESEND = (
    2  # a hub that does not have a packet is asked again, a grace period later, before the packet is sent again
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """What one round of sending came to.

    Args:
        sent: how many messages the hub took.
        errors: what the others met; they stay queued, or failed for good, with the same words in the store.
    """

    sent: int
    errors: tuple[EdocError, ...] = ()


class Outbox:
    """Sends what is queued.

    Args:
        context: the store, the hub and the key.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self._ack_sender = AckSender(context, self._look_up_status, self._find_hub_id)
        self._breaker_open_until = 0.0

    def recover(self) -> None:
        """Take over what dead workers held: what they were sending is unknown, a confirmation is simply sent again."""
        with self._context.store.snapshot() as tx:
            if not _recovery.has_work(tx, agency=self._context.agency, limits=self._context.limits):
                return
        with self._context.transaction() as tx:
            correct_future_times(tx, agency=self._context.agency, limits=self._context.limits)
            for row in tx.leases.lock_expired(DELIVERIES, agency=self._context.agency):
                _expire_lease(tx, DELIVERIES, row["id"], row["fence"], DeliveryState.UNKNOWN)
            for row in tx.leases.lock_expired(OUTGOING, agency=self._context.agency):
                is_confirmation = row["kind"] == CONFIRM
                _expire_lease(
                    tx,
                    OUTGOING,
                    row["id"],
                    row["fence"],
                    OutgoingState.READY if is_confirmation else OutgoingState.UNKNOWN,
                )

    def flush(self, *, only_due: bool) -> Flushed:
        """Send everything that waits, deliveries first; stop where the next message would meet the same error.

        Args:
            only_due: only what is due by its back-off.
        """
        self.recover()
        sent = 0
        errors: list[EdocError] = []
        for error in self._try_waiting(only_due):
            if error is None:
                sent += 1
                continue
            errors.append(error)
            if decide_retry(error).opens_breaker:
                self._open_breaker(error)
                return Flushed(sent=sent, errors=tuple(errors))
        self._breaker_open_until = 0.0
        return Flushed(sent=sent, errors=tuple(errors))

    def dispatch_due(self) -> None:
        """Send what is due now, unless the hub was out of reach a moment ago; errors stay in the store and the log."""
        if time.monotonic() < self._breaker_open_until:
            return
        try:
            with self._context.store.snapshot() as tx:
                if not self.has_waiting(tx):
                    return
            self.flush(only_due=True)
        except StoreError as error:
            # What the caller did is stored already; the queue can wait for a store that works again.
            log.warning("what is queued was not sent: %s", error)

    def has_waiting(self, tx: Tx) -> bool:
        """Whether a round of sending would find anything: where nothing waits, no writer need be kept out for it."""
        return _recovery.has_work(tx, agency=self._context.agency, limits=self._context.limits, include_due=True)

    def send_delivery(self, key: int) -> None:
        """Send one delivery now, whatever its back-off says; where its outcome is unknown, ask the hub first.

        Raises:
            EdocError: the hub did not take it; what becomes of it is in the store.
        """
        row = self._claim_delivery(key=key, only_due=False)
        if row is not None:
            with self._context.lease_keeper.hold_all(DELIVERIES.table_name, [row.id]):
                self._send_claimed_delivery(row)

    def send_new_delivery(self, row: DeliveryRow) -> None:
        """Send a delivery that was stored just now, unless somebody else does.

        Raises:
            EdocError: the hub did not take it; what becomes of it is in the store.
        """
        try:
            with self._context.transaction() as tx:
                row = tx.deliveries.claim_known(row, self._context.lease)
        except LeaseLost:
            log.info("delivery %d was taken by another worker first", row.id)
            return
        with self._context.lease_keeper.hold_all(DELIVERIES.table_name, [row.id]):
            self._send_claimed_delivery(row)

    def look_up_message(self, machine: StateMachine, key: int) -> EdocError | None:
        """Ask the hub about one message whose outcome is unknown, and act on what it says; what that met, if anything.

        Nothing where another worker is at it, or its outcome is known by now.
        """
        unknown_states = [DeliveryState.UNKNOWN if machine is DELIVERIES else OutgoingState.UNKNOWN]
        with self._context.transaction() as tx:
            rows = tx.leases.claim(
                machine,
                self._context.lease,
                agency=self._context.agency,
                states=unknown_states,
                only_due=False,
                only_ids=[key],
            )
        if not rows:
            return None
        if machine is DELIVERIES:
            return self._try_send_delivery(DeliveryRow.from_row(rows[0]))
        return self._ack_sender.send_claimed([OutgoingRow.from_row(rows[0])])[0][1]

    def send_next_delivery(self, key: int | None = None) -> tuple[int | None, EdocError | None]:
        """Send the next delivery that is due, or this one: its key, None where there is none, and the error it met."""
        return self._try_next_delivery(0, True, key)

    # -- one step of a round: the key of the message that was tried, and the error it met

    def _try_waiting(self, only_due: bool) -> Iterator[EdocError | None]:
        """Try each message that waits once; what each met, None where the hub took it."""
        key, error = self._try_next_delivery(0, only_due)
        while key is not None:
            yield error
            key, error = self._try_next_delivery(key, only_due)
        yield from self._try_acks(only_due)

    def _try_next_delivery(
        self, after_id: int, only_due: bool, only_id: int | None = None
    ) -> tuple[int | None, EdocError | None]:
        row = self._claim_delivery(after_id=after_id, only_due=only_due, key=only_id)
        return (None, None) if row is None else (row.id, self._try_send_delivery(row))

    def _claim_delivery(self, *, after_id: int = 0, only_due: bool, key: int | None = None) -> DeliveryRow | None:
        with self._context.transaction() as tx:
            return tx.deliveries.claim_next(
                self._context.lease, agency=self._context.agency, only_due=only_due, after_id=after_id, only_id=key
            )

    def _try_send_delivery(self, row: DeliveryRow) -> EdocError | None:
        try:
            with self._context.lease_keeper.hold_all(DELIVERIES.table_name, [row.id]):
                self._send_claimed_delivery(row)
        except EdocError as error:
            log.warning("not sent: %s", error)
            return error
        return None

    def _open_breaker(self, error: EdocError) -> None:
        self._breaker_open_until = time.monotonic() + self._context.limits.backoff
        level = logging.ERROR if isinstance(error, AuthenticationRejected) else logging.WARNING
        log.log(level, "sending to the hub pauses, everything stays queued: %s", error)

    # -- documents

    def _send_claimed_delivery(self, row: DeliveryRow) -> None:
        self._context.hub.clear_exchanges()
        if row.state == DeliveryState.UNKNOWN:
            reclaimed = self._look_up_delivery(row)
            if reclaimed is None:
                return
            row = reclaimed
        try:
            packet = self._context.store.spool.verify_file(row.spool_file, row.sha256)
            result = self._context.hub.send(
                packet,
                message_type=MessageType.EDOC,
                sender=self._context.agency,
                on_progress=self._context.on_progress,
            )
        except DuplicateDocument as error:
            self._resolve_duplicate_delivery(row, error)
        except EdocError as error:
            self._record_delivery_failure(row, error)
        else:
            self._mark_delivery_sent(row, result.doc_id)

    def _mark_delivery_sent(self, row: DeliveryRow, doc_id: str | None, detail: str = "") -> None:
        with self._context.transaction() as tx:
            self._context.record_exchanges(tx, DELIVERIES, row.id)
            sent_detail = detail or (
                f"docId {doc_id}" if doc_id else join_languages("docId not told", "trục không cho biết docId")
            )
            is_bound = tx.deliveries.mark_sent(
                row, doc_id, detail=sent_detail, attempts=row.attempts + 1, **as_error_columns(None)
            )
        if not is_bound:
            self._record_delivery_failure(row, _build_wrong_id_error(doc_id))

    def _record_delivery_failure(
        self, row: DeliveryRow, error: EdocError, *, state: DeliveryState | None = None
    ) -> NoReturn:
        state = state or DeliveryState(decide_retry(error).next_state)
        with self._context.transaction() as tx:
            self._context.record_exchanges(tx, DELIVERIES, row.id)
            next_attempt_at = (
                tx.now if state is DeliveryState.UNKNOWN else self._context.compute_next_attempt(row, tx.now, error)
            )
            values = {"attempts": row.attempts + 1, "next_attempt_at": next_attempt_at, **as_error_columns(error)}
            values |= {"asked": 0} if state is DeliveryState.UNKNOWN else {}
            tx.deliveries.move(row, state, detail=describe_error(error), **values)
            if state is DeliveryState.FAILED:
                correcting.record_refusal(tx, row, error)
        raise error

    def _resolve_duplicate_delivery(self, row: DeliveryRow, error: DuplicateDocument) -> None:
        """The hub has it: from an attempt of ours whose answer was lost, or from somebody else."""
        try:
            hub_ids = self._query_hub(_build_delivery_query(self._context, row), MessageType.EDOC, row)
        except EdocError as lookup_error:
            log.warning("the hub cannot be asked what it has: %s", lookup_error)
            self._record_delivery_failure(row, error, state=DeliveryState.UNKNOWN)
        with self._context.store.snapshot() as tx:
            is_ours = len(hub_ids) == 1 or tx.timeline.has_been_in_state(DELIVERIES, row.id, DeliveryState.UNKNOWN)
        if not is_ours:
            self._record_delivery_failure(row, error)
        self._mark_delivery_sent(row, hub_ids[0] if len(hub_ids) == 1 else None, join_languages(*_ALREADY_AT_HUB_WORDS))

    def _look_up_delivery(self, row: DeliveryRow) -> DeliveryRow | None:
        """Ask for a delivery whose outcome is unknown; it comes back, claimed, if it has to be sent again."""
        is_at_hub, doc_id = self._look_up(DELIVERIES, row, _build_delivery_query(self._context, row), MessageType.EDOC)
        if is_at_hub:
            self._mark_delivery_sent(row, doc_id)
            return None
        return self._claim_delivery(key=row.id, only_due=False)

    # -- statuses and confirmations

    def send_due_acks(self) -> tuple[EdocError, ...]:
        """Send the statuses and confirmations that are due, until none is; what those met that were not sent.

        Raises:
            StoreError: the store does not answer.
        """
        if time.monotonic() < self._breaker_open_until:
            return ()
        return tuple(error for error in self._try_acks(True) if error is not None)

    def send_ack_batch(self, key: int | None = None) -> list[tuple[int, EdocError | None]]:
        """Send a few statuses and confirmations that are due, or this one: the key of each, and the error it met."""
        return self._ack_sender.send_next(only_due=True, only_id=key)

    def close(self) -> None:
        """End the threads."""
        self._ack_sender.close()

    def _try_acks(self, only_due: bool) -> Iterator[EdocError | None]:
        """Try each status and confirmation that waits once; what each met."""
        failed_ids: set[int] = set()
        while len(failed_ids) < _MAX_FAILURES_PER_ROUND:
            results = self._ack_sender.send_next(only_due=only_due, exclude=failed_ids)
            if not results:
                return
            errors = [error for _, error in results]
            yield from errors
            breaker_error = next(
                (error for error in errors if error is not None and decide_retry(error).opens_breaker), None
            )
            if breaker_error is not None:
                self._open_breaker(breaker_error)
                return
            failed_ids |= {key for key, error in results if error is not None}

    def _look_up_status(self, row: OutgoingRow) -> tuple[bool, str | None]:
        return self._look_up(OUTGOING, row, _build_status_query(self._context, row), MessageType.STATUS)

    def _find_hub_id(self, row: OutgoingRow) -> str | None:
        """The hub's id of a status that it says it has: without it, the next status could be taken for this one."""
        try:
            hub_ids = self._query_hub(_build_status_query(self._context, row), MessageType.STATUS, row)
        except EdocError as lookup_error:
            log.warning("the hub cannot be asked what it has: %s", lookup_error)
            return None
        return hub_ids[0] if len(hub_ids) == 1 else None

    # -- asking the hub

    def _look_up(
        self, machine: StateMachine, row: DeliveryRow | OutgoingRow, query: reconciler.SentQuery, kind: MessageType
    ) -> tuple[bool, str | None]:
        """Whether the hub has it, and its id there; if it was asked often enough and has not, the row is ready again.

        Raises:
            OutcomeUnknown: not settled yet.
        """
        with self._context.store.snapshot() as tx:
            is_early = row.asked > 0 and tx.now < row.next_attempt_at
        if is_early:
            self._record_unsettled(machine, row, _build_not_listed_error(), lookups=row.asked)
        try:
            hub_ids = self._query_hub(query, kind, row)
        except EdocError as error:
            self._record_unsettled(machine, row, _as_lookup_error(error), lookups=row.asked)
        if len(hub_ids) > 1:
            self._record_unsettled(machine, row, _build_ambiguous_error(len(hub_ids)), lookups=row.asked)
        if hub_ids and isinstance(row, OutgoingRow) and self._has_unnamed_sibling(row):
            self._record_unsettled(machine, row, _build_unnamed_sibling_error(), lookups=row.asked)
        if hub_ids:
            return True, hub_ids[0]
        if row.asked + 1 < LOOKUPS_BEFORE_RESEND:
            self._record_unsettled(machine, row, _build_not_listed_error(), lookups=row.asked + 1)
        with self._context.transaction() as tx:
            self._context.record_exchanges(tx, machine, row.id)
            lookups = row.asked + 1
            tx.transitions.move(
                machine,
                row.id,
                old=row.state,
                new="ready",
                fencing_token=row.fence,
                asked=lookups,
                next_attempt_at=tx.now,
            )
        return False, None

    def _has_unnamed_sibling(self, row: OutgoingRow) -> bool:
        """Whether another status about the same, to the same recipient, is at the hub under an unknown id."""
        with self._context.store.snapshot() as tx:
            since = row.created_at - reconciler.CLOCK_TOLERANCE
            return tx.outgoing.has_unnamed_sibling(row, since=since)

    def _query_hub(
        self, query: reconciler.SentQuery, kind: MessageType, row: DeliveryRow | OutgoingRow
    ) -> tuple[str | None, ...]:
        states = self._context.hub.sent_state(kind)
        hub_time = self._context.hub.time  # set right by now, if the hub refuses our clock
        query = reconciler.with_hub_clock(query, now=hub_time(), offset=hub_time.offset)
        with self._context.store.snapshot() as tx:
            return reconciler.find_matches(query, states, is_bound=lambda doc_id: _is_bound(tx, row, doc_id))

    def _record_unsettled(
        self, machine: StateMachine, row: DeliveryRow | OutgoingRow, error: EdocError, lookups: int
    ) -> NoReturn:
        with self._context.transaction() as tx:
            self._context.record_exchanges(tx, machine, row.id)
            next_attempt_at = row.next_attempt_at
            if lookups > row.asked:
                next_attempt_at = tx.now + timedelta(seconds=self._context.limits.grace)
            elif next_attempt_at <= tx.now:
                next_attempt_at = self._context.compute_next_attempt(row, tx.now, error)
            values = {"asked": lookups, "next_attempt_at": next_attempt_at, **as_error_columns(error)}
            tx.leases.end(
                machine,
                row.id,
                state=row.state,
                fencing_token=row.fence,
                detail=join_languages(f"still unknown: {error.message}", f"vẫn chưa rõ: {error.vi}"),
                **values,
            )
        raise error


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
            detail=join_languages("the worker's lease ran out", "tiến trình đang giữ đã dừng"),
        )
    except LeaseLost:
        log.info("%s %d was taken over by another worker first", machine.subject, key)


def _is_bound(tx: Tx, row: DeliveryRow | OutgoingRow, doc_id: str) -> bool:
    if isinstance(row, DeliveryRow):
        bound_row = tx.deliveries.find_by_hub_doc_id(row.agency, doc_id)
        return bound_row is not None and bound_row.id != row.id
    return tx.outgoing.is_hub_doc_id_taken(row, doc_id)


def _build_delivery_query(context: ConnectorContext, row: DeliveryRow) -> reconciler.SentQuery:
    with context.store.snapshot() as tx:
        recipient_ids = frozenset(recipient.organ_id for recipient in tx.deliveries.load_recipients([row.id])[row.id])
    return reconciler.SentQuery(
        document_id=row.document_id, sender=row.agency, recipients=recipient_ids, code=row.code, title=row.subject,
        not_before=row.created_at,
    )  # fmt: skip


def _build_status_query(context: ConnectorContext, row: OutgoingRow) -> reconciler.SentQuery:
    message = StatusMessage.model_validate_json(row.message or "")
    return reconciler.SentQuery(
        document_id="", sender=context.agency, recipients=frozenset({row.recipient or ""}),
        code=message.response_for.code or "", title=None, not_before=row.created_at,
    )  # fmt: skip


def _build_wrong_id_error(doc_id: str | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the hub answered with docId {doc_id}, which belongs to another packet of ours: the answer was not believed. "
        "Call again; the hub will be asked what it has.",
        vi=f"Trục trả về docId {doc_id} vốn thuộc gói tin khác của đơn vị nên câu trả lời không được chấp nhận. "
        "Hãy gọi lại; hệ thống sẽ hỏi trục đã có gói tin nào.",
    )


def _build_not_listed_error() -> OutcomeUnknown:
    return OutcomeUnknown(
        "the hub does not list the packet whose answer was lost, but may be about to. Call again after the "
        "grace period (limits.grace): the hub is asked once more, and the packet sent again if it is not there.",
        vi="Trục chưa có gói tin bị mất câu trả lời, có thể gói tin vẫn đang được xử lý. Hãy gọi lại sau thời gian chờ "
        "(limits.grace); hệ thống sẽ hỏi lại và gửi lại nếu trục vẫn chưa có.",
    )


def _build_ambiguous_error(count: int) -> Undecided:
    return Undecided(
        f"the hub has {count} packets that may be this one and does not say which. Look there, then call settle().",
        vi=f"Trục có {count} gói tin có thể là gói này và không chỉ rõ gói nào. Hãy tra trên trục rồi gọi settle().",
    )


def _build_unnamed_sibling_error() -> Undecided:
    return Undecided(
        "the hub has a packet that is this status or another one about the same document, whose id was never told. "
        "Look there, then call settle().",
        vi="Trục có một gói tin có thể là thông báo này hoặc thông báo khác về cùng văn bản mà trục chưa cho biết mã. "
        "Hãy tra trên trục rồi gọi settle().",
    )


def _as_lookup_error(error: EdocError) -> EdocError:
    """A hub that refuses the question leaves the answer to a person; any other trouble passes."""
    if not isinstance(error, HubError) or decide_retry(error).next_state != DeliveryState.FAILED:
        return error
    return Undecided(
        f"whether the hub has the packet cannot be found out: {error.message} Look at the hub, then call settle().",
        vi=f"Không hỏi được trục đã có gói tin hay chưa: {error.vi} Hãy tra trên trục rồi gọi settle().",
    )
