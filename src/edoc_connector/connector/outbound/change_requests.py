"""Requests about a document of ours that was sent: recall, update, replace it, or take it back.

Recalls, updates and replacements are packets of their own (BussinessDocType 1 to 3), built here and stored by
`submit`; a request to take a document back is a status (13) to each recipient.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from ...edxml import (
    SEAL_NAME,
    Business,
    BusinessType,
    Document,
    Organization,
    ReceiverChange,
    Replacement,
    ResponseFor,
    StaffInfo,
    StatusCode,
    StatusMessage,
)
from ...errors import NotFound, StoreError
from ...store import TAKE_BACK_CODE, DeliveryRow, Tx, can_take_back, require_take_back
from .._change_rules import KIND_BY_TYPE
from .._context import ConnectorContext
from .._fingerprint import compute_earlier_fingerprint
from ..agencies import replace_with_heirs
from .packet_builder import check_message
from .submission import (
    Submission,
    has_lost_packet,
    is_correctable,
    read_original,
    rebuild,
    require_sent,
    resubmit,
    submit,
)

# Ids of change packets follow from what they change, so that the same call made twice is one delivery.
_CHANGE_ID_NAMESPACE = UUID("6f4c1f1e-6a55-5d0c-9f0e-2d1d3f6a7b10")


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
    queue: bool = False,
) -> Submission:
    """Store the recall of a document: a new one, to those who are not asked already, or the one they have to answer.

    Raises:
        NotFound: no document was sent under that id, its packet is gone, or nobody is named.
        StatusNotAllowed: the document is not sent yet.
        EdocError: as for `submit`.
    """
    if recipients is not None and not recipients:
        raise _build_no_recipient_error(document_id)
    with context.store.snapshot() as tx:
        target = require_sent(tx, context, document_id)
        rounds = _list_rounds(tx, context, document_id)
    if rounds and rounds[0].is_refused:
        original, round_number = read_original(context, target), rounds[0].number
        recipients = recipients or _select_everybody(context, target, frozenset())
        packet = build_recall(original, reason=reason, round_number=round_number, recipients=recipients, staff=staff)
        return submit(context, _attach_if_needed(context, packet, original), queue=queue)
    open_rounds = [entry for entry in rounds if entry.open_ids]
    asked_ids = frozenset[str]().union(*(entry.asked_ids for entry in open_rounds))
    organizations = tuple(recipients or _select_everybody(context, target, asked_ids))
    wanted_ids = frozenset(entry.id for entry in organizations) or asked_ids
    matching_round = next((entry for entry in open_rounds if entry.open_ids & wanted_ids), None)
    if matching_round is not None and wanted_ids <= asked_ids:
        if not has_lost_packet(context, matching_round.row):
            return resubmit(context, matching_round.row)
        packet = _rebuild_recall(context, target, matching_round, reason, staff)
        return rebuild(context, matching_round.row, packet)
    unasked = tuple(entry for entry in organizations if entry.id not in asked_ids)
    original = read_original(context, target)
    packet = build_recall(
        original, reason=reason, round_number=len(rounds), recipients=unasked or organizations, staff=staff
    )
    return submit(context, _attach_if_needed(context, packet, original), queue=queue)


def submit_update(
    context: ConnectorContext,
    document: Document,
    *,
    document_id: str,
    reason: str,
    content_changed: bool,
    receivers: Sequence[ReceiverChange],
    staff: StaffInfo | None,
    use_successors: bool = False,
    queue: bool = False,
) -> Submission:
    """Store a document as it is now as the update of one that was sent; arguments as of `build_update` and `submit`.

    Raises:
        NotFound: no document was sent under that id.
        StatusNotAllowed: the document is not sent yet.
        EdocError: as for `submit`.
    """
    with context.store.snapshot() as tx:
        require_sent(tx, context, document_id)
    packet = build_update(
        document,
        document_id=document_id,
        reason=reason,
        content_changed=content_changed,
        receivers=receivers,
        staff=staff,
    )
    return submit(context, packet, use_successors=use_successors, queue=queue)


def submit_replacement(
    context: ConnectorContext,
    document: Document,
    *,
    replaces: Sequence[str | Replacement],
    reason: str,
    staff: StaffInfo | None,
    use_successors: bool = False,
    queue: bool = False,
) -> Submission:
    """Store a document that replaces others.

    Args:
        context: the store.
        document: the new document.
        replaces: the documents it replaces; the holders of one that is named by its id are looked up.
        reason: why.
        staff: the officer in charge.
        use_successors: as of `submit`.
        queue: as of `submit`.

    Raises:
        NotFound: no document was sent under such an id.
        StatusNotAllowed: a document is not sent yet.
        EdocError: as for `submit`.
    """
    with context.store.snapshot() as tx:
        replacements = [
            item if isinstance(item, Replacement) else _find_holders(tx, context, item) for item in replaces
        ]
    packet = build_replacement(document, replaces=replacements, reason=reason, staff=staff)
    return submit(context, packet, use_successors=use_successors, queue=queue)


def _find_holders(tx: Tx, context: ConnectorContext, document_id: str) -> Replacement:
    row = require_sent(tx, context, document_id)
    recipients = tx.recipients.load([row.id])[row.id]
    return Replacement(document_id=document_id, organ_ids=tuple(recipient.organ_id for recipient in recipients))


def _list_rounds(tx: Tx, context: ConnectorContext, document_id: str) -> list[_RecallRound]:
    """List the recalls of a document, newest first."""
    rows = tx.deliveries.list_changes_to(context.agency, document_id, KIND_BY_TYPE[BusinessType.RECALL])
    recipients_by_row = tx.recipients.load([row.id for row in rows])
    return [
        _RecallRound(
            number=number,
            row=row,
            asked_ids=frozenset(recipient.organ_id for recipient in recipients_by_row[row.id]),
            open_ids=frozenset(recipient.organ_id for recipient in tx.recipients.list_unanswered(row)),
            is_refused=is_correctable(tx, row),
        )
        for number, row in zip(reversed(range(len(rows))), rows, strict=True)
    ]


def _select_everybody(
    context: ConnectorContext, target: DeliveryRow, asked_ids: frozenset[str]
) -> tuple[Organization, ...]:
    """Select everybody who got a document, or has its place now; none where its packet is gone and some are asked.

    Who is asked already under the code of before has to answer that.
    """
    try:
        everybody = read_original(context, target).recipients
    except (NotFound, StoreError):
        if asked_ids:
            return ()
        raise
    unasked = [entry for entry in everybody if entry.id not in asked_ids]
    return (*(entry for entry in everybody if entry.id in asked_ids), *replace_with_heirs(context, unasked))


def _rebuild_recall(
    context: ConnectorContext, target: DeliveryRow, recall_round: _RecallRound, reason: str, staff: StaffInfo | None
) -> Document:
    """Build a recall that was stored, and whose own packet is gone, once more."""
    original = read_original(context, target)
    recipients = [recipient for recipient in original.recipients if recipient.id in recall_round.asked_ids]
    recipients += [
        Organization(id=code, name=code)
        for code in sorted(recall_round.asked_ids - {recipient.id for recipient in recipients})
    ]
    packet = build_recall(original, reason=reason, round_number=recall_round.number, recipients=recipients, staff=staff)
    return _attach_if_needed(context, packet, original)


def _attach_if_needed(context: ConnectorContext, packet: Document, original: Document) -> Document:
    """Attach the first file of the document to its recall, for a hub that forwards nothing without an attachment."""
    if not context.packet_profile.needs_attachment:
        return packet
    files = tuple(one for one in original.attachments if one.name != SEAL_NAME)
    return packet.model_copy(update={"attachments": files[:1]})


# -- packets


def build_recall(
    original: Document,
    *,
    reason: str,
    round_number: int,
    recipients: Sequence[Organization] | None = None,
    staff: StaffInfo | None = None,
) -> Document:
    """Build a packet that recalls a document (BussinessDocType 1).

    Args:
        original: the document.
        reason: why.
        round_number: how many recalls of it were answered before.
        recipients: whom to ask; everybody who got it where they are left out.
        staff: the officer in charge.
    """
    business = Business(type=BusinessType.RECALL, document_id=original.id, reason=reason, staff=staff)
    return original.model_copy(
        update={
            "id": _derive_id(KIND_BY_TYPE[BusinessType.RECALL], original.id, str(round_number)),
            "business": business,
            "recipients": tuple(recipients or original.recipients),
            "trace": (),
            "attachments": (),
        }
    )


def build_update(
    document: Document,
    *,
    document_id: str,
    reason: str,
    content_changed: bool,
    receivers: Sequence[ReceiverChange],
    staff: StaffInfo | None = None,
) -> Document:
    """Build a packet that updates a document (BussinessDocType 2).

    Args:
        document: the document as it is now.
        document_id: the one it updates.
        reason: why.
        content_changed: whether the content changed.
        receivers: recipients added and removed.
        staff: the officer in charge.
    """
    business = Business(
        type=BusinessType.UPDATE,
        document_id=document_id,
        reason=reason,
        content_changed=content_changed,
        receivers_changed=bool(receivers),
        receivers=tuple(receivers),
        staff=staff,
    )
    return _with_business(document, business, taken_ids={document_id})


def build_replacement(
    document: Document, *, replaces: Sequence[Replacement], reason: str, staff: StaffInfo | None = None
) -> Document:
    """Build a packet that replaces documents (BussinessDocType 3).

    Args:
        document: the new document.
        replaces: the documents it replaces, and who held them.
        reason: why.
        staff: the officer in charge.
    """
    business = Business(type=BusinessType.REPLACE, reason=reason, replaces=tuple(replaces), staff=staff)
    return _with_business(document, business, taken_ids={replacement.document_id for replacement in replaces})


def _with_business(document: Document, business: Business, *, taken_ids: set[str]) -> Document:
    """Add its request to a document; with an id of its own where it has the one of the document it acts on."""
    request = document.model_copy(update={"business": business})
    if document.id not in taken_ids:
        return request
    fingerprint = compute_earlier_fingerprint(request)  # asked again after an upgrade it is the same request
    return request.model_copy(update={"id": _derive_id(str(business.type), document.id, fingerprint)})


def _derive_id(*parts: str) -> str:
    return str(uuid5(_CHANGE_ID_NAMESPACE, "\n".join(parts)))


# -- taking back


def request_take_back(
    context: ConnectorContext,
    document_id: str,
    *,
    organ_ids: Collection[str] | None,
    reason: str,
    staff: StaffInfo | None,
) -> None:
    """Queue a request to each recipient to give a document back (lấy lại; status 13).

    Args:
        context: who we are.
        document_id: the document.
        organ_ids: the recipients to ask; where they are left out, all who may still be asked.
        reason: why.
        staff: the officer.

    Raises:
        NotFound: there is no such delivery, a code is none of its recipients, or none is named.
        StatusNotAllowed: a recipient cannot be asked any more, or none can.
        DocumentError: the reason is missing.
    """
    with context.store.transaction(staff.staff if staff is not None else None) as tx:
        row = require_sent(tx, context, document_id)
        tx.recipients.lock(row.id)
        message = _build_take_back(context, row, reason, staff, at=tx.now)
        check_message(context, message, at=tx.now)
        asked_ids = _select_asked_ids(tx, row, organ_ids)
        for organ_id in asked_ids:
            text = message.model_dump_json()
            tx.outgoing.enqueue_status(
                agency=row.agency,
                code=TAKE_BACK_CODE,
                recipient=organ_id,
                message=text,
                delivery_id=row.id,
                hub=context.hub_name,
            )
        tx.recipients.record_request(row, asked_ids, request=TAKE_BACK_CODE, detail=reason)


def _build_take_back(
    context: ConnectorContext, row: DeliveryRow, reason: str, staff: StaffInfo | None, *, at: datetime
) -> StatusMessage:
    response_for = ResponseFor(organ_id=row.agency, code=row.code, document_id=row.document_id, issued_on=row.issued_on)
    return StatusMessage(
        sender=context.organization,
        response_for=response_for,
        code=StatusCode.TAKE_BACK,
        description=reason,
        timestamp=at.replace(microsecond=0),
        staff=staff,
    )


def _select_asked_ids(tx: Tx, row: DeliveryRow, organ_ids: Collection[str] | None) -> list[str]:
    if organ_ids is not None and not organ_ids:
        raise _build_no_recipient_error(row.document_id)
    recipients_by_id = {recipient.organ_id: recipient for recipient in tx.recipients.load([row.id])[row.id]}
    unknown_ids = sorted(set(organ_ids or ()) - set(recipients_by_id))
    if unknown_ids:
        raise NotFound(
            f"{unknown_ids[0]} is no recipient of {row.document_id}; its recipients are {', '.join(recipients_by_id)}.",
            vi=f"{unknown_ids[0]} không phải nơi nhận của {row.document_id}; các nơi nhận: "
            f"{', '.join(recipients_by_id)}.",
        )
    chosen_recipients = (
        [recipients_by_id[organ_id] for organ_id in dict.fromkeys(organ_ids)]
        if organ_ids is not None
        else list(recipients_by_id.values())
    )
    askable_recipients = [
        recipient for recipient in chosen_recipients if can_take_back(recipient.last_code, change=recipient.change)
    ]
    for recipient in chosen_recipients if organ_ids is not None or not askable_recipients else askable_recipients:
        require_take_back(recipient.organ_id, recipient.last_code, change=recipient.change)
    return [recipient.organ_id for recipient in askable_recipients]


def _build_no_recipient_error(document_id: str) -> NotFound:
    return NotFound(
        f"no recipient of {document_id} was named: name some, or leave recipients out to ask everybody.",
        vi=f"Chưa nêu nơi nhận nào của {document_id}: hãy nêu nơi nhận, hoặc bỏ tham số recipients để hỏi tất cả.",
    )
