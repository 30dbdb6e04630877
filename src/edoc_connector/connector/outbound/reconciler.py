"""Reconciler: find a packet of ours in the hub's list of sent packets (VXP interface, "Settling a send …").

The answer to a send was lost, or the hub says that it has the packet already. Nothing is sent again before the hub was
asked `LOOKUPS_BEFORE_RESEND` times, a grace period apart; what the hub cannot tell is left to a person, and asked about
ever more seldom.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn, TypeAlias

from ..._core import Text, get_logger, make_lock, qualify_for_hub
from ...edxml import StatusMessage
from ...errors import DuplicateDocument, EdocError, HubError, OutcomeUnknown
from ...hubs import MessageType, SentState
from ...store import DELIVERIES, OUTGOING, DeliveryRow, DeliveryState, OutgoingRow, StateMachine, Tx
from .._change_rules import NEW_KIND
from .._context import ConnectorContext
from .._retry import Undecided, as_error_columns, compute_next_attempt, decide_retry
from .sent_copies import (
    SentFinding,
    SentQuery,
    adjust_to_hub_clock,
    find_copies,
    find_own_copies,
    find_told_copies,
    is_match,
    leave_out,
    names_document,
    take_earliest,
)

log = get_logger("edoc_connector.connector.outbox")

# A hub that does not have a packet is asked again, a grace period later, before the packet is sent again.
LOOKUPS_BEFORE_RESEND = 2

_MAX_QUESTIONS = 16  # about other packets, to tell one apart from them
_LOOK_ALIKE_MARGIN = timedelta(days=1)  # how far the hub's clock may be from ours, for what is looked at besides

FOUND_AFTER_RESTORE = Text(
    "it went out after the backup that the store is restored from",
    "đã gửi sau thời điểm của bản sao lưu được khôi phục",
)

SentRow: TypeAlias = DeliveryRow | OutgoingRow


@dataclass(frozen=True, slots=True)
class HubCopy:
    """A packet of ours that the hub has.

    Args:
        doc_id: the hub's id of it; None where the hub does not tell.
        copy_id: the hub's id of the recipient's copy, where there is one and it is told.
    """

    doc_id: str | None
    copy_id: str | None = None


class Questions:
    """The turn to ask about an unknown outcome unbidden: one at a time, so that others send."""

    def __init__(self) -> None:
        self._lock = make_lock()

    @contextmanager
    def ask_next(self) -> Iterator[bool]:
        """Take the turn for the block; false where another thread has it."""
        is_taken = self._lock.acquire(blocking=False)
        try:
            yield is_taken
        finally:
            if is_taken:
                self._lock.release()


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
        if self._may_repeat(row):
            self._make_ready(row)
            return None
        with self._context.store.snapshot() as tx:
            is_early = row.asked > 0 and tx.now < row.next_attempt_at
        if is_early:
            self._record_unsettled(row, _build_not_listed_error(), lookups=row.asked, is_asked=False)
        try:
            finding = self.query_hub(row)
        except EdocError as error:
            self._record_unsettled(row, _as_lookup_error(error), lookups=row.asked)
        if finding.is_ambiguous:
            self._record_unsettled(row, _build_ambiguous_error(len(finding.copies)), lookups=row.asked)
        if finding.is_found:
            return HubCopy(finding.doc_id, finding.copy_id)
        if row.asked + 1 < LOOKUPS_BEFORE_RESEND:
            self._record_unsettled(row, _build_not_listed_error(), lookups=row.asked + 1)
        self._make_ready(row)
        return None

    def find_sent_before_restore(self, row: SentRow) -> HubCopy | None:
        """Find the hub's copy of a message that a restored store is about to send: it may have gone out since.

        As long as the restore is not caught up with. One that went out since the backup is listed by now.

        Raises:
            Undecided: the hub cannot tell, or not which of its packets it is.
            EdocError: the hub cannot be asked now.
        """
        if not self._context.store.identity.is_restoring or self._may_repeat(row):
            return None
        try:
            finding = self.query_hub(row)
        except EdocError as error:
            raise _as_lookup_error(error) from error
        if finding.is_ambiguous:
            raise _build_ambiguous_error(len(finding.copies))
        return HubCopy(finding.doc_id, finding.copy_id) if finding.is_found else None

    def _may_repeat(self, row: SentRow) -> bool:
        """Whether a message is sent again without a question: a status, at a hub that knows it by what it says."""
        return isinstance(row, OutgoingRow) and self._context.capabilities.repeats_statuses

    def query_hub(self, row: SentRow) -> SentFinding:
        """Ask the hub which of its packets a message is.

        Raises:
            EdocError: the hub did not say.
        """
        if isinstance(row, DeliveryRow) and row.business == NEW_KIND and self._context.capabilities.tells_documents:
            return self._query_document(row)
        finding = self._query_recent_list(row)
        return finding if finding is not None and finding.is_found else self._query_list(row)

    def _query_recent_list(self, row: SentRow) -> SentFinding | None:
        """Ask the hub for what was sent since the message was stored; None where it refuses to tell just that."""
        with self._context.store.snapshot() as tx:
            since = self._build_query(tx, row).not_before - _LOOK_ALIKE_MARGIN
        try:
            return self._query_list(row, since=since)
        except HubError as error:
            if not _is_refusal(error):
                raise
            log.info("the hub does not list what was sent since a time, and is asked for all: %s", error)
            return None

    def _query_list(self, row: SentRow, *, since: datetime | None = None) -> SentFinding:
        """Ask the hub for its list, of all or of what was sent since a time, and find the message in it."""
        states = self._context.hub.sent_state(_get_message_type(row), since=since)
        with self._context.store.snapshot() as tx:
            query = self._build_query(tx, row)
            ids_of_others = self._find_ids_of_others(tx, row, query, states)
            copies = find_copies(query, states, is_bound=ids_of_others.__contains__)
            if not copies or names_document(query, copies[0]):
                return SentFinding(query, copies)
            look_alikes = self._find_look_alikes(tx, row, query, copies)
        finding = self._tell_apart(row, SentFinding(query, copies), look_alikes, states)
        return take_earliest(finding) if self._may_be_forgotten(row) else finding

    def _query_document(self, row: DeliveryRow) -> SentFinding:
        """Ask a hub that tells of one document, by its code, whether it has a new one of ours.

        Its yes says nothing where another document of ours has the code and the recipients: that one may be meant. Then
        it counts as a no, and the document is sent again: the hub knows it by its DocumentId.
        """
        with self._context.store.snapshot() as tx:
            query = self._build_query(tx, row)
            recipients = [one.organ_id for one in tx.recipients.load([row.id])[row.id]]
            others = [one for one in tx.deliveries.find_all(row.agency, code=row.code) if one.id != row.id]
            named = tx.recipients.load([one.id for one in others])
        is_told = self._context.hub.has_document(sender=row.agency, recipients=recipients, code=row.code)
        is_shared = any({one.organ_id for one in named[other.id]} == set(recipients) for other in others)
        if not is_told or is_shared:
            return SentFinding(query)
        return SentFinding(query, (SentState(sender=row.agency, recipient=recipients[0], notation=row.code),))

    def _find_ids_of_others(
        self, tx: Tx, row: SentRow, query: SentQuery, states: Sequence[SentState]
    ) -> frozenset[str]:
        """Find the hub's ids, of rows that a message agrees with, that are another packet's of ours."""
        return frozenset(
            state.sender_doc_id
            for state in states
            if state.sender_doc_id and is_match(query, state)
            if any(self._may_be(tx, owner, row, state) for owner in _find_owners(tx, row, state.sender_doc_id))
        )

    def _may_be(self, tx: Tx, owner: SentRow, row: SentRow, state: SentState) -> bool:
        """Whether a row of the hub's list may be the packet that has its id by our word, and not another one's.

        The hub's answer to the sending may have told a wrong id; its list, where it says something else of that id,
        disproves that.
        """
        if _get_machine(owner) is not _get_machine(row):
            return owner.was_unknown  # then the hub was asked, and has two packets of one id
        return is_match(self._build_query(tx, owner), state)

    def _may_be_forgotten(self, row: SentRow) -> bool:
        """Whether the hub may have later statuses of the same lane that a restored store knows nothing of."""
        return isinstance(row, OutgoingRow) and self._context.store.identity.is_restoring

    def list_own_copies(self, rows: Sequence[DeliveryRow]) -> list[tuple[DeliveryRow, tuple[SentState, ...]]]:
        """Ask the hub for its list of what was sent, and find each document's rows in it: those with an id of it.

        Raises:
            EdocError: the hub did not say.
        """
        states = self._context.hub.sent_state(MessageType.EDOC)
        with self._context.store.snapshot() as tx:
            queries = [self._build_query(tx, row) for row in rows]
        return [(row, find_own_copies(query, states)) for row, query in zip(rows, queries, strict=True)]

    def query_taken(self, row: SentRow) -> SentFinding:
        """Ask the hub about a message that it took once: by its id first, since lists end some time ago.

        Raises:
            EdocError: the hub did not say.
        """
        if row.hub_doc_id is not None:
            told = self._context.hub.sent_state(_get_message_type(row), doc_id=row.hub_doc_id)
            with self._context.store.snapshot() as tx:
                query = self._build_query(tx, row)
            copies = find_own_copies(query, told) or find_told_copies(query, told, told)
            if copies:
                return SentFinding(query, copies)
        return self.query_hub(row)

    def resolve_duplicate_status(self, row: OutgoingRow, error: DuplicateDocument) -> HubCopy:
        """Find out whose packet the hub means that says it has a status already.

        Raises:
            DuplicateDocument: the status never left before: it is not that which the hub has.
            OutcomeUnknown: it may be that one, or another about the same document.
        """
        try:
            finding = self.query_hub(row)
        except EdocError as lookup_error:
            log.warning("the hub cannot be asked what it has: %s", lookup_error)
            finding = None
        if finding is not None and finding.is_found:
            return HubCopy(finding.doc_id, finding.copy_id)
        if row.was_unknown and not self._has_look_alikes(row):
            return HubCopy(None)  # the same bytes as before: an earlier attempt arrived
        if finding is not None and not finding.is_ambiguous and not row.was_unknown:
            raise error
        raise _build_ambiguous_duplicate_error() from error

    def _has_look_alikes(self, row: SentRow) -> bool:
        """Whether another message of ours left that a hub may take for this one."""
        with self._context.store.snapshot() as tx:
            query = self._build_query(tx, row)
            itself = SentState(
                sender=query.sender, recipient=min(query.recipients, default=""), notation=query.code,
                title=query.title or "",
            )  # fmt: skip
            return bool(self._find_look_alikes(tx, row, query, [itself]))

    def _tell_apart(
        self, row: SentRow, finding: SentFinding, look_alikes: Sequence[SentQuery], states: Sequence[SentState]
    ) -> SentFinding:
        """Leave out the rows that are other packets of ours; where one of these is not in the list, it is open."""
        copies, is_ambiguous, questions = finding.copies, False, 0
        for other in look_alikes:
            own_copies = find_own_copies(other, states)
            if not own_copies and other.doc_id is not None and questions < _MAX_QUESTIONS:
                questions += 1
                told = self._context.hub.sent_state(_get_message_type(row), doc_id=other.doc_id)
                own_copies = find_told_copies(other, told, states)
            is_ambiguous = is_ambiguous or not own_copies
            copies = leave_out(copies, own_copies)
        return SentFinding(finding.query, copies, is_ambiguous and bool(copies))

    def _find_look_alikes(self, tx: Tx, row: SentRow, query: SentQuery, copies: Sequence[SentState]) -> list[SentQuery]:
        """Find the other packets of ours that left, and that rows of the hub's list may be as well."""
        is_timed = all(copy.sent_at is not None for copy in copies)
        since = query.not_before - _LOOK_ALIKE_MARGIN if is_timed else None
        others: Sequence[SentRow]
        if isinstance(row, OutgoingRow):
            others = tx.outgoing.list_departed(row, since=since)
            if self._may_be_forgotten(row):  # all that waited counts as unknown; of a lane, none leaves before its turn
                others = [other for other in others if other.lane != row.lane or other.id < row.id]
        else:
            others = tx.deliveries.list_departed(row, query.recipients, since=since)
        queries = [self._build_query(tx, other) for other in others]
        return [other for other in queries if any(is_match(other, copy) for copy in copies)]

    def _build_query(self, tx: Tx, row: SentRow) -> SentQuery:
        hub_time = self._context.hub.time  # set right by an answer before, if the hub refuses our clock
        query = self._build_status_query(row) if isinstance(row, OutgoingRow) else self._build_document_query(tx, row)
        offset = min(hub_time.offset, hub_time.seen_offset)
        return adjust_to_hub_clock(query, now=self._context.store.clock(), offset=offset)

    def _build_status_query(self, row: OutgoingRow) -> SentQuery:
        answered = StatusMessage.model_validate_json(row.message or "").response_for
        return SentQuery(
            document_id="", sender=self._context.agency, recipients=frozenset({row.recipient or ""}),
            code=answered.code or "", title=None, not_before=self._find_earliest(row),
            answered_id=self._name(answered.document_id or ""), doc_id=row.hub_doc_id, copy_id=row.copy_doc_id,
        )  # fmt: skip

    def _build_document_query(self, tx: Tx, row: DeliveryRow) -> SentQuery:
        recipients = tx.recipients.load([row.id])[row.id]
        return SentQuery(
            document_id=self._name(row.document_id), sender=self._context.agency, code=row.code, title=row.subject,
            recipients=frozenset(one.organ_id for one in recipients), not_before=self._find_earliest(row),
            doc_id=row.hub_doc_id,
        )  # fmt: skip

    def _name(self, document_id: str) -> str:
        """Name a DocumentId as the hub's client names those in the hub's list."""
        return qualify_for_hub(document_id, self._context.hub_name)

    def _find_earliest(self, row: SentRow) -> datetime:
        """Find since when a message may be at the hub: in a restored store, since the backup."""
        snapshot_at = self._context.store.identity.snapshot_at
        return row.created_at if snapshot_at is None else min(row.created_at, snapshot_at)

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

    def _record_unsettled(self, row: SentRow, error: EdocError, *, lookups: int, is_asked: bool = True) -> NoReturn:
        """Leave an outcome open; each question that told nothing counts, and the next one waits longer."""
        machine, limits = _get_machine(row), self._context.limits
        with self._context.store.transaction() as tx:
            self._context.hub.record_exchanges(tx, machine, row.id)
            attempts, next_attempt_at = row.attempts, row.next_attempt_at
            if lookups > row.asked:
                next_attempt_at = tx.now + timedelta(seconds=limits.grace)
            elif is_asked:
                attempts, next_attempt_at = attempts + 1, compute_next_attempt(limits, attempts, tx.now, error)
            tx.leases.end(
                machine,
                row.id,
                state=row.state,
                fencing_token=row.fence,
                detail=Text(f"still unknown: {error.message}", f"vẫn chưa rõ: {error.vi}"),
                asked=lookups,
                attempts=attempts,
                next_attempt_at=next_attempt_at,
                **as_error_columns(error),
            )
        try:
            raise error
        finally:
            del error  # else its traceback holds it, and with it the hub's list, until Python looks for circles


