"""Reconciler: find a packet of ours in the hub's list of sent packets (VXP interface, "Settling a send …").

The answer to a send was lost, or the hub says that it has the packet already. Nothing is sent again before the hub was
asked `LOOKUPS_BEFORE_RESEND` times, a grace period apart; what the hub cannot tell is left to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NoReturn, TypeAlias

from ..._core import Text, get_logger, to_nfc
from ...edxml import StatusMessage
from ...errors import EdocError, HubError, OutcomeUnknown
from ...hubs import MessageType, SentState
from ...store import DELIVERIES, OUTGOING, DeliveryRow, DeliveryState, OutgoingRow, StateMachine, Tx
from .._context import ConnectorContext
from .._retry import Undecided, as_error_columns, compute_next_attempt, decide_retry

log = get_logger("edoc_connector.connector.outbox")

CLOCK_TOLERANCE = timedelta(minutes=10)
# A hub that does not have a packet is asked again, a grace period later, before the packet is sent again.
LOOKUPS_BEFORE_RESEND = 2

FOUND_AFTER_RESTORE = Text(
    "it went out after the backup that the store is restored from",
    "đã gửi sau thời điểm của bản sao lưu được khôi phục",
)

SentRow: TypeAlias = DeliveryRow | OutgoingRow


@dataclass(frozen=True, slots=True, kw_only=True)
class SentQuery:
    """The packet that may have arrived.

    Args:
        document_id: its DocumentId; empty for a status.
        sender: our code.
        recipients: the codes it went to.
        code: number and notation.
        title: its subject; None where titles say nothing.
        not_before: it was not sent before, UTC.
    """

    document_id: str
    sender: str
    recipients: frozenset[str]
    code: str
    title: str | None
    not_before: datetime


@dataclass(frozen=True, slots=True)
class HubCopy:
    """A packet of ours that the hub has.

    Args:
        doc_id: the hub's id of it; None where the hub does not tell.
    """

    doc_id: str | None


class Reconciler:
    """Asks the hub about packets of ours.

    Args:
        context: the store and the hub.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context

    def look_up(self, row: SentRow) -> HubCopy | None:
        """Look up a claimed delivery or status whose outcome is unknown.

        Args:
            row: the message. Where the hub was asked often enough and does not have it, it is ``ready`` again.

        Returns:
            The hub's copy; None where it has none, and the message has to be sent again.

        Raises:
            OutcomeUnknown: the hub does not tell yet; the message's lease ended, and it is asked about again later.
            Undecided: the hub cannot tell which of its packets it is.
        """
        with self._context.store.snapshot() as tx:
            is_early = row.asked > 0 and tx.now < row.next_attempt_at
        if is_early:
            self._record_unsettled(row, _build_not_listed_error(), lookups=row.asked)
        try:
            hub_ids = self.query_hub(row)
        except EdocError as error:
            self._record_unsettled(row, _as_lookup_error(error), lookups=row.asked)
        if len(hub_ids) > 1:
            self._record_unsettled(row, _build_ambiguous_error(len(hub_ids)), lookups=row.asked)
        if hub_ids and self._has_unnamed_sibling(row):
            self._record_unsettled(row, _build_unnamed_sibling_error(), lookups=row.asked)
        if hub_ids:
            return HubCopy(hub_ids[0])
        if row.asked + 1 < LOOKUPS_BEFORE_RESEND:
            self._record_unsettled(row, _build_not_listed_error(), lookups=row.asked + 1)
        self._make_ready(row)
        return None

    def find_hub_id(self, row: OutgoingRow) -> str | None:
        """Find the hub's id of a status that it has: without it, the next status could be taken for this one."""
        try:
            hub_ids = self.query_hub(row)
        except EdocError as lookup_error:
            log.warning("the hub cannot be asked what it has: %s", lookup_error)
            return None
        return hub_ids[0] if len(hub_ids) == 1 else None

    def find_sent_before_restore(self, row: SentRow) -> HubCopy | None:
        """Find the hub's copy of a message that a restored store is about to send: it may have gone out since.

        As long as the restore is not caught up with. One that went out since the backup is listed by now.

        Raises:
            Undecided: the hub cannot tell, or not which of its packets it is.
            EdocError: the hub cannot be asked now.
        """
        if not self._context.store.identity.is_restoring:
            return None
        try:
            hub_ids = self.query_hub(row)
        except EdocError as error:
            raise _as_lookup_error(error) from error
        if len(hub_ids) > 1:
            raise _build_ambiguous_error(len(hub_ids))
        return HubCopy(hub_ids[0]) if hub_ids else None

    def query_hub(self, row: SentRow) -> tuple[str | None, ...]:
        """Ask the hub which of its packets a message may be; as `find_matches`.

        Raises:
            EdocError: the hub did not say.
        """
        query = self._build_query(row)
        states = self._context.hub.sent_state(MessageType.EDOC if isinstance(row, DeliveryRow) else MessageType.STATUS)
        hub_time = self._context.hub.time  # set right by now, if the hub refuses our clock
        query = adjust_to_hub_clock(query, now=hub_time(), offset=hub_time.offset)
        with self._context.store.snapshot() as tx:
            return find_matches(query, states, is_bound=lambda doc_id: _is_bound(tx, row, doc_id))

    def _build_query(self, row: SentRow) -> SentQuery:
        agency = self._context.agency
        if isinstance(row, OutgoingRow):
            message = StatusMessage.model_validate_json(row.message or "")
            return SentQuery(
                document_id="", sender=agency, recipients=frozenset({row.recipient or ""}),
                code=message.response_for.code or "", title=None, not_before=self._find_earliest(row),
            )  # fmt: skip
        with self._context.store.snapshot() as tx:
            recipients = tx.deliveries.load_recipients([row.id])[row.id]
        return SentQuery(
            document_id=row.document_id, sender=agency, recipients=frozenset(one.organ_id for one in recipients),
            code=row.code, title=row.subject, not_before=self._find_earliest(row),
        )  # fmt: skip

    def _find_earliest(self, row: SentRow) -> datetime:
        """Find since when a message may be at the hub: in a restored store, since the backup."""
        snapshot_at = self._context.store.identity.snapshot_at
        return row.created_at if snapshot_at is None else min(row.created_at, snapshot_at)

    def _has_unnamed_sibling(self, row: SentRow) -> bool:
        """Whether another status about the same, to the same recipient, is at the hub under an unknown id."""
        if isinstance(row, DeliveryRow):
            return False
        with self._context.store.snapshot() as tx:
            return tx.outgoing.has_unnamed_sibling(row, since=row.created_at - CLOCK_TOLERANCE)

    def _make_ready(self, row: SentRow) -> None:
        machine = _get_machine(row)
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, machine, row.id)
            tx.transitions.move(
                machine,
                row.id,
                old=row.state,
                new="ready",
                fencing_token=row.fence,
                asked=row.asked + 1,
                next_attempt_at=tx.now,
            )

    def _record_unsettled(self, row: SentRow, error: EdocError, lookups: int) -> NoReturn:
        machine, limits = _get_machine(row), self._context.limits
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, machine, row.id)
            next_attempt_at = row.next_attempt_at
            if lookups > row.asked:
                next_attempt_at = tx.now + timedelta(seconds=limits.grace)
            elif next_attempt_at <= tx.now:
                next_attempt_at = compute_next_attempt(limits, row.attempts, tx.now, error)
            tx.leases.end(
                machine,
                row.id,
                state=row.state,
                fencing_token=row.fence,
                detail=Text(f"still unknown: {error.message}", f"vẫn chưa rõ: {error.vi}"),
                asked=lookups,
                next_attempt_at=next_attempt_at,
                **as_error_columns(error),
            )
        raise error


