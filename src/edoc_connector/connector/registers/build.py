"""Registers, built from the store; what only a packet says is read from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from ..._core import Text
from ...edxml import VIETNAM, Document, StatusCode, StatusMessage, read
from ...errors import AttachmentError, InvalidQuery, NotFound, PacketError, StoreError
from ...store import (
    STATUS,
    Change,
    DeliveryRow,
    DeliveryState,
    OutgoingRow,
    ReceiptRow,
    ReceiptState,
    RecipientRow,
    RegisterFilter,
    Tx,
    split_keys,
)
from .._change_rules import KIND_BY_TYPE, KIND_NAMES_VI
from .._context import ConnectorContext
from .entries import IncomingEntry, OutgoingEntry, Register, RegisterDirection

_KINDS = tuple(kind for business_type, kind in KIND_BY_TYPE.items() if business_type.name != "RECALL")
_ARRIVED = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)
_NO_REMARK = Text("", "")


def build_register(
    context: ConnectorContext,
    direction: RegisterDirection | str,
    *,
    since: datetime | None,
    until: datetime | None,
    text: str,
) -> Register[OutgoingEntry] | Register[IncomingEntry]:
    """Build the register of documents of some time: new ones, updates and replacements; no recalls, no statuses.

    Raises:
        InvalidQuery: there is no such register, or a time has no zone.
    """
    for bound in (since, until):
        if bound is not None and bound.utcoffset() is None:
            raise InvalidQuery(f"{bound} is no time with a time zone.", vi=f"{bound} không phải thời điểm có múi giờ.")
    wanted = RegisterFilter(since=since, until=until, text=text, kinds=_KINDS)
    if _parse_direction(direction) is RegisterDirection.OUTGOING:
        sent = tuple(_build_outgoing(context, wanted))
        return Register(direction=RegisterDirection.OUTGOING, agency=context.agency, entries=sent)
    received = tuple(_build_incoming(context, wanted))
    return Register(direction=RegisterDirection.INCOMING, agency=context.agency, entries=received)


def _parse_direction(direction: RegisterDirection | str) -> RegisterDirection:
    try:
        return RegisterDirection(direction)
    except ValueError:
        raise InvalidQuery(
            f"there is no register {direction!r}: ask for 'incoming' or 'outgoing'.",
            vi=f"Không có sổ {direction!r}: hãy chọn 'incoming' (đến) hoặc 'outgoing' (đi).",
        ) from None


# -- what went out


def _build_outgoing(context: ConnectorContext, wanted: RegisterFilter) -> Iterator[OutgoingEntry]:
    with context.store.snapshot() as tx:
        row_ids = tx.registers.find_sent(context.agency, wanted)[::-1]
        rows = {row.id: row for part in split_keys(row_ids) for row in tx.deliveries.find_all(context.agency, id=part)}
        recipients = tx.recipients.load(row_ids)
    for row_id in row_ids:
        row = rows[row_id]
        document = _read_document(context, row)
        yield OutgoingEntry(
            document_id=row.document_id,
            code=row.code,
            issued_on=row.issued_on,
            type_name=document.type_name if document is not None else "",
            subject=row.subject,
            signer=document.signer.full_name if document is not None else "",
            recipients=tuple(_name_recipient(one) for one in recipients[row_id]),
            copy_holder=_find_copy_holder(document),
            copies=document.copies if document is not None else None,
            remarks=_describe_sent(row, recipients[row_id]),
        )


def _name_recipient(row: RecipientRow) -> str:
    return f"{row.name} ({row.organ_id})" if row.name and row.name != row.organ_id else row.organ_id


def _find_copy_holder(document: Document | None) -> str:
    """Find who keeps a copy: the line ``Lưu: VT, HC`` of the places as printed."""
    places = document.to_places if document is not None else ()
    kept = (place.strip().lstrip("- ") for place in places)
    return "; ".join(place.partition(":")[2].strip(" .;") for place in kept if place.lower().startswith("lưu:"))


def _describe_sent(row: DeliveryRow, recipients: Sequence[RecipientRow]) -> Text:
    state = DeliveryState(row.state)
    remarks = [] if state is DeliveryState.SENT else [state.text]
    remarks += [_describe_kind(row.business)] if row.business != "new" else []
    for recipient in recipients:
        if recipient.change == Change.AGREED:
            remarks.append(Text(f"{recipient.organ_id}: withdrawn", f"{recipient.organ_id}: đã thu hồi"))
        elif recipient.last_code == StatusCode.REJECTED:
            name = StatusCode.REJECTED.text
            remarks.append(Text(f"{recipient.organ_id}: {name.en}", f"{recipient.organ_id}: {name.vi}"))
    return _join(remarks)


# -- what came in


def _build_incoming(context: ConnectorContext, wanted: RegisterFilter) -> Iterator[IncomingEntry]:
    with context.store.snapshot() as tx:
        arrived = RegisterFilter(
            since=wanted.since, until=wanted.until, text=wanted.text, kinds=wanted.kinds, states=_ARRIVED
        )
        row_ids = tx.registers.find_received(context.agency, arrived)[::-1]
        rows = {row.id: row for part in split_keys(row_ids) for row in tx.receipts.find_all(context.agency, id=part)}
        assignments = _load_assignments(tx, context.agency, row_ids)
        names = {
            code: one.name for code, one in tx.directory.load(context.agency, _list_senders(rows.values())).items()
        }
        numbers = _number_by_year(tx, context.agency, [rows[row_id] for row_id in row_ids])
    for row_id in row_ids:
        row = rows[row_id]
        document, sender = _read_document(context, row), row.sender or ""
        assignment = assignments.get(row_id)
        name = document.sender.name if document is not None else names.get(sender, "")
        yield IncomingEntry(
            document_id=row.document_id or row.hub_doc_id,
            received_at=row.created_at,
            number=numbers.get(row_id),
            author=f"{name} ({sender})" if name else sender,
            code=row.code or "",
            issued_on=row.issued_on,
            type_name=document.type_name if document is not None else "",
            subject=row.subject or "",
            unit=_read_words(assignment),
            passed_on_at=assignment.created_at if assignment is not None else None,
            signature="",
            remarks=_describe_received(row),
        )


def _list_senders(rows: Iterable[ReceiptRow]) -> set[str]:
    return {row.sender for row in rows if row.sender}


def _number_by_year(tx: Tx, agency: str, rows: Sequence[ReceiptRow]) -> dict[int, int]:
    """Find the arrival number of each document: its place among those that were entered in that year, Vietnam's."""
    if not rows:
        return {}
    first, last = rows[0].created_at.astimezone(VIETNAM).year, tx.now.astimezone(VIETNAM).year
    found: dict[int, int] = {}
    for year in range(first, last + 1):
        begin, end = (datetime(one, 1, 1, tzinfo=VIETNAM).astimezone(UTC) for one in (year, year + 1))
        accepted = tx.registers.number_accepted(agency, since=begin, until=end)
        found |= {row_id: number for row_id, (number, _) in accepted.items()}
    return found