def _get_machine(row: SentRow) -> StateMachine:
    return DELIVERIES if isinstance(row, DeliveryRow) else OUTGOING


def _get_message_type(row: SentRow) -> MessageType:
    return MessageType.EDOC if isinstance(row, DeliveryRow) else MessageType.STATUS


def _find_owners(tx: Tx, row: SentRow, doc_id: str) -> list[SentRow]:
    """Find the other packets of ours that have a hub's id by our word."""
    return [
        owner
        for owner in tx.outgoing.find_owners(row.agency, doc_id)
        if (_get_machine(owner), owner.id) != (_get_machine(row), row.id)
    ]


def build_wrong_id_error(doc_id: str | None) -> OutcomeUnknown:
    """Build the error for an answer with a hub's id that another packet of ours has (faults, rows 13 and 31)."""
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
        f"the hub has {count} packets that may be this one or another of ours, and does not say which. Look there, "
        "then call settle().",
        vi=f"Trục có {count} gói tin có thể là gói này hoặc gói khác của đơn vị và không chỉ rõ gói nào. "
        "Hãy tra trên trục rồi gọi settle().",
    )


def _build_ambiguous_duplicate_error() -> Undecided:
    return Undecided(
        "the hub says that it has this status already, but may mean another one about the same document. "
        "Look there, then call settle().",
        vi="Trục báo đã có thông báo này, nhưng có thể là thông báo khác về cùng văn bản. "
        "Hãy tra trên trục rồi gọi settle().",
    )


def _is_refusal(error: EdocError) -> bool:
    """Whether the hub refused a question for good."""
    return isinstance(error, HubError) and decide_retry(error).next_state == DeliveryState.FAILED


def _as_lookup_error(error: EdocError) -> EdocError:
    """Express a refusal of the question as `Undecided`: the answer is left to a person; any other trouble passes."""
    if not _is_refusal(error):
        return error
    return Undecided(
        f"whether the hub has the packet cannot be found out: {error.message} Look at the hub, then call settle().",
        vi=f"Không hỏi được trục đã có gói tin hay chưa: {error.vi} Hãy tra trên trục rồi gọi settle().",
    )
