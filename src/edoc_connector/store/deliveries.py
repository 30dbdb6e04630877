"""Packets that we send, and where each recipient stands with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam, delete, exists, insert, select, update

from .._core.text import both
from ..errors import DocumentIdConflict
from . import transitions
from ._sql import schema
from ._sql.compiled import Hot, Row
from ._sql.pieces import pieces
from .rows import DeliveryRow, RecipientRow
from .state_machine import DELIVERIES, DeliveryState
from .status_rules import ANSWERS, Change, allowed, stays
from .transitions import Condition, Lease, LeaseLost, Tx

T = schema.deliveries
TO = schema.delivery_recipients
ON = schema.delivery_targets

# Made once: every document needs them.
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_OURS = select(T).where(T.c.agency == bindparam("whose")).order_by(T.c.id.desc()).limit(1)
_BY_DOCUMENT = Hot(_OURS.where(T.c.document_id == bindparam("wanted")))
_BY_HUB = Hot(_OURS.where(T.c.hub_doc_id == bindparam("wanted")))
_BY_KEY = Hot(transitions.by_id(T))
_TARGETS = select(ON).where(ON.c.delivery_id.in_(_KEYS)).order_by(ON.c.id)
_RECIPIENTS = select(TO).where(TO.c.delivery_id.in_(_KEYS)).order_by(TO.c.id)
_RECIPIENTS_OF_ONE = Hot(select(TO).where(TO.c.delivery_id == bindparam("key")).order_by(TO.c.id))
_INSERT_TO = Hot(insert(TO))
_OTHER = T.alias("other")
_NOT_ANOTHERS = ~exists().where(
    _OTHER.c.agency == bindparam("whose"),
    _OTHER.c.hub_doc_id == bindparam("theirs"),
    _OTHER.c.id != bindparam("its_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A packet to store before it is sent.

    Args:
        agency: code of the sending agency.
        document_id: the DocumentId.
        business: what the packet asks for: ``new``, ``recall``, ``update`` or ``replace``.
        targets: the documents acted on; none for a new one.
        code: number and notation.
        subject: trích yếu.
        issued_on: date of promulgation.
        spool_file: name of the packet in the spool.
        sha256: hash of its bytes, hex.
        size: its length in bytes.
        fingerprint: hash of the content, the same for the same document built twice.
        recipients: code and name of each recipient, in order.
    """

    agency: str
    document_id: str
    business: str
    targets: tuple[str, ...]
    code: str
    subject: str
    issued_on: date
    spool_file: str
    sha256: str
    size: int
    fingerprint: str
    recipients: tuple[tuple[str, str], ...]


_COLUMNS = tuple(field.name for field in fields(NewDelivery) if field.name in T.c)


def add(tx: Tx, new: NewDelivery, *, due: datetime | None = None) -> DeliveryRow:
    """Store a delivery, ``ready``.

    Args:
        tx: the transaction.
        new: the delivery.
        due: from when on anybody may send it; at once where it is left out.

    Raises:
        DocumentIdConflict: the DocumentId is taken by other content.
    """
    values = {name: getattr(new, name) for name in _COLUMNS} | {"next_attempt_at": due or tx.now}
    recipients, acted_on = new.recipients, new.targets
    made = transitions.made_once(tx, DELIVERIES, values, unique=("agency", "document_id"), state=DeliveryState.READY)
    if made is None:
        known = get(tx, new.agency, new.document_id)
        return add(tx, new, due=due) if known is None else same(known, new.fingerprint)
    key = int(made["id"])
    rows = [{"delivery_id": key, "organ_id": organ_id, "name": name} for organ_id, name in recipients]
    _INSERT_TO.many(tx.connection, rows)
    for document_id in acted_on:
        tx.connection.execute(insert(ON).values(delivery_id=key, document_id=document_id))
    return DeliveryRow.of(made)


