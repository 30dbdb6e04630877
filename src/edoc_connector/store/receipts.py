"""Packets that come in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, or_, select, update

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


def by_hub_doc_ids(tx: Tx, agency: str, hub_doc_ids: Collection[str]) -> dict[str, ReceiptRow]:
    """The receipts of some packets, by the hub's ids; those that are not here are left out."""
    found = find(tx, agency, T.c.hub_doc_id.in_(sorted(set(hub_doc_ids))))
    return {row.hub_doc_id: row for row in found}


def effective(tx: Tx, agency: str, document_id: str, sender: str | None = None) -> ReceiptRow | None:
    """The copy of a document that counts: neither a duplicate nor set aside; of any sender, the newest."""
    if sender is None:
        return _first(tx, _EFFECTIVE, whose=agency, wanted=document_id)
    return _first(tx, _EFFECTIVE_OF, whose=agency, wanted=document_id, sender=sender)


def known(tx: Tx, agency: str, name: str) -> ReceiptRow | None:
    """A document by its DocumentId, else any packet by the hub's id, else a document set aside, whose id is a claim."""
    found = effective(tx, agency, name) or by_hub_doc_id(tx, agency, name)
    aside = [T.c.document_id == name, T.c.message_type == EDOC]
    return found or next(iter(find(tx, agency, *aside, limit=1)), None)


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


def waiting_keys(tx: Tx, agency: str, *, after: int, below: int | None, limit: int) -> list[int]:
    """The keys of packets that wait for the application, in order.

    Args:
        tx: the transaction.
        agency: whose receipts.
        after: only greater keys.
        below: only lesser keys.
        limit: at most so many.
    """
    where = [T.c.agency == agency, T.c.state == ReceiptState.WAITING, T.c.id > after]
    if below is not None:
        where.append(T.c.id < below)
    return list(tx.connection.execute(select(T.c.id).where(*where).order_by(T.c.id).limit(limit)).scalars())


def claim_listed(tx: Tx, lease: Lease, *, agency: str, keys: Collection[int]) -> list[ReceiptRow]:
    """Take some packets that wait to be downloaded, in one go; the attempt counts from now on.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        keys: the rows; those that another worker is at, or that are not `LISTED` any more, are left out.

    Returns:
        The rows that are held now, by key.
    """
    free = or_(T.c.lease_until.is_(None), T.c.lease_until <= tx.now)
    wanted = [T.c.agency == agency, T.c.state == ReceiptState.LISTED, free]
    query = select(T.c.id).where(T.c.id.in_(sorted(keys)), *wanted).order_by(T.c.id)
    found = tx.connection.execute(query.with_for_update(skip_locked=True)).scalars().all()
    if not found:
        return []
    until = tx.now + timedelta(seconds=lease.seconds)
    values = {"lease_owner": lease.owner, "lease_until": until, "updated_at": tx.now}
    counted = {"fence": T.c.fence + 1, "attempts": T.c.attempts + 1}
    taken = update(T).where(T.c.id.in_(found), *wanted).values(values | counted).returning(T)
    rows = [ReceiptRow.of(row) for row in tx.connection.execute(taken).mappings()]
    return sorted(rows, key=lambda row: row.id)


def let_go(tx: Tx, lease: Lease, keys: Collection[int]) -> None:
    """Give back packets that `claim_listed` took and that were not asked for: the attempt did not happen.

    Args:
        tx: the transaction.
        lease: the worker.
        keys: the rows; those that it does not hold any more stay as they are.
    """
    ours = [T.c.id.in_(sorted(keys)), T.c.state == ReceiptState.LISTED, T.c.lease_owner == lease.owner]
    values = {"lease_owner": None, "lease_until": None, "attempts": T.c.attempts - 1}
    tx.connection.execute(update(T).where(*ours, T.c.attempts > 0).values(values))


def turn() -> ColumnElement[bool]:
    """That a packet may be downloaded.

    A status is taken in after what its sender offered before it: 01 before 03, a document before its taking back.
    """
    earlier = T.alias("earlier")
    before = and_(
        earlier.c.agency == T.c.agency,
        earlier.c.state == ReceiptState.LISTED,
        earlier.c.offered_by == T.c.offered_by,
        earlier.c.id < T.c.id,
    )
    return or_(T.c.message_type == EDOC, ~exists().where(before))


def untold() -> ColumnElement[bool]:
    """That a status is one for the application, and the first about its document that it was not told of."""
    earlier = T.alias("earlier")
    same = and_(
        earlier.c.agency == T.c.agency,
        earlier.c.document_id == T.c.document_id,
        earlier.c.id < T.c.id,
        earlier.c.message_type == STATUS,
        earlier.c.state.in_(_ENTERED),
        earlier.c.noticed_at.is_(None),
    )
    mine = (T.c.message_type == STATUS, T.c.noticed_at.is_(None), T.c.business.is_(None))
    return and_(*mine, ~exists().where(same))


def claim_news(tx: Tx, lease: Lease, *, agency: str, key: int | None = None) -> ReceiptRow | None:
    """Take the next status that the application was not told of; statuses about one document come in their order.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        key: only this row.
    """
    where = and_(untold(), *([T.c.id == key] if key is not None else []))
    states = [ReceiptState.CONFIRMED]  # only a confirmed one stays as it is while the application looks at it
    rows = moves.claim(tx, RECEIPTS, lease, agency=agency, states=states, where=where, count=True)
    return ReceiptRow.of(rows[0]) if rows else None


def said(tx: Tx, row: ReceiptRow, *, detail: str, **values: Any) -> None:
    """Enter what was said about a receipt (status codes, requests) without moving it."""
    tx.connection.execute(update(T).where(T.c.id == row.id).values(updated_at=tx.now, **values))
    moves.record(tx, RECEIPTS, row.id, old=row.state, new=row.state, detail=detail)