def find_matches(
    query: SentQuery, states: Sequence[SentState], *, is_bound: Callable[[str], bool]
) -> tuple[str | None, ...]:
    """Look for a packet among those the hub has of us.

    Hubs fill senderDocId with our DocumentId or with an id of their own. The first settles it; else the sender, a
    recipient, number and notation, title and time must all agree, and the hub's id must not be bound to another packet.

    Args:
        query: the packet.
        states: the hub's answer.
        is_bound: whether a hub's id belongs to another packet of ours.

    Returns:
        The hub's ids of the packets that it may be, None standing for one that the hub does not tell: nothing, and the
        hub does not have it; one, and that is it; more, and they cannot be told apart.
    """
    if query.document_id and any(state.sender_doc_id == query.document_id for state in states):
        return (None,)
    matching_ids = {state.sender_doc_id for state in states if _is_match(query, state)}
    return tuple(doc_id or None for doc_id in sorted(matching_ids) if not (doc_id and is_bound(doc_id)))


def adjust_to_hub_clock(query: SentQuery, *, now: datetime, offset: timedelta) -> SentQuery:
    """Adjust a query where our clock may have been ahead when the message was stored: the hub's times are its own.

    Args:
        query: the packet, with our time.
        now: the hub's time, as far as it is known.
        offset: how far its clock is from ours.
    """
    return replace(query, not_before=min(query.not_before + min(offset, timedelta(0)), now))


def _is_match(query: SentQuery, state: SentState) -> bool:
    return (
        state.sender == query.sender
        and state.recipient in query.recipients
        and any(_is_same_text(state.notation, notation) for notation in (query.code, query.code.partition("/")[2]))
        and (query.title is None or _is_same_text(state.title, query.title))
        and (state.sent_at is None or state.sent_at >= query.not_before - CLOCK_TOLERANCE)
    )


def _is_same_text(left: str, right: str) -> bool:
    return _normalize(left) == _normalize(right)


def _normalize(text: str) -> str:
    return " ".join(to_nfc(text).split()).casefold()


def _get_machine(row: SentRow) -> StateMachine:
    return DELIVERIES if isinstance(row, DeliveryRow) else OUTGOING


def _is_bound(tx: Tx, row: SentRow, doc_id: str) -> bool:
    if isinstance(row, OutgoingRow):
        return tx.outgoing.is_hub_doc_id_taken(row, doc_id)
    bound_row = tx.deliveries.find_by_hub_doc_id(row.agency, doc_id)
    return bound_row is not None and bound_row.id != row.id


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
    """Express a refusal of the question as `Undecided`: the answer is left to a person; any other trouble passes."""
    if not isinstance(error, HubError) or decide_retry(error).next_state != DeliveryState.FAILED:
        return error
    return Undecided(
        f"whether the hub has the packet cannot be found out: {error.message} Look at the hub, then call settle().",
        vi=f"Không hỏi được trục đã có gói tin hay chưa: {error.vi} Hãy tra trên trục rồi gọi settle().",
    )
