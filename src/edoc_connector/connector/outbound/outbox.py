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

from ..._core.text import both, spoken
from ...edxml import StatusMessage
from ...errors import AuthenticationRejected, DuplicateDocument, EdocError, HubError, OutcomeUnknown, StoreError
from ...hubs import MessageType
from ...store import DeliveryState, LeaseLost, OutgoingState, Tx, deliveries, outgoing, transitions
from ...store import timeline as timelines
from ...store.rows import DeliveryRow, OutgoingRow
from ...store.state_machine import DELIVERIES, OUTGOING, Machine
from .. import _recovery
from .._context import Session
from .._recovery import mend
from .._retry import Undecided, columns, fate
from . import correcting, reconciler
from .ack_sender import Reports

log = logging.getLogger("edoc_connector.connector.outbox")

_ALREADY = "the hub says that it has it already", "trục báo đã có gói tin từ trước"
_MOST_TRIED = 500  # messages of one round that were not sent, before the others wait for the next round
ASKS = 2  # a hub that does not have a packet is asked again, a grace period later, before the packet is sent again


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
        session: the store, the hub and the key.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reports = Reports(session, self._settle_status, self._id_there)
        self._paused_until = 0.0

    def recover(self) -> None:
        """Take over what dead workers held: what they were sending is unknown, a confirmation is simply sent again."""
        with self._session.store.reading() as tx:
            if not _recovery.anything(tx, agency=self._session.agency, limits=self._session.limits):
                return
        with self._session.transaction() as tx:
            mend(tx, agency=self._session.agency, limits=self._session.limits)
            for row in transitions.expired(tx, DELIVERIES, agency=self._session.agency):
                _expire(tx, DELIVERIES, row["id"], row["fence"], DeliveryState.UNKNOWN)
            for row in transitions.expired(tx, OUTGOING, agency=self._session.agency):
                again = row["kind"] == outgoing.CONFIRM
                _expire(tx, OUTGOING, row["id"], row["fence"], OutgoingState.READY if again else OutgoingState.UNKNOWN)

    def flush(self, *, due: bool) -> Flushed:
        """Send everything that waits, deliveries first; stop where the next message would meet the same error.

        Args:
            due: only what is due by its back-off.
        """
        self.recover()
        sent = 0
        errors: list[EdocError] = []
        for error in self._attempts(due):
            if error is None:
                sent += 1
                continue
            errors.append(error)
            if fate(error).pause:
                self._pause(error)
                return Flushed(sent=sent, errors=tuple(errors))
        self._paused_until = 0.0
        return Flushed(sent=sent, errors=tuple(errors))

    def kick(self) -> None:
        """Send what is due now, unless the hub was out of reach a moment ago; errors stay in the store and the log."""
        if time.monotonic() < self._paused_until:
            return
        try:
            with self._session.store.reading() as tx:
                if not self.waits(tx):
                    return
            self.flush(due=True)
        except StoreError as error:
            # What the caller did is stored already; the queue can wait for a store that works again.
            log.warning("what is queued was not sent: %s", error)

    def waits(self, tx: Tx) -> bool:
        """Whether a round of sending would find anything: where nothing waits, no writer need be kept out for it."""
        return _recovery.anything(tx, agency=self._session.agency, limits=self._session.limits, queues=True)

    def transmit(self, key: int) -> None:
        """Send one delivery now, whatever its back-off says; where its outcome is unknown, ask the hub first.

        Raises:
            EdocError: the hub did not take it; what becomes of it is in the store.
        """
        row = self._claim_delivery(key=key, due=False)
        if row is not None:
            with self._session.keeper.holding(deliveries.T, [row.id]):
                self._deliver(row)

    def deliver(self, row: DeliveryRow) -> None:
        """Send a delivery that was stored just now, unless somebody else does.

        Raises:
            EdocError: the hub did not take it; what becomes of it is in the store.
        """
        try:
            with self._session.transaction() as tx:
                row = deliveries.taken(tx, row, self._session.lease)
        except LeaseLost:
            log.info("delivery %d was taken by another worker first", row.id)
            return
        with self._session.keeper.holding(deliveries.T, [row.id]):
            self._deliver(row)

    def ask(self, machine: Machine, key: int) -> EdocError | None:
        """Ask the hub about one message whose outcome is unknown, and act on what it says; what that met, if anything.

        Nothing where another worker is at it, or its outcome is known by now.
        """
        unknown = [DeliveryState.UNKNOWN if machine is DELIVERIES else OutgoingState.UNKNOWN]
        with self._session.transaction() as tx:
            rows = transitions.claim(
                tx, machine, self._session.lease, agency=self._session.agency, states=unknown, due=False,
                where=transitions.table_of(machine).c.id == key,
            )  # fmt: skip
        if not rows:
            return None
        if machine is DELIVERIES:
            return self._caught(DeliveryRow.of(rows[0]))
        return self._reports.send([OutgoingRow.of(rows[0])])[0][1]

    def send_one(self, key: int | None = None) -> tuple[int | None, EdocError | None]:
        """Send the next delivery that is due, or this one: its key, None where there is none, and the error it met."""
        return self._next_delivery(0, True, key)

    # -- one step of a round: the key of the message that was tried, and the error it met

    def _attempts(self, due: bool) -> Iterator[EdocError | None]:
        """Try each message that waits once; what each met, None where the hub took it."""
        key, error = self._next_delivery(0, due)
        while key is not None:
            yield error
            key, error = self._next_delivery(key, due)
        yield from self._reported(due)

    def _next_delivery(self, after: int, due: bool, only: int | None = None) -> tuple[int | None, EdocError | None]:
        row = self._claim_delivery(after=after, due=due, key=only)
        return (None, None) if row is None else (row.id, self._caught(row))

    def _claim_delivery(self, *, after: int = 0, due: bool, key: int | None = None) -> DeliveryRow | None:
        with self._session.transaction() as tx:
            return deliveries.claim(tx, self._session.lease, agency=self._session.agency, due=due, after=after, key=key)

    def _caught(self, row: DeliveryRow) -> EdocError | None:
        try:
            with self._session.keeper.holding(deliveries.T, [row.id]):
                self._deliver(row)
        except EdocError as error:
            log.warning("not sent: %s", error)
            return error
        return None

    def _pause(self, error: EdocError) -> None:
        self._paused_until = time.monotonic() + self._session.limits.backoff
        level = logging.ERROR if isinstance(error, AuthenticationRejected) else logging.WARNING
        log.log(level, "sending to the hub pauses, everything stays queued: %s", error)

    # -- documents

    def _deliver(self, row: DeliveryRow) -> None:
        self._session.hub.forget_heard()
        if row.state == DeliveryState.UNKNOWN:
            again = self._settle_delivery(row)
            if again is None:
                return
            row = again
        try:
            packet = self._session.store.spool.checked(row.spool_file, row.sha256)
            result = self._session.hub.send(
                packet,
                message_type=MessageType.EDOC,
                sender=self._session.agency,
                on_progress=self._session.on_progress,
            )
        except DuplicateDocument as error:
            self._duplicate_delivery(row, error)
        except EdocError as error:
            self._failed_delivery(row, error)
        else:
            self._sent_delivery(row, result.doc_id)

    def _sent_delivery(self, row: DeliveryRow, doc_id: str | None, detail: str = "") -> None:
        with self._session.transaction() as tx:
            self._session.heard(tx, DELIVERIES, row.id)
            words = detail or (f"docId {doc_id}" if doc_id else both("docId not told", "trục không cho biết docId"))
            bound = deliveries.sent(tx, row, doc_id, detail=words, attempts=row.attempts + 1, **columns(None))
        if not bound:
            self._failed_delivery(row, _not_bound(doc_id))

    def _failed_delivery(self, row: DeliveryRow, error: EdocError, *, state: DeliveryState | None = None) -> NoReturn:
        state = state or DeliveryState(fate(error).state)
        with self._session.transaction() as tx:
            self._session.heard(tx, DELIVERIES, row.id)
            wait = tx.now if state is DeliveryState.UNKNOWN else self._session.next_attempt(row, tx.now, error)
            values = {"attempts": row.attempts + 1, "next_attempt_at": wait, **columns(error)}
            values |= {"asked": 0} if state is DeliveryState.UNKNOWN else {}
            deliveries.move(tx, row, state, detail=spoken(error), **values)
            if state is DeliveryState.FAILED:
                correcting.note_refusal(tx, row, error)
        raise error

    def _duplicate_delivery(self, row: DeliveryRow, error: DuplicateDocument) -> None:
        """The hub has it: from an attempt of ours whose answer was lost, or from somebody else."""
        try:
            found = self._ask(_sought_delivery(self._session, row), MessageType.EDOC, row)
        except EdocError as unanswered:
            log.warning("the hub cannot be asked what it has: %s", unanswered)
            self._failed_delivery(row, error, state=DeliveryState.UNKNOWN)
        with self._session.store.reading() as tx:
            ours = len(found) == 1 or timelines.happened(tx, DELIVERIES, row.id, DeliveryState.UNKNOWN)
        if not ours:
            self._failed_delivery(row, error)
        self._sent_delivery(row, found[0] if len(found) == 1 else None, both(*_ALREADY))

    def _settle_delivery(self, row: DeliveryRow) -> DeliveryRow | None:
        """Ask for a delivery whose outcome is unknown; it comes back, claimed, if it has to be sent again."""
        settled, doc_id = self._settle(DELIVERIES, row, _sought_delivery(self._session, row), MessageType.EDOC)
        if settled:
            self._sent_delivery(row, doc_id)
            return None
        return self._claim_delivery(key=row.id, due=False)

    # -- statuses and confirmations

    def report_due(self) -> tuple[EdocError, ...]:
        """Send the statuses and confirmations that are due, until none is; what those met that were not sent.

        Raises:
            StoreError: the store does not answer.
        """
        if time.monotonic() < self._paused_until:
            return ()
        return tuple(error for error in self._reported(True) if error is not None)

    def report_some(self, key: int | None = None) -> list[tuple[int, EdocError | None]]:
        """Send a few statuses and confirmations that are due, or this one: the key of each, and the error it met."""
        return self._reports.round(due=True, only=key)

    def close(self) -> None:
        """End the threads."""
        self._reports.close()

    def _reported(self, due: bool) -> Iterator[EdocError | None]:
        """Try each status and confirmation that waits once; what each met."""
        tried: set[int] = set()
        while len(tried) < _MOST_TRIED:
            found = self._reports.round(due=due, but=tried)
            if not found:
                return
            errors = [error for _, error in found]
            yield from errors
            pause = next((error for error in errors if error is not None and fate(error).pause), None)
            if pause is not None:
                self._pause(pause)
                return
            tried |= {key for key, error in found if error is not None}

    def _settle_status(self, row: OutgoingRow) -> tuple[bool, str | None]:
        return self._settle(OUTGOING, row, _sought_status(self._session, row), MessageType.STATUS)

    def _id_there(self, row: OutgoingRow) -> str | None:
        """The hub's id of a status that it says it has: without it, the next status could be taken for this one."""
        try:
            found = self._ask(_sought_status(self._session, row), MessageType.STATUS, row)
        except EdocError as unanswered:
            log.warning("the hub cannot be asked what it has: %s", unanswered)
            return None
        return found[0] if len(found) == 1 else None

    # -- asking the hub

    def _settle(
        self, machine: Machine, row: DeliveryRow | OutgoingRow, sought: reconciler.Sought, kind: MessageType
    ) -> tuple[bool, str | None]:
        """Whether the hub has it, and its id there; if it was asked often enough and has not, the row is ready again.

        Raises:
            OutcomeUnknown: not settled yet.
        """
        with self._session.store.reading() as tx:
            early = row.asked > 0 and tx.now < row.next_attempt_at
        if early:
            self._unsettled(machine, row, _ask_again(), asked=row.asked)
        try:
            found = self._ask(sought, kind, row)
        except EdocError as error:
            self._unsettled(machine, row, _cannot_ask(error), asked=row.asked)
        if len(found) > 1:
            self._unsettled(machine, row, _ambiguous(len(found)), asked=row.asked)
        if found and isinstance(row, OutgoingRow) and self._nameless(row):
            self._unsettled(machine, row, _maybe_another(), asked=row.asked)
        if found:
            return True, found[0]
        if row.asked + 1 < ASKS:
            self._unsettled(machine, row, _ask_again(), asked=row.asked + 1)
        with self._session.transaction() as tx:
            self._session.heard(tx, machine, row.id)
            asked = row.asked + 1
            transitions.move(
                tx, machine, row.id, old=row.state, new="ready", token=row.fence, asked=asked, next_attempt_at=tx.now
            )
        return False, None

    def _nameless(self, row: OutgoingRow) -> bool:
        """Whether another status about the same, to the same recipient, is at the hub under an unknown id."""
        T = outgoing.T  # noqa: N806  a table
        same = [T.c.kind == row.kind, T.c.recipient == row.recipient, T.c.id != row.id]
        same += [T.c.receipt_id == row.receipt_id, T.c.delivery_id == row.delivery_id]
        same += [T.c.state == OutgoingState.SENT, T.c.hub_doc_id.is_(None)]
        with self._session.store.reading() as tx:
            since = row.created_at - reconciler.CLOCK_TOLERANCE
            return bool(outgoing.find(tx, row.agency, *same, T.c.sent_at >= since))

    def _ask(
        self, sought: reconciler.Sought, kind: MessageType, row: DeliveryRow | OutgoingRow
    ) -> tuple[str | None, ...]:
        states = self._session.hub.sent_state(kind)
        time_there = self._session.hub.time  # set right by now, if the hub refuses our clock
        sought = reconciler.by_the_hubs_clock(sought, now=time_there(), offset=time_there.offset)
        with self._session.store.reading() as tx:
            return reconciler.find(sought, states, taken=lambda doc_id: _bound(tx, row, doc_id))

    def _unsettled(self, machine: Machine, row: DeliveryRow | OutgoingRow, error: EdocError, asked: int) -> NoReturn:
        with self._session.transaction() as tx:
            self._session.heard(tx, machine, row.id)
            wait = row.next_attempt_at
            if asked > row.asked:
                wait = tx.now + timedelta(seconds=self._session.limits.grace)
            elif wait <= tx.now:
                wait = self._session.next_attempt(row, tx.now, error)
            values = {"asked": asked, "next_attempt_at": wait, **columns(error)}
            transitions.touch(
                tx,
                machine,
                row.id,
                state=row.state,
                token=row.fence,
                detail=both(f"still unknown: {error.message}", f"vẫn chưa rõ: {error.vi}"),
                **values,
            )
        raise error


