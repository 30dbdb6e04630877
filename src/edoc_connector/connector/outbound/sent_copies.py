"""Copies of a packet among what a hub lists as sent (VXP interface, "Settling a send …").

A hub that lists DocIds, or our DocumentIds, names each packet. Where it lists none, or the answered document's, a row
of its list is told apart by number and notation, title, time and the codes; every other packet of ours that it may be
as well has to be found in the list first. What is left over is the packet that is looked for; what cannot be told apart
is no answer at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter

from ..._core import to_nfc
from ...hubs import SentState

CLOCK_TOLERANCE = timedelta(minutes=10)
_LONGEST_ASKED = timedelta(days=366)  # after which no hub is asked about a packet any more


@dataclass(frozen=True, slots=True, kw_only=True)
class SentQuery:
    """A packet that the hub may have.

    Args:
        document_id: its DocumentId; empty for a status.
        sender: our code.
        recipients: the codes it went to.
        code: number and notation.
        title: its subject; None where titles say nothing.
        not_before: it was not sent before, UTC.
        answered_id: DocumentId of the document that a status is about, which names no status.
        doc_id: the hub's id of it, where that is known.
        copy_id: the hub's id of the recipient's copy, where that is known.
    """

    document_id: str
    sender: str
    recipients: frozenset[str]
    code: str
    title: str | None
    not_before: datetime
    answered_id: str = ""
    doc_id: str | None = None
    copy_id: str | None = None


@dataclass(frozen=True, slots=True)
class SentFinding:
    """The rows of a hub's list that may be a packet of ours.

    Args:
        query: the packet.
        copies: the rows; none where the hub does not have it.
        is_ambiguous: whether they may be another packet of ours as well.
    """

    query: SentQuery
    copies: tuple[SentState, ...] = ()
    is_ambiguous: bool = False

    @property
    def is_found(self) -> bool:
        """Whether the hub has the packet."""
        return bool(self.copies) and not self.is_ambiguous

    @property
    def doc_id(self) -> str | None:
        """The hub's id of the packet; None where the list does not tell, or tells several."""
        doc_ids = {read_doc_id(self.query, copy) for copy in self.copies}
        return doc_ids.pop() if len(doc_ids) == 1 else None

    @property
    def copy_id(self) -> str | None:
        """The hub's id of the recipient's copy; None where there are several, or none is told."""
        copy_ids = {copy.receiver_doc_id for copy in self.copies}
        return (copy_ids.pop() or None) if len(copy_ids) == 1 else None


def find_copies(
    query: SentQuery, states: Sequence[SentState], *, is_bound: Callable[[str], bool]
) -> tuple[SentState, ...]:
    """Find the rows of a hub's list that may be a packet.

    Hubs fill senderDocId with our DocumentId or with an id of their own. The first settles it; else the sender, a
    recipient, number and notation, title and time must all agree, and the hub's id must not be bound to another packet.

    Args:
        query: the packet.
        states: the hub's list.
        is_bound: whether a hub's id belongs to another packet of ours.
    """
    named = tuple(state for state in states if names_document(query, state))
    if named:
        return named
    matching = (state for state in states if is_match(query, state))
    return tuple(state for state in matching if not (state.sender_doc_id and is_bound(state.sender_doc_id)))


def find_matches(
    query: SentQuery, states: Sequence[SentState], *, is_bound: Callable[[str], bool]
) -> tuple[str | None, ...]:
    """Find the hub's ids of the packets that one may be, as `find_copies`; None stands for one that is not told."""
    copies = find_copies(query, states, is_bound=is_bound)
    return tuple(doc_id or None for doc_id in sorted({read_doc_id(query, copy) or "" for copy in copies}))


def names_document(query: SentQuery, state: SentState) -> bool:
    """Whether a row of the list names a document by our own id of it."""
    return bool(query.document_id) and state.sender_doc_id == query.document_id


def read_doc_id(query: SentQuery, state: SentState) -> str | None:
    """Read the hub's id of a packet from its row; None where the row has none, or a DocumentId in its place."""
    if state.sender_doc_id in {query.document_id, query.answered_id}:
        return None
    return state.sender_doc_id or None


def find_own_copies(other: SentQuery, states: Iterable[SentState]) -> tuple[SentState, ...]:
    """Find the rows that are certainly a packet's: those with an id of it."""
    ids = {other.document_id, other.doc_id} - {"", None}
    return tuple(
        state
        for state in states
        if state.sender_doc_id in ids or (other.copy_id is not None and state.receiver_doc_id == other.copy_id)
    )


def find_told_copies(other: SentQuery, told: Sequence[SentState], states: Iterable[SentState]) -> tuple[SentState, ...]:
    """Find the rows that are a packet's by the hub's answer about it alone.

    Args:
        other: the packet.
        told: what the hub answered about its id. An answer with more rows than the packet has recipients is about
            something else, and says nothing.
        states: the rows.
    """
    copy_ids = {state.receiver_doc_id for state in told if is_match(other, state)} - {""}
    if len(told) > len(other.recipients) or not copy_ids:
        return ()
    return tuple(state for state in states if state.receiver_doc_id in copy_ids)


def leave_out(copies: Iterable[SentState], others: Collection[SentState]) -> tuple[SentState, ...]:
    """Leave out the rows that are another packet's."""
    return tuple(copy for copy in copies if copy not in others)


def take_earliest(finding: SentFinding) -> SentFinding:
    """Take the earliest of the rows that may be a status: statuses about one document leave in order.

    For a store that was restored and forgot the later ones. Rows without a time cannot be told apart.
    """
    if len(finding.copies) < 2 or finding.is_ambiguous:
        return finding
    timed = [(copy.sent_at, copy) for copy in finding.copies if copy.sent_at is not None]
    if len(timed) < len(finding.copies):
        return replace(finding, is_ambiguous=True)
    return replace(finding, copies=(min(timed, key=itemgetter(0))[1],))


def adjust_to_hub_clock(query: SentQuery, *, now: datetime, offset: timedelta) -> SentQuery:
    """Adjust a query where our clock was ahead when the message was stored: the hub's times are its own.

    Args:
        query: the packet, with our time. Where that lies ahead, nobody knows any more when it was stored.
        now: our time.
        offset: how far the hub's clock is from ours.
    """
    if query.not_before > now + CLOCK_TOLERANCE:
        return replace(query, not_before=now - _LONGEST_ASKED)
    return replace(query, not_before=min(query.not_before, now) + min(offset, timedelta(0)))


def is_match(query: SentQuery, state: SentState) -> bool:
    """Whether a row agrees with a packet in all that it says but ids."""
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
