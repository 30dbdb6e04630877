"""Recalls of a document: who was asked already, and who is to be asked now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...edxml import Document, Organization, StaffInfo
from ...errors import NotFound, StoreError
from ...store import DeliveryRow, Tx
from .._context import ConnectorContext
from . import submission
from .changes import build_recall
from .correcting import is_correctable


@dataclass(frozen=True, slots=True)
class _RecallRound:
    """A recall of the document.

    Args:
        number: how many there were before it.
        row: its delivery.
        asked_ids: codes of its recipients.
        open_ids: codes of those who have not answered.
        is_refused: whether the hub refused it and never took it: a new one takes its place.
    """

    number: int
    row: DeliveryRow
    asked_ids: frozenset[str]
    open_ids: frozenset[str]
    is_refused: bool


def submit_recall(
    context: ConnectorContext,
    document_id: str,
    *,
    reason: str,
    recipients: Sequence[Organization] | None,
    staff: StaffInfo | None,
) -> submission.Submission:
    """The recall of a document: a new one, to those who are not asked already, or the one they have to answer.

    Raises:
        NotFound: no document was sent under that id, its packet is gone, or nobody is named.
        StatusNotAllowed: the document is not sent yet.
        EdocError: as for `dispatch.stored`.
    """
    if recipients is not None and not recipients:
        raise submission.build_no_recipient_error(document_id)
    with context.store.snapshot() as tx:
        target = submission.require_delivery(tx, context, document_id)
        submission.require_sent(target)
        rounds = _list_rounds(tx, context, document_id)
    if rounds and rounds[0].is_refused:
        original, round_number = submission.read_original(context, target), rounds[0].number
        packet = build_recall(original, reason=reason, round_number=round_number, recipients=recipients, staff=staff)
        return submission.submit(context, packet)
    open_rounds = [entry for entry in rounds if entry.open_ids]
    asked_ids = frozenset[str]().union(*(entry.asked_ids for entry in open_rounds))
    organizations = tuple(recipients or _select_all_recipients(context, target, are_some_asked=bool(open_rounds)))
    wanted_ids = frozenset(entry.id for entry in organizations) or asked_ids
    matching_round = next((entry for entry in open_rounds if entry.open_ids & wanted_ids), None)
    if matching_round is not None and wanted_ids <= asked_ids:
        return submission.resubmit(
            context, matching_round.row, lambda: _rebuild_recall(context, target, matching_round, reason, staff)
        )
    unasked = tuple(entry for entry in organizations if entry.id not in asked_ids)
    original = submission.read_original(context, target)
    packet = build_recall(
        original, reason=reason, round_number=len(rounds), recipients=unasked or organizations, staff=staff
    )
    return submission.submit(context, packet)


def _list_rounds(tx: Tx, context: ConnectorContext, document_id: str) -> list[_RecallRound]:
    """The recalls of a document, newest first."""
    rows = tx.deliveries.list_changes_to(context.agency, document_id, "recall")
    recipients_by_row = tx.deliveries.load_recipients([row.id for row in rows])
    return [
        _RecallRound(
            number=number,
            row=row,
            asked_ids=frozenset(recipient.organ_id for recipient in recipients_by_row[row.id]),
            open_ids=frozenset(recipient.organ_id for recipient in tx.deliveries.list_unanswered(row)),
            is_refused=is_correctable(tx, row),
        )
        for number, row in zip(reversed(range(len(rows))), rows, strict=True)
    ]


def _select_all_recipients(
    context: ConnectorContext, target: DeliveryRow, *, are_some_asked: bool
) -> tuple[Organization, ...]:
    """Who got a document; where some are asked already (`are_some_asked`), its packet may be gone: then it is those."""
    try:
        return submission.read_original(context, target).recipients
    except (NotFound, StoreError):
        if are_some_asked:
            return ()
        raise


def _rebuild_recall(
    context: ConnectorContext, target: DeliveryRow, recall_round: _RecallRound, reason: str, staff: StaffInfo | None
) -> Document:
    """A recall that was stored, and whose own packet is gone."""
    original = submission.read_original(context, target)
    recipients = [recipient for recipient in original.recipients if recipient.id in recall_round.asked_ids]
    recipients += [
        Organization(id=code, name=code)
        for code in sorted(recall_round.asked_ids - {recipient.id for recipient in recipients})
    ]
    return build_recall(original, reason=reason, round_number=recall_round.number, recipients=recipients, staff=staff)
