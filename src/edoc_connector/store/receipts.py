"""Packets that come in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, exists, or_, select, update

from .._core.text import both
from . import transitions
from ._sql import schema
from ._sql.compiled import Hot
from .rows import ReceiptRow
from .state_machine import RECEIPTS, ReceiptState
from .transitions import Held, Lease, Tx

T = schema.receipts

EDOC = "edoc"
STATUS = "status"

# A packet in one of these is the one copy of its document that counts.
EFFECTIVE = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)


# A status in one of these was entered in the delivery it is about.
_ENTERED = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)

# Made once: every packet needs them.
_OURS = select(T).where(T.c.agency == bindparam("whose")).order_by(T.c.id.desc()).limit(1)
_BY_KEY = Hot(transitions.by_id(T))
_BY_HUB = Hot(_OURS.where(T.c.hub_doc_id == bindparam("wanted")))
_COUNTS = _OURS.where(T.c.document_id == bindparam("wanted"), T.c.message_type == EDOC, T.c.state.in_(EFFECTIVE))
_EFFECTIVE = Hot(_COUNTS)
_EFFECTIVE_OF = Hot(_COUNTS.where(T.c.sender == bindparam("sender")))
_WANTED: BindParameter[Any] = bindparam("wanted", expanding=True)
_ALL = select(T).where(T.c.agency == bindparam("whose")).order_by(T.c.id.desc())
_BY_HUB_IDS = _ALL.where(T.c.hub_doc_id.in_(_WANTED))
_EFFECTIVE_SOME = _ALL.where(T.c.document_id.in_(_WANTED), T.c.message_type == EDOC, T.c.state.in_(EFFECTIVE))
_SAME_STATUSES = _ALL.where(T.c.fingerprint.in_(_WANTED), T.c.message_type == STATUS)
_STATES = select(T.c.id, T.c.state).where(T.c.id.in_(_WANTED))
_CONFIRMED = update(T).where(T.c.id.in_(_WANTED))
_SAID = Hot(update(T).where(T.c.id == bindparam("its_id")).returning(T))


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A packet that the hub offers.

    Args:
        hub_doc_id: the hub's id of it.
        message_type: `EDOC` or `STATUS`.
        sender: the sender that the hub announces.
        recipient: the recipients that the hub announces.
    """

    hub_doc_id: str
    message_type: str
    sender: str = ""
    recipient: str = ""


def offered(
    tx: Tx, agency: str, hub_doc_id: str, message_type: str, *, sender: str = "", recipient: str = ""
) -> ReceiptRow:
    """As `offered_all`, for one packet; its row."""
    offer = Offer(hub_doc_id=hub_doc_id, message_type=message_type, sender=sender, recipient=recipient)
    return offered_all(tx, agency, [offer])[0][hub_doc_id]


def offered_all(tx: Tx, agency: str, offers: Sequence[Offer]) -> tuple[dict[str, ReceiptRow], set[str]]:
    """The rows of packets that the hub offers; made, ``listed``, where they are new.

    Args:
        tx: the transaction.
        agency: to whom they are offered.
        offers: in the hub's order; the keys of new rows follow it.

    Returns:
        The rows by the hub's ids, and the ids of those that were made.
    """
    known = by_hub_doc_ids(tx, agency, [one.hub_doc_id for one in offers])
    new = {
        one.hub_doc_id: {
            "agency": agency, "hub_doc_id": one.hub_doc_id, "message_type": one.message_type,
            "offered_by": one.sender, "offered_to": one.recipient,
        }
        for one in offers if one.hub_doc_id not in known
    }  # fmt: skip
    if not new:
        return known, set()
    unique = ("agency", "hub_doc_id")
    rows = transitions.made_all(tx, RECEIPTS, list(new.values()), unique=unique, state=ReceiptState.LISTED)
    made = {row["hub_doc_id"]: ReceiptRow.of(row) for row in rows}
    if len(made) < len(new):  # another worker listed them a moment ago
        known |= by_hub_doc_ids(tx, agency, new.keys() - made.keys())
    return known | made, set(made)


def by_key(tx: Tx, key: int) -> ReceiptRow:
    """The receipt with this key, which must exist."""
    return ReceiptRow.of(_BY_KEY.rows(tx.connection, {"its_id": key})[0])


def by_hub_doc_id(tx: Tx, agency: str, hub_doc_id: str) -> ReceiptRow | None:
    """The receipt of a packet by the hub's id."""
    return _first(tx, _BY_HUB, whose=agency, wanted=hub_doc_id)


def by_hub_doc_ids(tx: Tx, agency: str, hub_doc_ids: Collection[str]) -> dict[str, ReceiptRow]:
    """The receipts of some packets, by the hub's ids; those that are not here are left out."""
    return {row.hub_doc_id: row for row in _some(tx, _BY_HUB_IDS, agency, hub_doc_ids)}


