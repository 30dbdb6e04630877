"""Takes documents in flight over from an older connector, as often as it is called, and undoes that."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..._core import get_logger
from ...edxml import StatusMessage, read
from ...errors import EdocError, InvalidQuery, NotFound
from ...store import (
    DELIVERIES,
    STATUS,
    DeliveryRow,
    ImportBatchRow,
    ImportedRow,
    OutgoingState,
    ReceiptRow,
    ReceiptState,
    Tx,
    build_imported_delivery,
    name_hidden,
)
from .._context import ConnectorContext
from .file import read_import_file
from .records import Imported, ImportState, ImportUndone, InFlight, InFlightRecipient

log = get_logger("edoc_connector.connector.takeover")

MAX_BATCH_NAME = 64
"""Longest name of a batch, in characters."""

_ENDS = frozenset({"02", "06", "15", "16"})
_REPEATED = ("04", "05")  # codes that one recipient may send again and again
_TAKEN_IN = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)


class _Tally:
    """What was done so far."""

    def __init__(self) -> None:
        self.added: list[str] = []
        self.updated: list[str] = []
        self.left: list[str] = []
        self.known: list[str] = []
        self.unchanged = 0
        self.adopted = 0


def import_documents(context: ConnectorContext, path: Path, *, batch: str) -> Imported:
    """Take the documents of a file over; those that are here already learn what the file knows more.

    Each document is taken over in one transaction: a call that was interrupted is finished by calling again.

    Raises:
        ImportFileError: lines of the file cannot be used; nothing was taken over.
        InvalidQuery: the batch cannot have that name.
        StoreError: the store cannot be written.
    """
    _require_name(batch)
    documents = read_import_file(path)
    tally = _Tally()
    for document in documents:
        if not document.is_at_hub:
            tally.left.append(document.document_id)
            continue
        with context.store.transaction() as tx:
            row = tx.imports.open_batch(context.agency, batch)
            if document.is_sent:
                _take_sent(tx, context, row, document, tally)
            else:
                _take_received(tx, context, row, document, tally)
    return Imported(
        batch=batch,
        added=tuple(tally.added),
        updated=tuple(tally.updated),
        unchanged=tally.unchanged,
        left=tuple(tally.left),
        known=tuple(tally.known),
        adopted=tally.adopted,
    )


def _take_sent(tx: Tx, context: ConnectorContext, batch: ImportBatchRow, document: InFlight, tally: _Tally) -> None:
    row = tx.deliveries.find_by_document_id(context.agency, document.document_id)
    if row is not None and tx.imports.find("delivery", row.id) is None:
        tally.known.append(document.document_id)
        return
    is_new = row is None
    if row is None:
        row = _restore_sent(tx, context, batch, document) or _add_sent(tx, context, batch, document)
    learnt = [_learn(tx, row, one) for one in document.recipients]
    if is_new:
        tally.added.append(document.document_id)
        tally.adopted += _adopt_statuses(tx, context, row)
    elif any(learnt):
        tally.updated.append(document.document_id)
    else:
        tally.unchanged += 1


def _add_sent(tx: Tx, context: ConnectorContext, batch: ImportBatchRow, document: InFlight) -> DeliveryRow:
    new = build_imported_delivery(
        agency=context.agency,
        document_id=document.document_id,
        code=document.code,
        subject=document.subject,
        issued_on=document.issued_on,
        recipients=tuple((one.organ_id, one.name) for one in document.recipients),
        spool_file=f"taken-over-{secrets.token_hex(16)}",
        fingerprint=hashlib.sha256(f"taken over {document.document_id}".encode()).hexdigest(),
        hub=context.hub_name,
    )
    return tx.imports.add_delivery(
        batch,
        new,
        hub_doc_id=document.hub_doc_id,
        sent_at=document.sent_at,
        register_number=document.register_number,
    )


def _restore_sent(tx: Tx, context: ConnectorContext, batch: ImportBatchRow, document: InFlight) -> DeliveryRow | None:
    hidden = tx.deliveries.find_by_document_id(name_hidden(context.agency), document.document_id)
    imported = None if hidden is None else tx.imports.find("delivery", hidden.id)
    if hidden is None or imported is None:
        return None
    tx.imports.restore(batch, imported)
    return tx.deliveries.get_by_id(hidden.id)


def _learn(tx: Tx, row: DeliveryRow, recipient: InFlightRecipient) -> bool:
    if recipient.status is None:
        return False
    return tx.imports.record_status(
        row,
        recipient.organ_id,
        recipient.status,
        reported_at=recipient.status_at,
        description=recipient.status_text,
    )


def _adopt_statuses(tx: Tx, context: ConnectorContext, delivery: DeliveryRow) -> int:
    """Enter the statuses about a document that came here while nobody knew it; returns how many."""
    rows = tx.receipts.find_all(context.agency, message_type=STATUS, document_id=delivery.document_id)
    entries = tx.timeline.load_timelines(DELIVERIES, [delivery.id])[delivery.id]
    told = {(one.recipient, one.new, one.stated_at) for one in entries}
    told |= {(one.recipient, one.new, None) for one in entries if one.new not in _REPEATED}
    adopted = 0
    for row in reversed(rows):
        message = _read_status(context, row)
        if message is None or not row.took_effect or row.state not in _TAKEN_IN:
            continue
        sender, code = message.sender.id, str(message.code)
        if told & {(sender, code, message.timestamp), (sender, code, None)}:
            continue  # the file told it, or it was entered when it came
        tx.recipients.record_status(
            delivery,
            sender,
            code,
            reported_at=message.timestamp,
            description=message.description,
            name=message.sender.name,
        )
        adopted += 1
    return adopted


def _read_status(context: ConnectorContext, row: ReceiptRow) -> StatusMessage | None:
    if row.spool_file is None or row.sha256 is None:
        return None
    try:
        message = read(context.store.require_packet(row.spool_file, row.sha256)).message
    except EdocError as error:
        log.warning("docId %s: a status that came before its document cannot be read: %s", row.hub_doc_id, error)
        return None
    return message if isinstance(message, StatusMessage) else None


def _take_received(tx: Tx, context: ConnectorContext, batch: ImportBatchRow, document: InFlight, tally: _Tally) -> None:
    row = tx.receipts.find_effective(context.agency, document.document_id, document.sender)
    if row is not None and tx.imports.find("receipt", row.id) is None:
        tally.known.append(document.document_id)
        return
    if row is not None:
        if document.status is not None and tx.imports.record_receipt_status(row, document.status):
            tally.updated.append(document.document_id)
        else:
            tally.unchanged += 1
        return
    row = _restore_received(tx, context, batch, document)
    if row is not None:
        if document.status is not None:
            tx.imports.record_receipt_status(row, document.status)
        tally.added.append(document.document_id)
        return
    values = {
        "hub_doc_id": document.hub_doc_id,
        "sender": document.sender,
        "document_id": document.document_id,
        "code": document.code,
        "subject": document.subject,
        "issued_on": document.issued_on,
        "last_code": document.status,
    }
    added = tx.imports.add_receipt(batch, values, hub=context.hub_name, register_number=document.register_number)
    (tally.added if added is not None else tally.known).append(document.document_id)


def _restore_received(
    tx: Tx, context: ConnectorContext, batch: ImportBatchRow, document: InFlight
) -> ReceiptRow | None:
    hidden = tx.receipts.find_effective(name_hidden(context.agency), document.document_id, document.sender)
    imported = None if hidden is None else tx.imports.find("receipt", hidden.id)
    if hidden is None or imported is None or tx.receipts.find_by_hub_doc_id(context.agency, document.hub_doc_id):
        return None
    tx.imports.restore(batch, imported)
    return tx.receipts.get_by_id(hidden.id)


# -- where a batch stands, and undoing it


def find_import(context: ConnectorContext, batch: str) -> ImportState:
    """Find where a batch stands.

    Raises:
        NotFound: there is none of that name.
    """
    with context.store.snapshot() as tx:
        row = _require_batch(tx, context, batch)
        documents = _load(tx, _list_in_force(tx, context, row))
    return ImportState(
        batch=batch,
        created_at=row.created_at,
        undone_at=row.undone_at,
        documents=len(documents),
        open=tuple(one.document_id for one in documents if _is_open(one)),
    )


def undo_import(context: ConnectorContext, batch: str) -> ImportUndone:
    """Take the documents of a batch out of the agency's sight again, and tell how they stand.

    Raises:
        NotFound: there is none of that name.
        StoreError: the store cannot be written.
    """
    with context.store.transaction() as tx:
        row = _require_batch(tx, context, batch)
        documents = _list_in_force(tx, context, row)
        kept: list[ImportedRow] = []
        gone: list[ImportedRow] = []
        for one in documents:
            (kept if _has_unfinished_work(tx, context, one) else gone).append(one)
        described = _load(tx, gone)
        names = _load(tx, kept)
        for one in gone:
            tx.imports.hide(row, one)
        if row.undone_at is None and not kept:
            tx.imports.close_batch(row)
    return ImportUndone(batch=batch, documents=tuple(described), kept=tuple(one.document_id for one in names))


def _require_batch(tx: Tx, context: ConnectorContext, name: str) -> ImportBatchRow:
    row = tx.imports.find_batch(context.agency, name)
    if row is None:
        raise NotFound(
            f"there is no import {name}: give the name that `edoc import` printed.",
            vi=f"Không có lần tiếp nhận {name}: hãy ghi tên mà lệnh `edoc import` đã in ra.",
        )
    return row


def _list_in_force(tx: Tx, context: ConnectorContext, batch: ImportBatchRow) -> list[ImportedRow]:
    """List the documents of a batch that are in the agency's sight."""
    return [one for one in tx.imports.list_documents(batch) if _get_agency(tx, one) == context.agency]


