"""Packets that come in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select, update

from . import moves, schema
from .moves import Lease, Tx
from .records import ReceiptRow
from .states import RECEIPTS, ReceiptState

T = schema.receipts

EDOC = "edoc"
STATUS = "status"

# A packet in one of these is the one copy of its document that counts.
EFFECTIVE = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)


def offered(tx: Tx, agency: str, hub_doc_id: str, message_type: str) -> ReceiptRow:
    """The row of a packet that the hub offers; made, ``listed``, where it is new."""
    known = by_hub_doc_id(tx, agency, hub_doc_id)
    if known is not None:
        return known
    values = {"agency": agency, "hub_doc_id": hub_doc_id, "message_type": message_type}
    return by_key(tx, moves.started(tx, RECEIPTS, values, state=ReceiptState.LISTED))


def by_key(tx: Tx, key: int) -> ReceiptRow:
    """The receipt with this key, which must exist."""
    return ReceiptRow.of(tx.connection.execute(select(T).where(T.c.id == key)).mappings().one())


def by_hub_doc_id(tx: Tx, agency: str, hub_doc_id: str) -> ReceiptRow | None:
    """The receipt of a packet by the hub's id."""
    return next(iter(find(tx, agency, T.c.hub_doc_id == hub_doc_id)), None)


def effective(tx: Tx, agency: str, document_id: str, sender: str | None = None) -> ReceiptRow | None:
    """The copy of a document that counts: neither a duplicate nor set aside; of any sender, the newest."""
    where = [T.c.document_id == document_id, T.c.message_type == EDOC, T.c.state.in_(EFFECTIVE)]
    if sender is not None:
        where.append(T.c.sender == sender)
    return next(iter(find(tx, agency, *where)), None)


def find(tx: Tx, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[ReceiptRow]:
    """An agency's receipts that meet the conditions, newest first."""
    query = select(T).where(T.c.agency == agency, *where).order_by(T.c.id.desc()).limit(limit)
    return [ReceiptRow.of(row) for row in tx.connection.execute(query).mappings()]


def move(tx: Tx, row: ReceiptRow, new: ReceiptState, *, detail: str = "", **values: Any) -> None:
    """Move a receipt as its holder; a stale holder is fenced off.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    moves.move(tx, RECEIPTS, row.id, old=row.state, new=new, token=row.fence, detail=detail, **values)


def claim(
    tx: Tx, lease: Lease, *, agency: str, state: ReceiptState, after: int = 0, key: int | None = None
) -> ReceiptRow | None:
    """Take the next receipt in a state (`LISTED` to download it, `WAITING` to hand it out), or one of them.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        state: the state to look in.
        after: only rows with a greater key.
        key: only this row.
    """
    where = T.c.id == key if key is not None else None
    rows = moves.claim(tx, RECEIPTS, lease, agency=agency, states=[state], where=where, due=False, after=after)
    return ReceiptRow.of(rows[0]) if rows else None


def said(tx: Tx, row: ReceiptRow, *, detail: str, **values: Any) -> None:
    """Enter what was said about a receipt (status codes, requests) without moving it."""
    tx.connection.execute(update(T).where(T.c.id == row.id).values(updated_at=tx.now, **values))
    moves.record(tx, RECEIPTS, row.id, old=row.state, new=row.state, detail=detail)
