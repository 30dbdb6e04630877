"""Finding a packet of ours in the hub's answer to "what have I sent" (VXP interface, "Settling a send …")."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ...hubs import SentState

CLOCK_TOLERANCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """The packet that may have arrived.

    Args:
        document_id: its DocumentId; empty for a status.
        sender: our code.
        recipients: the codes it went to.
        code: number and notation.
        title: its subject; None where titles say nothing.
        since: it was not sent before, UTC.
    """

    document_id: str
    sender: str
    recipients: frozenset[str]
    code: str
    title: str | None
    since: datetime


def find(sought: Sought, states: Sequence[SentState], *, taken: Callable[[str], bool]) -> tuple[str | None, ...]:
    """Look for a packet among those the hub has of us.

    Hubs fill senderDocId with our DocumentId or with an id of their own. The first settles it; else the sender, a
    recipient, number and notation, title and time must all agree, and the hub's id must not be bound to another packet.

    Args:
        sought: the packet.
        states: the hub's answer.
        taken: whether a hub's id belongs to another packet of ours.

    Returns:
        The hub's ids of the packets that it may be, None standing for one that the hub does not tell: nothing, and the
        hub does not have it; one, and that is it; more, and they cannot be told apart.
    """
    if sought.document_id and any(state.sender_doc_id == sought.document_id for state in states):
        return (None,)
    near = {state.sender_doc_id for state in states if _agrees(sought, state)}
    return tuple(doc_id or None for doc_id in sorted(near) if not (doc_id and taken(doc_id)))


def by_the_hubs_clock(sought: Sought, *, now: datetime, offset: timedelta) -> Sought:
    """What is sought, where our clock may have been ahead when it was stored: the hub's times are its own.

    Args:
        sought: the packet, with our time.
        now: the hub's time, as far as it is known.
        offset: how far its clock is from ours.
    """
    return replace(sought, since=min(sought.since + min(offset, timedelta(0)), now))


def _agrees(sought: Sought, state: SentState) -> bool:
    return (
        state.sender == sought.sender
        and state.recipient in sought.recipients
        and any(_same(state.notation, written) for written in (sought.code, sought.code.partition("/")[2]))
        and (sought.title is None or _same(state.title, sought.title))
        and (state.sent_at is None or state.sent_at >= sought.since - CLOCK_TOLERANCE)
    )


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split()).casefold()
