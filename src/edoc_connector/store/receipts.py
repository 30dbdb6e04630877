"""Packets that come in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, exists, or_, select, update

from .._core import join_languages
from . import transitions
from ._sql import schema
from ._sql.compiled import CompiledStatement
from .rows import ReceiptRow
from .state_machine import RECEIPTS, ReceiptState
from .transitions import HeldRow, Lease, Tx

TABLE = schema.receipts

EDOC = "edoc"
STATUS = "status"

# A packet in one of these is the one copy of its document that counts.
EFFECTIVE_STATES = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)


# A status in one of these was entered in the delivery it is about.
_ENTERED_STATES = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)

# Made once: every packet needs them.
_NEWEST_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("whose")).order_by(TABLE.c.id.desc()).limit(1)
_SELECT_BY_ID = CompiledStatement(transitions.build_query_by_id(TABLE))
_SELECT_BY_HUB_DOC_ID = CompiledStatement(_NEWEST_OF_AGENCY.where(TABLE.c.hub_doc_id == bindparam("wanted")))
_EFFECTIVE_QUERY = _NEWEST_OF_AGENCY.where(
    TABLE.c.document_id == bindparam("wanted"), TABLE.c.message_type == EDOC, TABLE.c.state.in_(EFFECTIVE_STATES)
)
_SELECT_EFFECTIVE = CompiledStatement(_EFFECTIVE_QUERY)
_SELECT_EFFECTIVE_OF_SENDER = CompiledStatement(_EFFECTIVE_QUERY.where(TABLE.c.sender == bindparam("sender")))
_WANTED_VALUES: BindParameter[Any] = bindparam("wanted", expanding=True)
_ROWS_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("whose")).order_by(TABLE.c.id.desc())
_SELECT_BY_HUB_DOC_IDS = _ROWS_OF_AGENCY.where(TABLE.c.hub_doc_id.in_(_WANTED_VALUES))
_SELECT_EFFECTIVE_COPIES = _ROWS_OF_AGENCY.where(
    TABLE.c.document_id.in_(_WANTED_VALUES), TABLE.c.message_type == EDOC, TABLE.c.state.in_(EFFECTIVE_STATES)
)
_SELECT_SAME_STATUSES = _ROWS_OF_AGENCY.where(TABLE.c.fingerprint.in_(_WANTED_VALUES), TABLE.c.message_type == STATUS)
_SELECT_STATES = select(TABLE.c.id, TABLE.c.state).where(TABLE.c.id.in_(_WANTED_VALUES))
_UPDATE_CONFIRMED = update(TABLE).where(TABLE.c.id.in_(_WANTED_VALUES))
_UPDATE_RETURNING_ROW = CompiledStatement(update(TABLE).where(TABLE.c.id == bindparam("its_id")).returning(TABLE))


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


def record_offer(
    tx: Tx, agency: str, hub_doc_id: str, message_type: str, *, sender: str = "", recipient: str = ""
) -> ReceiptRow:
    """As `offered_all`, for one packet; its row."""
    offer = Offer(hub_doc_id=hub_doc_id, message_type=message_type, sender=sender, recipient=recipient)
    return record_offers(tx, agency, [offer])[0][hub_doc_id]


def record_offers(tx: Tx, agency: str, offers: Sequence[Offer]) -> tuple[dict[str, ReceiptRow], set[str]]:
    """The rows of packets that the hub offers; made, ``listed``, where they are new.

    Args:
        tx: the transaction.
        agency: to whom they are offered.
        offers: in the hub's order; the keys of new rows follow it.

    Returns:
        The rows by the hub's ids, and the ids of those that were made.
    """
    known = find_by_hub_doc_ids(tx, agency, [offer.hub_doc_id for offer in offers])
    new = {
        offer.hub_doc_id: {
            "agency": agency, "hub_doc_id": offer.hub_doc_id, "message_type": offer.message_type,
            "offered_by": offer.sender, "offered_to": offer.recipient,
        }
        for offer in offers if offer.hub_doc_id not in known
    }  # fmt: skip
    if not new:
        return known, set()
    unique = ("agency", "hub_doc_id")
    rows = transitions.insert_rows_once(
        tx, RECEIPTS, list(new.values()), unique_columns=unique, state=ReceiptState.LISTED
    )
    inserted = {row["hub_doc_id"]: ReceiptRow.from_row(row) for row in rows}
    if len(inserted) < len(new):  # another worker listed them a moment ago
        known |= find_by_hub_doc_ids(tx, agency, new.keys() - inserted.keys())
    return known | inserted, set(inserted)


def get_by_id(tx: Tx, row_id: int) -> ReceiptRow:
    """The receipt with this key, which must exist."""
    return ReceiptRow.from_row(_SELECT_BY_ID.fetch_all(tx.connection, {"its_id": row_id})[0])


def find_by_hub_doc_id(tx: Tx, agency: str, hub_doc_id: str) -> ReceiptRow | None:
    """The receipt of a packet by the hub's id."""
    return _select_first(tx, _SELECT_BY_HUB_DOC_ID, whose=agency, wanted=hub_doc_id)