def _load_assignments(tx: Tx, agency: str, row_ids: Sequence[int]) -> dict[int, OutgoingRow]:
    """Load the last assignment (04) that was told of each document."""
    found: dict[int, OutgoingRow] = {}
    for part in split_keys(row_ids):
        for row in tx.outgoing.find_all(agency, receipt_id=part, code=StatusCode.ASSIGNED.value, kind=STATUS):
            found.setdefault(row.receipt_id or 0, row)  # they come newest first
    return found


def _read_words(assignment: OutgoingRow | None) -> str:
    """Read to whom a document was assigned."""
    if assignment is None or assignment.message is None:
        return ""
    return StatusMessage.model_validate_json(assignment.message).description or ""


def _describe_received(row: ReceiptRow) -> Text:
    remarks = [_describe_kind(row.business or "new")] if row.business != "new" else []
    if row.change == Change.AGREED:
        remarks.append(Text("withdrawn", "đã thu hồi"))
    elif row.last_code in set(StatusCode) - {StatusCode.ARRIVED}:
        remarks.append(StatusCode(row.last_code).text)
    return _join(remarks)


# -- what both have


def _read_document(context: ConnectorContext, row: DeliveryRow | ReceiptRow) -> Document | None:
    """Read the document of a row; None where its packet was removed or cannot be read: the row says enough."""
    if row.spool_file is None or row.sha256 is None:
        return None
    try:
        file = context.store.require_packet(row.spool_file, row.sha256)
        message = read(file, limits=context.packet_limits).message
    except (NotFound, StoreError, PacketError, AttachmentError):
        return None
    return message if isinstance(message, Document) else None


def _describe_kind(kind: str) -> Text:
    return Text(kind, KIND_NAMES_VI.get(kind, kind))


def _join(remarks: Sequence[Text]) -> Text:
    return Text("; ".join(one.en for one in remarks), "; ".join(one.vi for one in remarks))