def corrected(tx: Tx, row: DeliveryRow, new: NewDelivery, *, detail: str, **values: Any) -> None:
    """Put another document in the place of one that failed, ``ready``; the row, its timeline and its id stay.

    Args:
        tx: the transaction.
        row: the delivery, whose document the hub never took.
        new: the document as it is now.
        detail: words for the timeline.
        values: further columns to set.

    Raises:
        LeaseLost: somebody else moved it.
    """
    own = {name: getattr(new, name) for name in _COLUMNS} | {"next_attempt_at": tx.now, "asked": 0}
    move(tx, row, DeliveryState.READY, detail=detail, **own | values)
    tx.connection.execute(delete(TO).where(TO.c.delivery_id == row.id))
    tx.connection.execute(delete(ON).where(ON.c.delivery_id == row.id))
    rows = [{"delivery_id": row.id, "organ_id": organ_id, "name": name} for organ_id, name in new.recipients]
    tx.connection.execute(insert(TO), rows)
    for document_id in new.targets:
        tx.connection.execute(insert(ON).values(delivery_id=row.id, document_id=document_id))


def same(known: DeliveryRow, fingerprint: str) -> DeliveryRow:
    """The known delivery, if it is the same document.

    Raises:
        DocumentIdConflict: its content is another.
    """
    if known.fingerprint == fingerprint:
        return known
    raise DocumentIdConflict(
        f"another document was stored under the id {known.document_id} on {known.created_at:%Y-%m-%d}: "
        "give this one its own id, number or date, or send it as an update or replacement.",
        vi=f"Mã định danh {known.document_id} đã dùng cho một văn bản khác ngày {known.created_at:%d/%m/%Y}: "
        "hãy đặt mã, số hoặc ngày khác, hoặc gửi dưới dạng cập nhật, thay thế.",
    )


def get(tx: Tx, agency: str, document_id: str) -> DeliveryRow | None:
    """The delivery of a document."""
    found = _BY_DOCUMENT.first(tx.connection, {"whose": agency, "wanted": document_id})
    return None if found is None else DeliveryRow.of(found)


def by_key(tx: Tx, key: int) -> DeliveryRow:
    """The delivery with this key, which must exist."""
    return DeliveryRow.of(_BY_KEY.rows(tx.connection, {"its_id": key})[0])