def _get_agency(tx: Tx, document: ImportedRow) -> str:
    rows = tx.deliveries if document.subject == "delivery" else tx.receipts
    return rows.get_by_id(document.subject_id).agency


def _has_unfinished_work(tx: Tx, context: ConnectorContext, document: ImportedRow) -> bool:
    """Whether something about a document is still to be sent from here, or asks somebody for it."""
    key = {"delivery_id" if document.subject == "delivery" else "receipt_id": document.subject_id}
    waiting = tx.outgoing.find_all(context.agency, **key)
    if any(one.state not in (OutgoingState.SENT, OutgoingState.FAILED) for one in waiting):
        return True
    if document.subject != "delivery":
        return False
    row = tx.deliveries.get_by_id(document.subject_id)
    return bool(tx.deliveries.list_changes_to(context.agency, row.document_id))


def _load(tx: Tx, documents: Sequence[ImportedRow]) -> list[InFlight]:
    return [_load_sent(tx, one) if one.subject == "delivery" else _load_received(tx, one) for one in documents]


def _load_sent(tx: Tx, document: ImportedRow) -> InFlight:
    row = tx.deliveries.get_by_id(document.subject_id)
    recipients = tuple(
        InFlightRecipient(
            organ_id=one.organ_id,
            name=one.name,
            status=one.last_code,
            status_at=one.last_at,
            status_text=one.last_description,
        )
        for one in tx.recipients.load([row.id])[row.id]
    )
    return InFlight(
        is_sent=True,
        document_id=row.document_id,
        hub_doc_id=row.hub_doc_id or "",
        code=row.code,
        subject=row.subject,
        issued_on=row.issued_on,
        is_at_hub=True,
        sent_at=row.sent_at or row.created_at,
        sender="",
        status=None,
        recipients=recipients,
        register_number=document.register_number,
    )


