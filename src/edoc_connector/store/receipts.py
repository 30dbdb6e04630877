"""Packets that come in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, select, update

from . import moves, schema
from .moves import Lease, Tx
from .records import ReceiptRow
from .states import RECEIPTS, ReceiptState

T = schema.receipts

EDOC = "edoc"
STATUS = "status"

# A packet in one of these is the one copy of its document that counts.
EFFECTIVE = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)


# A status in one of these was entered in the delivery it is about.
_ENTERED = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)

# Made once: every packet needs them.
_OURS = select(T).where(T.c.agency == bindparam("whose")).order_by(T.c.id.desc()).limit(1)
_BY_HUB = _OURS.where(T.c.hub_doc_id == bindparam("wanted"))
_EFFECTIVE = _OURS.where(T.c.document_id == bindparam("wanted"), T.c.message_type == EDOC, T.c.state.in_(EFFECTIVE))
_EFFECTIVE_OF = _EFFECTIVE.where(T.c.sender == bindparam("sender"))


def offered(
    tx: Tx, agency: str, hub_doc_id: str, message_type: str, *, sender: str = "", recipient: str = ""
) -> ReceiptRow:
    """The row of a packet that the hub offers; made, ``listed``, where it is new.

    Args:
        tx: the transaction.
        agency: to whom it is offered.
        hub_doc_id: the hub's id of it.
        message_type: `EDOC` or `STATUS`.
        sender: the sender that the hub announces.
        recipient: the recipients that the hub announces.
    """
    known = by_hub_doc_id(tx, agency, hub_doc_id)
    if known is not None:
        return known
    values = {"agency": agency, "hub_doc_id": hub_doc_id, "message_type": message_type}
    values |= {"offered_by": sender, "offered_to": recipient}
    unique = ("agency", "hub_doc_id")
    key = moves.started_once(tx, RECEIPTS, values, unique=unique, state=ReceiptState.LISTED)
    # Without a key, another worker listed it a moment ago.
    return by_key(tx, key) if key is not None else offered(tx, agency, hub_doc_id, message_type)


def by_key(tx: Tx, key: int) -> ReceiptRow:
    """The receipt with this key, which must exist."""
    return ReceiptRow.of(tx.connection.execute(moves.by_id(T), {"its_id": key}).mappings().one())


def by_hub_doc_id(tx: Tx, agency: str, hub_doc_id: str) -> ReceiptRow | None:
    """The receipt of a packet by the hub's id."""
    return _first(tx, _BY_HUB, whose=agency, wanted=hub_doc_id)


def effective(tx: Tx, agency: str, document_id: str, sender: str | None = None) -> ReceiptRow | None:
    """The copy of a document that counts: neither a duplicate nor set aside; of any sender, the newest."""
    if sender is None:
        return _first(tx, _EFFECTIVE, whose=agency, wanted=document_id)
    return _first(tx, _EFFECTIVE_OF, whose=agency, wanted=document_id, sender=sender)


def find(tx: Tx, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[ReceiptRow]:
    """An agency's receipts that meet the conditions, newest first."""
    query = moves.newest_first(T, agency, *where).limit(limit)
    return [ReceiptRow.of(row) for row in tx.connection.execute(query).mappings()]


def _first(tx: Tx, query: Select[Any], **values: str) -> ReceiptRow | None:
    found = tx.connection.execute(query, values).mappings().first()
    return None if found is None else ReceiptRow.of(found)


def move(tx: Tx, row: ReceiptRow, new: ReceiptState, *, detail: str = "", **values: Any) -> None:
    """Move a receipt as its holder; a stale holder is fenced off.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    moves.move(tx, RECEIPTS, row.id, old=row.state, new=new, token=row.fence, detail=detail, **values)


def claim(
    tx: Tx,
    lease: Lease,
    *,
    agency: str,
    state: ReceiptState,
    after: int = 0,
    key: int | None = None,
    due: bool = False,
    count: bool = False,
) -> ReceiptRow | None:
    """Take the next receipt in a state (`LISTED` to download it, `WAITING` to hand it out), or one of them.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        state: the state to look in.
        after: only rows with a greater key.
        key: only this row.
        due: only one whose next attempt is due.
        count: whether the attempt counts from now on, so that one which ends the process counts too.
    """
    where = T.c.id == key if key is not None else None
    rows = moves.claim(
        tx, RECEIPTS, lease, agency=agency, states=[state], where=where, due=due, after=after, count=count
    )
    return ReceiptRow.of(rows[0]) if rows else None


def claim_news(tx: Tx, lease: Lease, *, agency: str) -> ReceiptRow | None:
    """Take the next status that the application was not told of; statuses about one document come in their order.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
    """
    earlier = T.alias("earlier")
    same = and_(
        earlier.c.agency == T.c.agency,
        earlier.c.document_id == T.c.document_id,
        earlier.c.id < T.c.id,
        earlier.c.message_type == STATUS,
        earlier.c.state.in_(_ENTERED),
        earlier.c.noticed_at.is_(None),
    )
    # Only a confirmed one stays as it is while the application looks at it.
    where = and_(
        T.c.message_type == STATUS,
        T.c.noticed_at.is_(None),
        T.c.business.is_(None),
        ~exists().where(same),
    )
    states = [ReceiptState.CONFIRMED]
    rows = moves.claim(tx, RECEIPTS, lease, agency=agency, states=states, where=where, count=True)
    return ReceiptRow.of(rows[0]) if rows else None


def said(tx: Tx, row: ReceiptRow, *, detail: str, **values: Any) -> None:
    """Enter what was said about a receipt (status codes, requests) without moving it."""
    tx.connection.execute(update(T).where(T.c.id == row.id).values(updated_at=tx.now, **values))
    moves.record(tx, RECEIPTS, row.id, old=row.state, new=row.state, detail=detail)
