"""Confirmations and status packets, queued in the transaction of the change that they report."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select, update

from . import moves, schema
from .moves import Lease, Tx
from .records import OutgoingRow, ReceiptRow
from .states import OUTGOING, OutgoingState

T = schema.outgoing

CONFIRM = "confirm"
STATUS = "status"
DONE = "done"
FAIL = "fail"

_PENDING = (OutgoingState.READY, OutgoingState.SENDING, OutgoingState.UNKNOWN)


def confirm(tx: Tx, receipt: ReceiptRow, outcome: str) -> None:
    """Queue the confirmation of a packet, ``done`` or ``fail``; queue it again if the hub offers the packet again."""
    lane = _confirm_lane(receipt)
    moves.alone(tx, lane)
    known = next(iter(find(tx, receipt.agency, T.c.lane == lane, T.c.code == outcome)), None)
    if known is None:
        values = {"agency": receipt.agency, "kind": CONFIRM, "lane": lane, "receipt_id": receipt.id}
        values |= {"code": outcome, "hub_doc_id": receipt.hub_doc_id}
        moves.started(tx, OUTGOING, values, state=OutgoingState.READY)
    elif known.state in {OutgoingState.SENT, OutgoingState.FAILED}:
        move(tx, known, OutgoingState.READY, next_attempt_at=tx.now)


def was_queued(tx: Tx, receipt: ReceiptRow, outcome: str) -> bool:
    """Whether a confirmation was ever queued for a packet."""
    same = [T.c.lane == _confirm_lane(receipt), T.c.code == outcome]
    return bool(find(tx, receipt.agency, *same, limit=1))


def status(
    tx: Tx,
    *,
    agency: str,
    code: str,
    recipient: str,
    message: str,
    receipt_id: int | None = None,
    delivery_id: int | None = None,
) -> OutgoingRow:
    """Queue a status packet.

    Args:
        tx: the transaction.
        agency: who says it.
        code: the status code.
        recipient: code of the organisation that it goes to.
        message: the status message as JSON; the packet is built of it when it is first sent.
        receipt_id: the receipt it is about.
        delivery_id: the delivery it is about (13).
    """
    lane = f"receipt:{receipt_id}" if receipt_id is not None else f"delivery:{delivery_id}:{recipient}"
    values: dict[str, Any] = {"agency": agency, "kind": STATUS, "lane": lane, "code": code, "recipient": recipient}
    values |= {"message": message, "receipt_id": receipt_id, "delivery_id": delivery_id}
    return by_key(tx, moves.started(tx, OUTGOING, values, state=OutgoingState.READY, detail=f"{code} to {recipient}"))


def turn() -> ColumnElement[bool]:
    """That it is a message's turn: none queued earlier in the same lane is still on its way."""
    earlier = T.alias("earlier")
    pending = earlier.c.state.in_([str(state) for state in _PENDING])
    return ~exists().where(and_(earlier.c.lane == T.c.lane, earlier.c.id < T.c.id, pending))


def claim(
    tx: Tx,
    lease: Lease,
    *,
    agency: str,
    states: Collection[str] = (OutgoingState.READY, OutgoingState.UNKNOWN),
    due: bool = True,
    limit: int = 1,
    after: int = 0,
    where: ColumnElement[bool] | None = None,
) -> list[OutgoingRow]:
    """Take messages whose turn it is.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose messages.
        states: the states to look in.
        due: only those whose next attempt is due.
        limit: at most so many.
        after: only rows with a greater key.
        where: a further condition.
    """
    rows = moves.claim(
        tx,
        OUTGOING,
        lease,
        agency=agency,
        states=states,
        where=turn() if where is None else and_(turn(), where),
        due=due,
        limit=limit,
        after=after,
    )
    return [OutgoingRow.of(row) for row in rows]


def packed(tx: Tx, row: OutgoingRow, *, spool_file: str, sha256: str) -> OutgoingRow:
    """Note the packet that was built for a status; from now on these bytes are sent, however often.

    Raises:
        LeaseLost: another worker took the message over.
    """
    held = and_(T.c.id == row.id, T.c.state == row.state, T.c.fence == row.fence)
    result = tx.connection.execute(update(T).where(held).values(spool_file=spool_file, sha256=sha256))
    if result.rowcount != 1:
        raise moves.lost(OUTGOING, row.id, row.state)
    return by_key(tx, row.id)


def by_key(tx: Tx, key: int) -> OutgoingRow:
    """The message with this key, which must exist."""
    return OutgoingRow.of(tx.connection.execute(moves.by_id(T), {"its_id": key}).mappings().one())


def find(tx: Tx, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[OutgoingRow]:
    """An agency's messages that meet the conditions, newest first."""
    query = select(T).where(T.c.agency == agency, *where).order_by(T.c.id.desc()).limit(limit)
    return [OutgoingRow.of(row) for row in tx.connection.execute(query).mappings()]


def _confirm_lane(receipt: ReceiptRow) -> str:
    return f"confirm:{receipt.id}"


def move(tx: Tx, row: OutgoingRow, new: OutgoingState, *, detail: str = "", **values: Any) -> None:
    """Move a message as its holder; a stale holder is fenced off.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    moves.move(tx, OUTGOING, row.id, old=row.state, new=new, token=row.fence, detail=detail, **values)
