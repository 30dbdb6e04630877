"""Documents in flight that were taken over from an older connector: their rows, in batches that can be undone.

Nothing is deleted: the rows of an undone batch stand under a code that is no agency's, with everything that came about
them, and come back when the batch is taken over again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from .._core import LONE_HUB, Text
from ._sql import TABLES, Row
from .deliveries import NewDelivery
from .log import get_identity_columns
from .recipients import TABLE as RECIPIENTS_TABLE
from .rows import EDOC, DeliveryRow, ReceiptRow, TableRow
from .state_machine import DELIVERIES, RECEIPTS, DeliveryState, ReceiptState, StateMachine
from .status_rules import is_not_further

if TYPE_CHECKING:
    from .transaction import Tx

BATCHES, DOCUMENTS = TABLES["import_batches"], TABLES["imported_documents"]
_MACHINES = {one.subject: one for one in (DELIVERIES, RECEIPTS)}
_CAUSE = Text("taken over from an older connector", "tiếp nhận từ phần mềm kết nối cũ")
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBatchRow(TableRow):
    """A batch of documents that were taken over together."""

    agency: str
    name: str
    created_at: datetime
    undone_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow(TableRow):
    """A document of a batch, and the row that was made of it."""

    batch_id: int
    subject: str
    subject_id: int
    register_number: str | None


def name_hidden(agency: str) -> str:
    """Name the code under which rows of an undone batch stand: no code of an agency begins so."""
    return f"~{agency}"[:64]


@dataclass(slots=True, eq=False)
class Imports:
    """Keeps what was taken over.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def find_batch(self, agency: str, name: str) -> ImportBatchRow | None:
        """Find a batch by its name."""
        query = select(BATCHES).where(BATCHES.c.agency == agency, BATCHES.c.name == name)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        return None if row is None else ImportBatchRow.from_row(row)

    def open_batch(self, agency: str, name: str) -> ImportBatchRow:
        """Find a batch, or begin one; one that was undone is in force again."""
        self._tx.advisory_lock(f"import {agency}")
        found = self.find_batch(agency, name)
        if found is None:
            values = {"agency": agency, "name": name, "created_at": self._tx.now}
            self._tx.connection.execute(insert(BATCHES).values(values))
        elif found.undone_at is not None:
            self._tx.connection.execute(update(BATCHES).where(BATCHES.c.id == found.id).values(undone_at=None))
        else:
            return found
        return self.open_batch(agency, name)

    def close_batch(self, batch: ImportBatchRow) -> None:
        """Note that a batch is undone."""
        self._tx.connection.execute(update(BATCHES).where(BATCHES.c.id == batch.id).values(undone_at=self._tx.now))

    def list_documents(self, batch: ImportBatchRow) -> list[ImportedRow]:
        """List the documents of a batch, in the order in which they came."""
        query = select(DOCUMENTS).where(DOCUMENTS.c.batch_id == batch.id).order_by(DOCUMENTS.c.id)
        return [ImportedRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def find(self, subject: str, subject_id: int) -> ImportedRow | None:
        """Find how a row came to be; None where it was not taken over."""
        query = select(DOCUMENTS).where(DOCUMENTS.c.subject == subject, DOCUMENTS.c.subject_id == subject_id)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        return None if row is None else ImportedRow.from_row(row)

    # -- rows

    def add_delivery(
        self,
        batch: ImportBatchRow,
        new: NewDelivery,
        *,
        hub_doc_id: str,
        sent_at: datetime,
        register_number: str | None,
    ) -> DeliveryRow:
        """Store a document that the older connector sent, as sent; it is never sent from here.

        Args:
            batch: its batch.
            new: the document; that its packet is not here is noted.
            hub_doc_id: the hub's id.
            sent_at: when the hub took it, UTC.
            register_number: its number in the register.
        """
        row = self._tx.deliveries.add(new)
        self._tx.audit_log.mark_pruned(agency=new.agency, spool_file=new.spool_file, sha256=new.sha256, at=self._tx.now)
        move = self._tx.transitions.move
        move(DELIVERIES, row.id, old=DeliveryState.READY, new=DeliveryState.SENDING, cause=_CAUSE)
        values: dict[str, Any] = {"hub_doc_id": hub_doc_id, "sent_at": sent_at}
        move(DELIVERIES, row.id, old=DeliveryState.SENDING, new=DeliveryState.SENT, cause=_CAUSE, **values)
        self._add_document(batch, DELIVERIES, row.id, register_number)
        return self._tx.deliveries.get_by_id(row.id)

    def add_receipt(
        self, batch: ImportBatchRow, values: Mapping[str, Any], *, hub: str, register_number: str | None
    ) -> ReceiptRow | None:
        """Store a document that the older connector received, as confirmed; None where the hub offered it here too.

        Args:
            batch: its batch.
            values: ``hub_doc_id``, ``sender``, ``document_id``, ``code``, ``subject``, ``issued_on``, ``last_code``.
            hub: name of the hub.
            register_number: its number in the register.
        """
        fixed = {"agency": batch.agency, "message_type": EDOC, "business": "new", "hub": hub, "was_admitted": True}
        inserted = self._tx.transitions.insert_row_once(
            RECEIPTS,
            {**fixed, **values, "noticed_at": self._tx.now},
            unique_columns=("agency", "hub_doc_id"),
            state=ReceiptState.LISTED,
            detail=_CAUSE,
        )
        if inserted is None:
            return None
        row = ReceiptRow.from_row(inserted)
        for state in (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED):
            row = self._tx.receipts.move(row, state)
        row = self._tx.receipts.move(row, ReceiptState.CONFIRMED, confirmed_at=self._tx.now)
        self._add_document(batch, RECEIPTS, row.id, register_number)
        return row

    def record_status(
        self, delivery: DeliveryRow, organ_id: str, code: str, *, reported_at: datetime | None, description: str | None
    ) -> bool:
        """Record a status that the older connector knows of; returns whether it is further than what is known here.

        Args:
            delivery: the document.
            organ_id: the recipient.
            code: the status code.
            reported_at: the recipient's own time, UTC.
            description: its words.
        """
        self._tx.recipients.lock(delivery.id)
        row = self._tx.recipients.find(delivery.id, organ_id)
        if row is None or row.last_code == code or is_not_further(row.last_code, code):
            return False
        values = {"last_code": code, "last_at": reported_at, "last_description": description, "authority": None}
        self._tx.connection.execute(update(RECIPIENTS_TABLE).where(RECIPIENTS_TABLE.c.id == row.id).values(values))
        self._tx.timeline.record_change(
            DELIVERIES,
            delivery.id,
            old=row.last_code,
            new=code,
            detail=_CAUSE,
            recipient=organ_id,
            stated_at=reported_at,
        )
        return True

    def record_receipt_status(self, row: ReceiptRow, code: str) -> bool:
        """Record a status that the older connector sent; returns whether it is further than what is known here."""
        if row.last_code == code or is_not_further(row.last_code, code):
            return False
        self._tx.receipts.record_note(row, detail=Text(f"{code}: {_CAUSE.en}", f"{code}: {_CAUSE.vi}"), last_code=code)
        return True

    def hide(self, batch: ImportBatchRow, document: ImportedRow) -> None:
        """Take a row out of its agency's sight, with everything about it."""
        machine = _MACHINES[document.subject]
        words = Text(f"the import {batch.name} was undone", f"đã hoàn tác lần tiếp nhận {batch.name}")
        self._note(machine, document.subject_id, words)
        columns = TABLES[machine.table_name].c
        query = select(*(columns[name] for name in get_identity_columns(machine.subject)))
        row: Row = self._tx.connection.execute(query.where(columns.id == document.subject_id)).mappings().one()
        # as it was: the log of the agency tells it
        self._tx.identities[machine.subject, document.subject_id] = row
        self._set_agency(machine, document.subject_id, name_hidden(batch.agency))

    def restore(self, batch: ImportBatchRow, document: ImportedRow) -> None:
        """Bring a row back that was taken out of sight, into a batch."""
        machine = _MACHINES[document.subject]
        self._set_agency(machine, document.subject_id, batch.agency)
        self._tx.identities.pop((machine.subject, document.subject_id), None)
        query = update(DOCUMENTS).where(DOCUMENTS.c.id == document.id)
        self._tx.connection.execute(query.values(batch_id=batch.id))
        self._note(machine, document.subject_id, _CAUSE)

    def _add_document(
        self, batch: ImportBatchRow, machine: StateMachine, row_id: int, register_number: str | None
    ) -> None:
        values = {"batch_id": batch.id, "subject": machine.subject, "subject_id": row_id}
        self._tx.connection.execute(insert(DOCUMENTS).values(values | {"register_number": register_number}))

    def _note(self, machine: StateMachine, row_id: int, words: Text) -> None:
        table = TABLES[machine.table_name]
        state = self._tx.connection.execute(select(table.c.state).where(table.c.id == row_id)).scalar_one()
        self._tx.timeline.record_change(machine, row_id, old=state, new=state, detail=words)

    def _set_agency(self, machine: StateMachine, row_id: int, agency: str) -> None:
        table = TABLES[machine.table_name]
        self._tx.connection.execute(update(table).where(table.c.id == row_id).values(agency=agency))
        if machine is DELIVERIES:
            columns = RECIPIENTS_TABLE.c
            query = update(RECIPIENTS_TABLE).where(columns.delivery_id == row_id)
            self._tx.connection.execute(query.values(agency=agency))


def build_imported_delivery(
    *,
    agency: str,
    document_id: str,
    code: str,
    subject: str,
    issued_on: date,
    recipients: tuple[tuple[str, str], ...],
    spool_file: str,
    fingerprint: str,
    hub: str = LONE_HUB,
) -> NewDelivery:
    """Build the delivery of a document whose packet the older connector has."""
    return NewDelivery(
        agency=agency,
        document_id=document_id,
        business="new",
        targets=(),
        code=code,
        subject=subject,
        issued_on=issued_on,
        spool_file=spool_file,
        sha256=_NO_HASH,
        size=0,
        fingerprint=fingerprint,
        recipients=recipients,
        hub=hub,
    )