def find(tx: Tx, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[DeliveryRow]:
    """An agency's deliveries that meet the conditions, newest first."""
    query = transitions.newest_first(T, agency, *where).limit(limit)
    return [DeliveryRow.of(row) for row in tx.connection.execute(query).mappings()]


def newest(
    tx: Tx, agency: str, *, state: str | None = None, recipient: str | None = None, limit: int | None = None
) -> list[DeliveryRow]:
    """An agency's deliveries, newest first, found in the order of an index however many there are.

    Args:
        tx: the transaction.
        agency: whose deliveries.
        state: only those in this state.
        recipient: only those to this organisation.
        limit: at most so many.
    """
    where = [T.c.state == state] if state is not None else []
    if recipient is None:
        return find(tx, agency, *where, limit=limit)
    query = select(T).join_from(TO, T, TO.c.delivery_id == T.c.id).where(TO.c.organ_id == recipient, *where)
    query = query.where(T.c.agency == agency).order_by(TO.c.delivery_id.desc()).limit(limit)
    return [DeliveryRow.of(row) for row in tx.connection.execute(query).mappings()]


def changes_to(tx: Tx, agency: str, document_id: str, business: str | None = None) -> list[DeliveryRow]:
    """The packets that ask to recall, update or replace a document of ours, newest first."""
    where: list[ColumnElement[bool]] = [T.c.id.in_(select(ON.c.delivery_id).where(ON.c.document_id == document_id))]
    if business is not None:
        where.append(T.c.business == business)
    return find(tx, agency, *where)


def targets(tx: Tx, keys: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    """The documents that some deliveries act on, by the delivery's key."""
    found: dict[int, list[str]] = {key: [] for key in keys}
    if not keys:
        return {}
    for some in pieces(keys):
        for row in tx.connection.execute(_TARGETS, {"keys": some}).mappings():
            found[row["delivery_id"]].append(row["document_id"])
    return {key: tuple(ids) for key, ids in found.items()}


def by_hub_doc_id(tx: Tx, agency: str, hub_doc_id: str) -> DeliveryRow | None:
    """The delivery that the hub knows under an id."""
    found = _BY_HUB.first(tx.connection, {"whose": agency, "wanted": hub_doc_id})
    return None if found is None else DeliveryRow.of(found)


def move(tx: Tx, row: DeliveryRow, new: DeliveryState, *, detail: str = "", **values: Any) -> None:
    """Move a delivery as its holder; a stale holder is fenced off.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    transitions.move(tx, DELIVERIES, row.id, old=row.state, new=new, token=row.fence, detail=detail, **values)


def sent(tx: Tx, row: DeliveryRow, doc_id: str | None, *, detail: str, **values: Any) -> bool:
    """Enter as its holder that the hub has it, unless its id there is another delivery's; whether it was entered.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    where = Condition(_NOT_ANOTHERS, {"whose": row.agency, "theirs": doc_id}) if doc_id else None
    entered = {"hub_doc_id": doc_id, "sent_at": tx.now, **values}
    try:
        transitions.move(
            tx, DELIVERIES, row.id, old=row.state, new=DeliveryState.SENT, token=row.fence, detail=detail, where=where,
            **entered,
        )  # fmt: skip
    except LeaseLost:
        other = by_hub_doc_id(tx, row.agency, doc_id) if doc_id else None
        if other is None or other.id == row.id:
            raise
        return False
    return True


def recipients(tx: Tx, keys: Sequence[int]) -> Mapping[int, tuple[RecipientRow, ...]]:
    """The recipients of some deliveries, by the delivery's key, in the document's order."""
    found: dict[int, list[RecipientRow]] = {key: [] for key in keys}
    for row in _recipients(tx, keys):
        found[row["delivery_id"]].append(RecipientRow.of(row))
    return {key: tuple(rows) for key, rows in found.items()}


def _recipients(tx: Tx, keys: Sequence[int]) -> Iterable[Row]:
    if len(keys) == 1:
        return _RECIPIENTS_OF_ONE.rows(tx.connection, {"key": keys[0]})
    return (row for some in pieces(keys) for row in tx.connection.execute(_RECIPIENTS, {"keys": some}).mappings())


def unanswered(tx: Tx, row: DeliveryRow) -> tuple[RecipientRow, ...]:
    """The recipients of a recall, an update or a replacement that have not answered it with 15 or 16."""
    return tuple(one for one in recipients(tx, [row.id])[row.id] if one.last_code not in ANSWERS)


def recipient(tx: Tx, key: int, organ_id: str) -> RecipientRow | None:
    """Where a delivery stands with one recipient."""
    return next((row for row in recipients(tx, [key])[key] if row.organ_id == organ_id), None)


def alone(tx: Tx, key: int) -> None:
    """Wait until no other transaction looks up where recipients of a delivery stand, and writes that."""
    transitions.alone(tx, f"delivery {key}")


def report(
    tx: Tx, delivery: DeliveryRow, organ_id: str, code: str, *, at: datetime, description: str | None, name: str = ""
) -> bool:
    """Enter a status that a recipient sent; one out of order is entered too, and flagged.

    A flagged one does not turn the document back: 01 after 03 leaves it at 03, and an answer that nobody asked for
    withdraws nothing.

    Args:
        tx: the transaction.
        delivery: the document it is about.
        organ_id: who says it; one that is no recipient is added.
        code: the status code.
        at: its time stamp.
        description: its words.
        name: the organisation's name, for one that is added.

    Returns:
        Whether the code was in order.
    """
    alone(tx, delivery.id)
    row = recipient(tx, delivery.id, organ_id)
    known = row is not None
    row = row or _added(tx, delivery, organ_id, name)
    in_order = known and code in allowed(row.last_code, change=row.change, change_packet=delivery.business != "new")
    values: dict[str, Any] = {} if in_order else {"out_of_order": row.out_of_order + 1}
    answer = delivery.business == "new" and code in ANSWERS
    if in_order or not (answer or stays(row.last_code, code)):
        values |= {"last_description": description, "last_at": at}
        values |= {"change": ANSWERS[code]} if answer else {"last_code": code}
    tx.connection.execute(update(TO).where(TO.c.id == row.id).values(values))
    detail = description or ""
    if not in_order:
        detail = both(f"{detail} (out of order)".strip(), f"{detail} (không đúng thứ tự)".strip())
    transitions.record(
        tx, DELIVERIES, delivery.id, old=row.last_code, new=code, detail=detail, actor=organ_id, recipient=organ_id
    )
    return in_order


def ask(tx: Tx, delivery: DeliveryRow, organ_ids: Collection[str], *, what: str, detail: str) -> None:
    """Enter that recipients are asked to give the document back, or to agree to its recall or replacement.

    Args:
        tx: the transaction.
        delivery: the document.
        organ_ids: the recipients asked.
        what: ``13``, or the kind of packet that asks them (``recall``, ``replace``).
        detail: the reason.
    """
    for organ_id in organ_ids:
        _change(tx, delivery, organ_id, Change.ASKED)
        transitions.record(tx, DELIVERIES, delivery.id, old=None, new=what, detail=detail, recipient=organ_id)


def answered(tx: Tx, delivery: DeliveryRow, organ_id: str, code: str, *, detail: str) -> None:
    """Enter a recipient's answer (15 or 16) to a recall or a replacement in the document acted on, if it was asked."""
    asked = recipient(tx, delivery.id, organ_id)
    if asked is None or asked.change != Change.ASKED:
        return
    _change(tx, delivery, organ_id, ANSWERS[code])
    transitions.record(
        tx, DELIVERIES, delivery.id, old=None, new=code, detail=detail, actor=organ_id, recipient=organ_id
    )


def taken(tx: Tx, row: DeliveryRow, lease: Lease) -> DeliveryRow:
    """A delivery as its caller knows it, claimed.

    Raises:
        LeaseLost: somebody else has claimed it by now.
    """
    return replace(row, **transitions.taken(tx, DELIVERIES, lease, row.id, state=row.state, fence=row.fence))


def claim(
    tx: Tx,
    lease: Lease,
    *,
    agency: str,
    states: Collection[str] = (DeliveryState.READY, DeliveryState.UNKNOWN),
    due: bool = True,
    after: int = 0,
    key: int | None = None,
) -> DeliveryRow | None:
    """Take the next delivery that waits, or one of them.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose deliveries.
        states: the states to look in.
        due: only those whose next attempt is due.
        after: only rows with a greater key.
        key: only this row.
    """
    where = T.c.id == key if key is not None else None
    rows = transitions.claim(tx, DELIVERIES, lease, agency=agency, states=states, where=where, due=due, after=after)
    return DeliveryRow.of(rows[0]) if rows else None


def _change(tx: Tx, delivery: DeliveryRow, organ_id: str, change: Change) -> None:
    changed = update(TO).where(TO.c.delivery_id == delivery.id, TO.c.organ_id == organ_id)
    tx.connection.execute(changed.values(change=change))


def _added(tx: Tx, delivery: DeliveryRow, organ_id: str, name: str) -> RecipientRow:
    values = {"delivery_id": delivery.id, "organ_id": organ_id, "name": name or organ_id}
    tx.connection.execute(insert(TO).values(values))
    found = recipient(tx, delivery.id, organ_id)
    if found is None:
        raise LookupError(organ_id)
    return found