def find_by_hub_doc_ids(tx: Tx, agency: str, hub_doc_ids: Collection[str]) -> dict[str, ReceiptRow]:
    """The receipts of some packets, by the hub's ids; those that are not here are left out."""
    return {row.hub_doc_id: row for row in _select_some(tx, _SELECT_BY_HUB_DOC_IDS, agency, hub_doc_ids)}


def find_copies(
    tx: Tx, agency: str, *, documents: Collection[str], statuses: Collection[str]
) -> tuple[list[ReceiptRow], list[ReceiptRow]]:
    """What is here of some packets already: the receipts of the documents, as `effective`, and of the statuses.

    Args:
        tx: the transaction.
        agency: whose.
        documents: their DocumentIds.
        statuses: the fingerprints of status packets.
    """
    return _select_some(tx, _SELECT_EFFECTIVE_COPIES, agency, documents), _select_some(
        tx, _SELECT_SAME_STATUSES, agency, statuses
    )


def find_effective(tx: Tx, agency: str, document_id: str, sender: str | None = None) -> ReceiptRow | None:
    """The copy of a document that counts: neither a duplicate nor set aside; of any sender, the newest."""
    if sender is None:
        return _select_first(tx, _SELECT_EFFECTIVE, whose=agency, wanted=document_id)
    return _select_first(tx, _SELECT_EFFECTIVE_OF_SENDER, whose=agency, wanted=document_id, sender=sender)


def find_by_any_id(tx: Tx, agency: str, any_id: str) -> ReceiptRow | None:
    """A document by its DocumentId, else any packet by the hub's id, else a document set aside, whose id is a claim."""
    found = find_effective(tx, agency, any_id) or find_by_hub_doc_id(tx, agency, any_id)
    set_aside = [TABLE.c.document_id == any_id, TABLE.c.message_type == EDOC]
    return found or next(iter(find_all(tx, agency, *set_aside, limit=1)), None)


