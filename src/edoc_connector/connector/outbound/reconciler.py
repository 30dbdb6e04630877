"""Finding a packet of ours in the hub's answer to "what have I sent" (VXP interface, "Settling a send …")."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ...hubs import SentState

CLOCK_TOLERANCE = timedelta(minutes=10)


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


def with_hub_clock(query: SentQuery, *, now: datetime, offset: timedelta) -> SentQuery:
    """What is sought, where our clock may have been ahead when it was stored: the hub's times are its own.

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
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()