def _expire(tx: Tx, machine: Machine, key: int, token: int, new: str) -> None:
    try:
        transitions.move(
            tx, machine, key, old="sending", new=new, token=token, asked=0, next_attempt_at=tx.now,
            detail=both("the worker's lease ran out", "tiến trình đang giữ đã dừng"),
        )  # fmt: skip
    except LeaseLost:
        log.info("%s %d was taken over by another worker first", machine.subject, key)


def _bound(tx: Tx, row: DeliveryRow | OutgoingRow, doc_id: str) -> bool:
    if isinstance(row, DeliveryRow):
        other = deliveries.by_hub_doc_id(tx, row.agency, doc_id)
        return other is not None and other.id != row.id
    T = outgoing.T  # noqa: N806  a table
    return bool(outgoing.find(tx, row.agency, T.c.hub_doc_id == doc_id, T.c.id != row.id, T.c.kind == outgoing.STATUS))


def _sought_delivery(session: Session, row: DeliveryRow) -> reconciler.Sought:
    with session.store.reading() as tx:
        to = frozenset(one.organ_id for one in deliveries.recipients(tx, [row.id])[row.id])
    return reconciler.Sought(
        document_id=row.document_id, sender=row.agency, recipients=to, code=row.code, title=row.subject,
        since=row.created_at,
    )  # fmt: skip