def find_all(tx: Tx, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[ReceiptRow]:
    """An agency's receipts that meet the conditions, newest first."""
    query = transitions.build_newest_first_query(TABLE, agency, *where).limit(limit)
    return [ReceiptRow.from_row(row) for row in tx.connection.execute(query).mappings()]


def _select_some(tx: Tx, query: Select[Any], agency: str, wanted: Collection[str]) -> list[ReceiptRow]:
    if not wanted:
        return []
    found = tx.connection.execute(query, {"whose": agency, "wanted": sorted(set(wanted))}).mappings()
    return [ReceiptRow.from_row(row) for row in found]


def _select_first(tx: Tx, query: CompiledStatement, **values: str) -> ReceiptRow | None:
    found = query.fetch_first(tx.connection, values)
    return None if found is None else ReceiptRow.from_row(found)


def move(tx: Tx, row: ReceiptRow, new: ReceiptState, *, detail: str = "", **values: Any) -> ReceiptRow:
    """Move a receipt as its holder; a stale holder is fenced off. Gives the receipt as it is afterwards.

    Raises:
        LeaseLost: somebody else moved or took it.
    """
    return ReceiptRow.from_row(
        transitions.move_returning_row(
            tx, RECEIPTS, row.id, old=row.state, new=new, fencing_token=row.fence, detail=detail, **values
        )
    )


def mark_downloaded(tx: Tx, downloads: Sequence[tuple[ReceiptRow, Mapping[str, Any]]]) -> None:
    """Note that documents were downloaded and wait for the application, in one go.

    Args:
        tx: the transaction.
        downloads: the receipts, claimed, and the facts of their packets: the same columns of each.

    Raises:
        LeaseLost: somebody else moved or took one of them; none was noted.
    """
    rows = [HeldRow(row.id, row.fence, values) for row, values in downloads]
    transitions.move_all(tx, RECEIPTS, rows, old=ReceiptState.LISTED, new=ReceiptState.WAITING)


def mark_confirmed(tx: Tx, outcomes: Mapping[int, str]) -> None:
    """Note that the hub was told of packets.

    Args:
        tx: the transaction.
        outcomes: what it was told (`outgoing.DONE` or `outgoing.FAIL`), by receipt.
    """
    found = {
        row["id"]: row["state"]
        for row in tx.connection.execute(_SELECT_STATES, {"wanted": sorted(outcomes)}).mappings()
    }
    tx.connection.execute(_UPDATE_CONFIRMED, {"wanted": sorted(outcomes), "confirmed_at": tx.now, "updated_at": tx.now})
    for row_id, code in outcomes.items():
        detail = join_languages(f"the hub was told {code}", f"đã báo trục: {code}")
        transitions.record_change(tx, RECEIPTS, row_id, old=found[row_id], new=found[row_id], detail=detail)
    finished = [
        HeldRow(row_id, None)
        for row_id, code in outcomes.items()
        if code == "done" and found[row_id] == ReceiptState.HANDLED
    ]
    transitions.move_all(tx, RECEIPTS, finished, old=ReceiptState.HANDLED, new=ReceiptState.CONFIRMED)


def claim_next(
    tx: Tx,
    lease: Lease,
    *,
    agency: str,
    state: ReceiptState,
    after_id: int = 0,
    only_id: int | None = None,
    only_due: bool = False,
    count_attempt: bool = False,
) -> ReceiptRow | None:
    """Take the next receipt in a state (`LISTED` to download it, `WAITING` to hand it out), or one of them.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        state: the state to look in.
        after_id: only rows with a greater key.
        only_id: only this row.
        only_due: only one whose next attempt is due.
        count_attempt: whether the attempt counts from now on, so that one which ends the process counts too.
    """
    only_ids = [only_id] if only_id is not None else None
    rows = transitions.claim_rows(
        tx,
        RECEIPTS,
        lease,
        agency=agency,
        states=[state],
        only_ids=only_ids,
        only_due=only_due,
        after_id=after_id,
        count_attempt=count_attempt,
    )
    return ReceiptRow.from_row(rows[0]) if rows else None


def list_waiting_ids(tx: Tx, agency: str, *, after_id: int, below_id: int | None, limit: int) -> list[int]:
    """The keys of packets that wait for the application, in order.

    Args:
        tx: the transaction.
        agency: whose receipts.
        after_id: only greater keys.
        below_id: only lesser keys.
        limit: at most so many.
    """
    where = [TABLE.c.agency == agency, TABLE.c.state == ReceiptState.WAITING, TABLE.c.id > after_id]
    if below_id is not None:
        where.append(TABLE.c.id < below_id)
    return list(tx.connection.execute(select(TABLE.c.id).where(*where).order_by(TABLE.c.id).limit(limit)).scalars())


def claim_listed(tx: Tx, lease: Lease, *, agency: str, row_ids: Collection[int]) -> list[ReceiptRow]:
    """Take some packets that wait to be downloaded, in one go; the attempt counts from now on.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        row_ids: the rows; those that another worker is at, or that are not `LISTED` any more, are left out.

    Returns:
        The rows that are held now, by key.
    """
    states = [ReceiptState.LISTED]
    rows = transitions.claim_rows(
        tx,
        RECEIPTS,
        lease,
        agency=agency,
        states=states,
        only_ids=row_ids,
        only_due=False,
        limit=len(row_ids),
        count_attempt=True,
    )
    return [ReceiptRow.from_row(row) for row in rows]


def release_claims(tx: Tx, lease: Lease, row_ids: Collection[int]) -> None:
    """Give back packets that `claim_listed` took and that were not asked for: the attempt did not happen.

    Args:
        tx: the transaction.
        lease: the worker.
        row_ids: the rows; those that it does not hold any more stay as they are.
    """
    still_held = [
        TABLE.c.id.in_(sorted(row_ids)),
        TABLE.c.state == ReceiptState.LISTED,
        TABLE.c.lease_owner == lease.owner,
    ]
    values = {"lease_owner": None, "lease_until": None, "attempts": TABLE.c.attempts - 1}
    tx.connection.execute(update(TABLE).where(*still_held, TABLE.c.attempts > 0).values(values))


def build_downloadable_condition() -> ColumnElement[bool]:
    """That a packet may be downloaded.

    A status is taken in after what its sender offered before it: 01 before 03, a document before its taking back.
    """
    earlier = TABLE.alias("earlier")
    before = and_(
        earlier.c.agency == TABLE.c.agency,
        earlier.c.state == ReceiptState.LISTED,
        earlier.c.offered_by == TABLE.c.offered_by,
        earlier.c.id < TABLE.c.id,
    )
    return or_(TABLE.c.message_type == EDOC, ~exists().where(before))


def build_unnoticed_condition() -> ColumnElement[bool]:
    """That a status is one for the application, and the first about its document that it was not told of."""
    earlier = TABLE.alias("earlier")
    unnoticed_before = and_(
        earlier.c.agency == TABLE.c.agency,
        earlier.c.document_id == TABLE.c.document_id,
        earlier.c.id < TABLE.c.id,
        earlier.c.message_type == STATUS,
        earlier.c.state.in_(_ENTERED_STATES),
        earlier.c.noticed_at.is_(None),
    )
    is_unnoticed = (TABLE.c.message_type == STATUS, TABLE.c.noticed_at.is_(None), TABLE.c.business.is_(None))
    return and_(*is_unnoticed, ~exists().where(unnoticed_before))


def claim_next_status(tx: Tx, lease: Lease, *, agency: str, only_id: int | None = None) -> ReceiptRow | None:
    """Take the next status that the application was not told of; statuses about one document come in their order.

    Args:
        tx: the transaction.
        lease: the worker.
        agency: whose receipts.
        only_id: only this row.
    """
    only_ids = [only_id] if only_id is not None else None
    states = [ReceiptState.CONFIRMED]  # only a confirmed one stays as it is while the application looks at it
    rows = transitions.claim_rows(
        tx, RECEIPTS, lease, agency=agency, states=states, only_ids=only_ids, where=_UNNOTICED, count_attempt=True
    )
    return ReceiptRow.from_row(rows[0]) if rows else None


_UNNOTICED = build_unnoticed_condition()


def lock_receipt(tx: Tx, receipt_id: int) -> None:
    """Wait until no other transaction looks up where the answers to a packet stand, and writes that."""
    transitions.advisory_lock(tx, f"receipt {receipt_id}")


def record_note(tx: Tx, row: ReceiptRow, *, detail: str, **values: Any) -> ReceiptRow:
    """Enter what was said about a receipt (status codes, requests) without moving it; the receipt afterwards."""
    (updated,) = _UPDATE_RETURNING_ROW.fetch_all(tx.connection, {**values, "updated_at": tx.now, "its_id": row.id})
    transitions.record_change(tx, RECEIPTS, row.id, old=row.state, new=row.state, detail=detail)
    return ReceiptRow.from_row(updated)