def _load_received(tx: Tx, document: ImportedRow) -> InFlight:
    row = tx.receipts.get_by_id(document.subject_id)
    return InFlight(
        is_sent=False,
        document_id=row.document_id or "",
        hub_doc_id=row.hub_doc_id,
        code=row.code or "",
        subject=row.subject or "",
        issued_on=row.issued_on or row.created_at.date(),
        is_at_hub=True,
        sent_at=row.created_at,
        sender=row.sender or "",
        status=row.last_code,
        recipients=(),
        register_number=document.register_number,
    )


def _is_open(document: InFlight) -> bool:
    if document.is_sent:
        return any(one.status not in _ENDS for one in document.recipients)
    return document.status not in _ENDS


def _require_name(batch: str) -> None:
    if not 0 < len(batch) <= MAX_BATCH_NAME or not batch.isprintable() or batch != batch.strip():
        raise InvalidQuery(
            f"a batch has a name of 1 to {MAX_BATCH_NAME} characters in one line, without spaces around it.",
            vi=f"Tên lần tiếp nhận có từ 1 đến {MAX_BATCH_NAME} ký tự trên một dòng, không có khoảng trắng ở hai đầu.",
        )


def name_batch(at: datetime) -> str:
    """Name a batch after the time at which it is begun."""
    return f"import-{at:%Y%m%d-%H%M%S}"
