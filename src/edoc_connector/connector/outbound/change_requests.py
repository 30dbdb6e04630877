"""Recalls of a document: who was asked already, and who is to be asked now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...edxml import Document, Organization, StaffInfo
from ...errors import NotFound, StoreError
from ...store import Tx, deliveries
from ...store.rows import DeliveryRow
from .._context import Session
from . import submission
from .changes import recall_of
from .correcting import correctable


@dataclass(frozen=True, slots=True)
class _Round:
    """A recall of the document.

    Args:
        number: how many there were before it.
        row: its delivery.
        asked: codes of its recipients.
        open: codes of those who have not answered.
        refused: whether the hub refused it and never took it: a new one takes its place.
    """

    number: int
    row: DeliveryRow
    asked: frozenset[str]
    open: frozenset[str]
    refused: bool


def stored(
    session: Session,
    document_id: str,
    *,
    reason: str,
    recipients: Sequence[Organization] | None,
    staff: StaffInfo | None,
) -> submission.Stored:
    """The recall of a document: a new one, to those who are not asked already, or the one they have to answer.

    Raises:
        NotFound: no document was sent under that id, its packet is gone, or nobody is named.
        StatusNotAllowed: the document is not sent yet.
        EdocError: as for `dispatch.stored`.
    """
    if recipients is not None and not recipients:
        raise submission.nobody(document_id)
    with session.store.reading() as tx:
        target = submission.delivery_row(tx, session, document_id)
        submission.require_sent(target)
        rounds = _rounds(tx, session, document_id)
    if rounds and rounds[0].refused:
        original, again = submission.original_of(session, target), rounds[0].number
        packet = recall_of(original, reason=reason, round_=again, recipients=recipients, staff=staff)
        return submission.stored(session, packet)
    waiting = [one for one in rounds if one.open]
    asked = frozenset[str]().union(*(one.asked for one in waiting))
    to = tuple(recipients or _everybody(session, target, known=bool(waiting)))
    meant = frozenset(one.id for one in to) or asked
    same = next((one for one in waiting if one.open & meant), None)
    if same is not None and meant <= asked:
        return submission.again(session, same.row, lambda: _anew(session, target, same, reason, staff))
    missing = tuple(one for one in to if one.id not in asked)
    original = submission.original_of(session, target)
    packet = recall_of(original, reason=reason, round_=len(rounds), recipients=missing or to, staff=staff)
    return submission.stored(session, packet)


def _rounds(tx: Tx, session: Session, document_id: str) -> list[_Round]:
    """The recalls of a document, newest first."""
    rows = deliveries.changes_to(tx, session.agency, document_id, "recall")
    held = deliveries.recipients(tx, [row.id for row in rows])
    return [
        _Round(
            number=number,
            row=row,
            asked=frozenset(one.organ_id for one in held[row.id]),
            open=frozenset(one.organ_id for one in deliveries.unanswered(tx, row)),
            refused=correctable(tx, row),
        )
        for number, row in zip(reversed(range(len(rows))), rows, strict=True)
    ]


def _everybody(session: Session, target: DeliveryRow, *, known: bool) -> tuple[Organization, ...]:
    """Who got a document; where some are asked already (`known`), its packet may be gone: then it is those."""
    try:
        return submission.original_of(session, target).recipients
    except (NotFound, StoreError):
        if known:
            return ()
        raise


def _anew(session: Session, target: DeliveryRow, known: _Round, reason: str, staff: StaffInfo | None) -> Document:
    """A recall that was stored, and whose own packet is gone."""
    original = submission.original_of(session, target)
    to = [one for one in original.recipients if one.id in known.asked]
    to += [Organization(id=code, name=code) for code in sorted(known.asked - {one.id for one in to})]
    return recall_of(original, reason=reason, round_=known.number, recipients=to, staff=staff)