def _sought_status(session: Session, row: OutgoingRow) -> reconciler.Sought:
    message = StatusMessage.model_validate_json(row.message or "")
    return reconciler.Sought(
        document_id="", sender=session.agency, recipients=frozenset({row.recipient or ""}),
        code=message.response_for.code or "", title=None, since=row.created_at,
    )  # fmt: skip


def _not_bound(doc_id: str | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"the hub answered with docId {doc_id}, which belongs to another packet of ours: the answer was not believed. "
        "Call again; the hub will be asked what it has.",
        vi=f"Trục trả về docId {doc_id} vốn thuộc gói tin khác của đơn vị nên câu trả lời không được chấp nhận. "
        "Hãy gọi lại; hệ thống sẽ hỏi trục đã có gói tin nào.",
    )


def _ask_again() -> OutcomeUnknown:
    return OutcomeUnknown(
        "the hub does not list the packet whose answer was lost, but may be about to. Call again after the "
        "grace period (limits.grace): the hub is asked once more, and the packet sent again if it is not there.",
        vi="Trục chưa có gói tin bị mất câu trả lời, có thể gói tin vẫn đang được xử lý. Hãy gọi lại sau thời gian chờ "
        "(limits.grace); hệ thống sẽ hỏi lại và gửi lại nếu trục vẫn chưa có.",
    )


def _ambiguous(count: int) -> Undecided:
    return Undecided(
        f"the hub has {count} packets that may be this one and does not say which. Look there, then call settle().",
        vi=f"Trục có {count} gói tin có thể là gói này và không chỉ rõ gói nào. Hãy tra trên trục rồi gọi settle().",
    )


def _maybe_another() -> Undecided:
    return Undecided(
        "the hub has a packet that is this status or another one about the same document, whose id was never told. "
        "Look there, then call settle().",
        vi="Trục có một gói tin có thể là thông báo này hoặc thông báo khác về cùng văn bản mà trục chưa cho biết mã. "
        "Hãy tra trên trục rồi gọi settle().",
    )


def _cannot_ask(error: EdocError) -> EdocError:
    """A hub that refuses the question leaves the answer to a person; any other trouble passes."""
    if not isinstance(error, HubError) or fate(error).state != DeliveryState.FAILED:
        return error
    return Undecided(
        f"whether the hub has the packet cannot be found out: {error.message} Look at the hub, then call settle().",
        vi=f"Không hỏi được trục đã có gói tin hay chưa: {error.vi} Hãy tra trên trục rồi gọi settle().",
    )