def copies(
    tx: Tx, agency: str, *, documents: Collection[str], statuses: Collection[str]
) -> tuple[list[ReceiptRow], list[ReceiptRow]]:
    """What is here of some packets already: the receipts of the documents, as `effective`, and of the statuses.

    Args:
        tx: the transaction.
        agency: whose.
        documents: their DocumentIds.
        statuses: the fingerprints of status packets.
    """
    return _some(tx, _EFFECTIVE_SOME, agency, documents), _some(tx, _SAME_STATUSES, agency, statuses)


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
    query = transitions.newest_first(T, agency, *where).limit(limit)
    return [ReceiptRow.of(row) for row in tx.connection.execute(query).mappings()]


def _some(tx: Tx, query: Select[Any], agency: str, wanted: Collection[str]) -> list[ReceiptRow]:
    if not wanted:
        return []
    found = tx.connection.execute(query, {"whose": agency, "wanted": sorted(set(wanted))}).mappings()
    return [ReceiptRow.of(row) for row in found]


def _first(tx: Tx, query: Hot, **values: str) -> ReceiptRow | None:
    found = query.first(tx.connection, values)
    return None if found is None else ReceiptRow.of(found)


def move(tx: Tx, row: ReceiptRow, new: ReceiptState, *, detail: str = "", **values: Any) -> ReceiptRow:
    """Move a receipt as its holder; a stale holder is fenced off. Gives the receipt as it is afterwards.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    return ReceiptRow.of(
        transitions.moved(tx, RECEIPTS, row.id, old=row.state, new=new, token=row.fence, detail=detail, **values)
    )


def taken_in(tx: Tx, held: Sequence[tuple[ReceiptRow, Mapping[str, Any]]]) -> None:
    """Note that documents were downloaded and wait for the application, in one go.

    Args:
        tx: the transaction.
        held: the receipts, claimed, and the facts of their packets: the same columns of each.

    Raises:
        LeaseLost: somebody else moved or took one of them; none was noted.
    """
    rows = [Held(row.id, row.fence, values) for row, values in held]
    transitions.move_all(tx, RECEIPTS, rows, old=ReceiptState.LISTED, new=ReceiptState.WAITING)


def confirmed(tx: Tx, keys: Mapping[int, str]) -> None:
    """Note that the hub was told of packets.

    Args:
        tx: the transaction.
        keys: what it was told (`outgoing.DONE` or `outgoing.FAIL`), by receipt.
    """
    found = {row["id"]: row["state"] for row in tx.connection.execute(_STATES, {"wanted": sorted(keys)}).mappings()}
    tx.connection.execute(_CONFIRMED, {"wanted": sorted(keys), "confirmed_at": tx.now, "updated_at": tx.now})
    for key, code in keys.items():
        words = both(f"the hub was told {code}", f"đã báo trục: {code}")
        transitions.record(tx, RECEIPTS, key, old=found[key], new=found[key], detail=words)
    done = [Held(key, None) for key, code in keys.items() if code == "done" and found[key] == ReceiptState.HANDLED]
    transitions.move_all(tx, RECEIPTS, done, old=ReceiptState.HANDLED, new=ReceiptState.CONFIRMED)


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
    keys = [key] if key is not None else None
    rows = transitions.claim(
        tx, RECEIPTS, lease, agency=agency, states=[state], keys=keys, due=due, after=after, count=count
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
    states = [ReceiptState.LISTED]
    rows = transitions.claim(
        tx, RECEIPTS, lease, agency=agency, states=states, keys=keys, due=False, limit=len(keys), count=True
    )
    return [ReceiptRow.of(row) for row in rows]


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
    keys = [key] if key is not None else None
    states = [ReceiptState.CONFIRMED]  # only a confirmed one stays as it is while the application looks at it
    rows = transitions.claim(tx, RECEIPTS, lease, agency=agency, states=states, keys=keys, where=_UNTOLD, count=True)
    return ReceiptRow.of(rows[0]) if rows else None


_UNTOLD = untold()


def alone(tx: Tx, key: int) -> None:
    """Wait until no other transaction looks up where the answers to a packet stand, and writes that."""
    transitions.alone(tx, f"receipt {key}")


def said(tx: Tx, row: ReceiptRow, *, detail: str, **values: Any) -> ReceiptRow:
    """Enter what was said about a receipt (status codes, requests) without moving it; the receipt afterwards."""
    (after,) = _SAID.rows(tx.connection, {**values, "updated_at": tx.now, "its_id": row.id})
    transitions.record(tx, RECEIPTS, row.id, old=row.state, new=row.state, detail=detail)
    return ReceiptRow.of(after)
