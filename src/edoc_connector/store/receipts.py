"""Packets that come in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    exists,
    or_,
    select,
    text,
    update,
)

from .._core import Page, Text
from ._sql import (
    SHOWN_WITHOUT_STATUSES,
    TABLES,
    CompiledStatement,
    build_newest_first_query,
    build_query_by_id,
    match_columns,
)
from .listing import PageRequest, get_time_key, hide_from_index, match_number, match_times, select_newest_page
from .rows import CONFIRM, EDOC, STATUS, ReceiptRow
from .state_machine import RECEIPTS, OutgoingState, ReceiptState
from .status_rules import Authority
from .transitions import HeldRow

if TYPE_CHECKING:
    from .leases import Lease
    from .transaction import Tx

TABLE = TABLES["receipts"]


# A packet in one of these is the one copy of its document that counts.
EFFECTIVE_STATES = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)


# A status in one of these was entered in the delivery it is about.
_ENTERED_STATES = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)

_USUAL_KIND = "new"
_HOLDS_UP_TRIES = 2  # downloads of a packet for which statuses behind it wait

# Made once: every packet needs them.
_NEWEST_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("agency")).order_by(TABLE.c.id.desc()).limit(1)
_SELECT_BY_ID = CompiledStatement(build_query_by_id(TABLE))
_SELECT_BY_HUB_DOC_ID = CompiledStatement(_NEWEST_OF_AGENCY.where(TABLE.c.hub_doc_id == bindparam("hub_doc_id")))
_EFFECTIVE_QUERY = _NEWEST_OF_AGENCY.where(
    TABLE.c.document_id == bindparam("document_id"), TABLE.c.message_type == EDOC, TABLE.c.state.in_(EFFECTIVE_STATES)
)
_SELECT_EFFECTIVE_OF_SENDER = CompiledStatement(_EFFECTIVE_QUERY.where(TABLE.c.sender == bindparam("sender")))
_ANY_OF: BindParameter[Any] = bindparam("any_of", expanding=True)
_ROWS_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("agency")).order_by(TABLE.c.id.desc())
_SELECT_BY_HUB_DOC_IDS = _ROWS_OF_AGENCY.where(TABLE.c.hub_doc_id.in_(_ANY_OF))
_SELECT_EFFECTIVE_COPIES = _ROWS_OF_AGENCY.where(
    TABLE.c.document_id.in_(_ANY_OF), TABLE.c.message_type == EDOC, TABLE.c.state.in_(EFFECTIVE_STATES)
)
_IS_STATUS = TABLE.c.message_type == STATUS
_SELECT_SAME_STATUSES = _ROWS_OF_AGENCY.where(TABLE.c.fingerprint.in_(_ANY_OF), _IS_STATUS)
_SELECT_STATES = select(TABLE.c.id, TABLE.c.state).where(TABLE.c.id.in_(_ANY_OF))
_UPDATE_CONFIRMED = update(TABLE).where(TABLE.c.id.in_(_ANY_OF))
_UPDATE_RETURNING_ROW = CompiledStatement(update(TABLE).where(TABLE.c.id == bindparam("row_id")).returning(TABLE))


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


@dataclass(slots=True, eq=False)
class Receipts:
    """Keeps the packets that come in.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def record_offer(
        self, agency: str, hub_doc_id: str, message_type: str, *, sender: str = "", recipient: str = ""
    ) -> ReceiptRow:
        """Record one packet that the hub offers; returns its row."""
        offer = Offer(hub_doc_id=hub_doc_id, message_type=message_type, sender=sender, recipient=recipient)
        return self.record_offers(agency, [offer])[0][hub_doc_id]

    def record_offers(self, agency: str, offers: Sequence[Offer]) -> tuple[dict[str, ReceiptRow], set[str]]:
        """Record packets that the hub offers: rows for those that are new, ``listed``.

        Args:
            agency: to whom they are offered.
            offers: in the hub's order; the keys of new rows follow it.

        Returns:
            The rows by the hub's ids, and the ids of those that were made.
        """
        known = self.find_by_hub_doc_ids(agency, [offer.hub_doc_id for offer in offers])
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
        rows = self._tx.transitions.insert_rows_once(
            RECEIPTS, list(new.values()), unique_columns=unique, state=ReceiptState.LISTED
        )
        inserted = {row["hub_doc_id"]: ReceiptRow.from_row(row) for row in rows}
        if len(inserted) < len(new):  # another worker listed them a moment ago
            known |= self.find_by_hub_doc_ids(agency, new.keys() - inserted.keys())
        return known | inserted, set(inserted)

    def get_by_id(self, row_id: int) -> ReceiptRow:
        """Get the receipt with this key, which must exist."""
        return ReceiptRow.from_row(_SELECT_BY_ID.fetch_all(self._tx.connection, {"row_id": row_id})[0])

    def find_by_hub_doc_id(self, agency: str, hub_doc_id: str) -> ReceiptRow | None:
        """Find the receipt of a packet by the hub's id."""
        return self._select_first(_SELECT_BY_HUB_DOC_ID, agency=agency, hub_doc_id=hub_doc_id)

    def find_by_hub_doc_ids(self, agency: str, hub_doc_ids: Collection[str]) -> dict[str, ReceiptRow]:
        """Find the receipts of some packets, by the hub's ids; those that are not here are left out."""
        return {row.hub_doc_id: row for row in self._select_some(_SELECT_BY_HUB_DOC_IDS, agency, hub_doc_ids)}

    def find_copies(
        self, agency: str, *, documents: Collection[str], statuses: Collection[str]
    ) -> tuple[list[ReceiptRow], list[ReceiptRow]]:
        """Find the copies of some packets: receipts of the documents, as `find_effective`, and of the statuses.

        Args:
            agency: code of the agency.
            documents: their DocumentIds.
            statuses: the fingerprints of status packets.
        """
        return self._select_some(_SELECT_EFFECTIVE_COPIES, agency, documents), self._select_some(
            _SELECT_SAME_STATUSES, agency, statuses
        )

    def find_effective(self, agency: str, document_id: str, sender: str | None = None) -> ReceiptRow | None:
        """Find the copy of a document that counts: neither a duplicate nor set aside; of any sender, the newest."""
        if sender is None:
            return next(iter(self.list_effective(agency, [document_id])), None)
        return self._select_first(_SELECT_EFFECTIVE_OF_SENDER, agency=agency, document_id=document_id, sender=sender)

    def list_effective(self, agency: str, document_ids: Collection[str]) -> list[ReceiptRow]:
        """List the copies of some documents that count, of every sender, newest first."""
        return self._select_some(_SELECT_EFFECTIVE_COPIES, agency, document_ids)

    def list_by_any_id(self, agency: str, any_id: str) -> list[ReceiptRow]:
        """List what an id may mean: documents with this DocumentId, newest first, and the packet with this docId.

        DocumentIds are of those who write them: another sender may have used the same one, or one that is a docId of
        the hub. Where there is nothing, the newest document that was set aside and claims it.
        """
        found = self.list_effective(agency, [any_id])
        packet = self.find_by_hub_doc_id(agency, any_id)
        if packet is not None and packet.id not in {row.id for row in found}:
            found.append(packet)
        return found or self.find_all(agency, document_id=any_id, message_type=EDOC, limit=1)

    def find_all(self, agency: str, *, limit: int | None = None, **values: Any) -> list[ReceiptRow]:
        """Find an agency's receipts whose columns have some values, newest first."""
        return self._select_newest(agency, *match_columns(TABLE, values), limit=limit)

    def list_page(
        self,
        agency: str,
        *,
        state: str | None = None,
        kind: str | None = None,
        sender: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        number: str | None = None,
        statuses: bool = True,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page[ReceiptRow]:
        """List a page of an agency's receipts, newest first, along an index however many there are.

        Args:
            agency: code of the agency.
            state: only those in this state.
            kind: only those of this kind; `STATUS` for those without one.
            sender: only those from this organisation.
            since: only those offered then or later.
            until: only those offered before.
            number: only documents with this number and notation, or this number.
            statuses: whether statuses are listed that are not set aside and were downloaded.
            limit: rows at most.
            after: the cursor of the page before.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is none of this list.
        """
        filters = {
            "state": state, "kind": kind, "sender": sender, "since": since, "until": until, "number": number,
            "statuses": statuses,
        }  # fmt: skip
        request = PageRequest.parse("receipts", agency, filters, limit=limit, after=after, by_time=True)
        where: list[Any] = [TABLE.c.agency == agency, *match_times(TABLE.c.created_at, since, until)]
        where += self._match_filters(state=state, kind=kind, sender=sender, number=number)
        if not statuses:
            where.append(text(SHOWN_WITHOUT_STATUSES))
        query = select_newest_page(select(TABLE).where(*where), request, TABLE.c.created_at, TABLE.c.id)
        rows = [ReceiptRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]
        return request.build_page(rows, get_time_key)

    def _match_filters(
        self, *, state: str | None, kind: str | None, sender: str | None, number: str | None
    ) -> list[ColumnElement[bool]]:
        """Build the conditions of filters; only the one that leaves the fewest rows is for an index to find."""
        is_postgresql = self._tx.connection.dialect.name == "postgresql"
        business = None if kind == STATUS else kind
        matches = {
            "number": [] if number is None else match_number(TABLE.c.code, number, is_postgresql=is_postgresql),
            "state": [TABLE.c.state == state],
            "kind": [TABLE.c.business.is_(None) if business is None else TABLE.c.business == business],
            "sender": [TABLE.c.sender == sender],
        }
        filters_only = {
            "state": [hide_from_index(TABLE.c.state) == state],
            "kind": [hide_from_index(TABLE.c.business).is_not_distinct_from(business)],
            "sender": [hide_from_index(TABLE.c.sender) == sender],
        }
        values = {"number": number, "state": state, "kind": kind, "sender": sender}
        wanted = [name for name in _rank_filters(state, kind) if values[name] is not None]
        return [one for name in wanted for one in (matches if name == wanted[0] else filters_only)[name]]

    def list_issued_between(self, agency: str, first: date, last: date, *, business: str) -> list[ReceiptRow]:
        """List the copies that count of documents of a kind that were promulgated on some days, newest first.

        Args:
            agency: code of the agency.
            first: the first day.
            last: the last day.
            business: the kind.
        """
        days = TABLE.c.issued_on.between(first, last)
        is_counting = TABLE.c.state.in_(EFFECTIVE_STATES)
        return self._select_newest(agency, days, TABLE.c.business == business, is_counting)

    def find_same_status(self, row: ReceiptRow, fingerprint: str) -> ReceiptRow | None:
        """Find another receipt with the content of a status, the newest, whether it was let count or not."""
        return self._find_status(row, fingerprint)

    def find_counted_status(self, row: ReceiptRow, fingerprint: str) -> ReceiptRow | None:
        """Find another receipt of the same status, which was let count; the true one may come after a forged one."""
        return self._find_status(row, fingerprint, TABLE.c.took_effect)

    def _find_status(self, row: ReceiptRow, fingerprint: str, *where: ColumnElement[bool]) -> ReceiptRow | None:
        is_same = (TABLE.c.fingerprint == fingerprint, _IS_STATUS, TABLE.c.id != row.id, *where)
        return next(iter(self._select_newest(row.agency, *is_same, limit=1)), None)

    def list_unknown_subjects(self, agency: str, *, since: datetime) -> list[str]:
        """List the documents that statuses of others are about and that are not here.

        Args:
            agency: whose store it is.
            since: only of statuses that the hub offered since then.
        """
        subject, sent = TABLE.alias(), TABLES["deliveries"]
        is_here = or_(
            exists().where(sent.c.agency == TABLE.c.agency, sent.c.document_id == TABLE.c.document_id),
            exists().where(
                subject.c.agency == TABLE.c.agency,
                subject.c.document_id == TABLE.c.document_id,
                subject.c.message_type == EDOC,
            ),
        )
        is_entered = and_(
            TABLE.c.message_type == STATUS, TABLE.c.state.in_([*_ENTERED_STATES, ReceiptState.QUARANTINED])
        )
        query = select(TABLE.c.document_id).where(TABLE.c.agency == agency, TABLE.c.created_at >= since, is_entered)
        named = query.where(TABLE.c.document_id.is_not(None), TABLE.c.document_id != "", ~is_here)
        return list(
            self._tx.connection.execute(named.group_by(TABLE.c.document_id).order_by(TABLE.c.document_id)).scalars()
        )

    def _select_newest(self, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[ReceiptRow]:
        query = build_newest_first_query(TABLE, agency, *where).limit(limit)
        return [ReceiptRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def _select_some(self, query: Select[Any], agency: str, any_of: Collection[str]) -> list[ReceiptRow]:
        if not any_of:
            return []
        found = self._tx.connection.execute(query, {"agency": agency, "any_of": sorted(set(any_of))}).mappings()
        return [ReceiptRow.from_row(row) for row in found]

    def _select_first(self, query: CompiledStatement, **values: str) -> ReceiptRow | None:
        found = query.fetch_first(self._tx.connection, values)
        return None if found is None else ReceiptRow.from_row(found)

    def move(self, row: ReceiptRow, new: ReceiptState, *, detail: Text | str = "", **values: Any) -> ReceiptRow:
        """Move a receipt as its holder; a stale holder is fenced off. Returns the receipt as it is afterwards.

        Raises:
            LeaseLost: somebody else moved or took it.
        """
        return ReceiptRow.from_row(
            self._tx.transitions.move_returning_row(
                RECEIPTS, row.id, old=row.state, new=new, fencing_token=row.fence, detail=detail, **values
            )
        )

    def mark_downloaded(self, downloads: Sequence[tuple[ReceiptRow, Mapping[str, Any]]]) -> None:
        """Mark documents as downloaded: they wait for the application. All in one go.

        Args:
            downloads: the receipts, claimed, and the facts of their packets: the same columns of each.

        Raises:
            LeaseLost: somebody else moved or took one of them; none was noted.
        """
        rows = [HeldRow(row.id, row.fence, values) for row, values in downloads]
        self._tx.transitions.move_all(RECEIPTS, rows, old=ReceiptState.LISTED, new=ReceiptState.WAITING)

    def mark_confirmed(self, outcomes: Mapping[int, str]) -> None:
        """Mark packets as confirmed to the hub.

        Args:
            outcomes: what it was told (`outgoing.DONE` or `outgoing.FAIL`), by receipt.
        """
        found = {
            row["id"]: row["state"]
            for row in self._tx.connection.execute(_SELECT_STATES, {"any_of": sorted(outcomes)}).mappings()
        }
        self._tx.connection.execute(
            _UPDATE_CONFIRMED, {"any_of": sorted(outcomes), "confirmed_at": self._tx.now, "updated_at": self._tx.now}
        )
        for row_id, code in outcomes.items():
            detail = Text(f"the hub was told {code}", f"đã báo trục: {code}")
            self._tx.timeline.record_change(RECEIPTS, row_id, old=found[row_id], new=found[row_id], detail=detail)
        finished = [
            HeldRow(row_id, None)
            for row_id, code in outcomes.items()
            if code == "done" and found[row_id] == ReceiptState.HANDLED
        ]
        self._tx.transitions.move_all(RECEIPTS, finished, old=ReceiptState.HANDLED, new=ReceiptState.CONFIRMED)

    def claim_next(
        self,
        lease: Lease,
        *,
        agency: str,
        state: ReceiptState,
        after_id: int = 0,
        only_id: int | None = None,
        only_due: bool = False,
        count_attempt: bool = False,
    ) -> ReceiptRow | None:
        """Claim the next receipt in a state (`LISTED` to download it, `WAITING` to hand it out), or one of them.

        Args:
            lease: the worker.
            agency: code of the agency.
            state: the state to look in.
            after_id: only rows with a greater key.
            only_id: only this row.
            only_due: only one whose next attempt is due.
            count_attempt: whether the attempt counts from now on, so that one which ends the process counts too.
        """
        only_ids = [only_id] if only_id is not None else None
        rows = self._tx.leases.claim(
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

    def list_waiting_ids(self, agency: str, *, after_id: int, below_id: int | None, limit: int) -> list[int]:
        """List the keys of packets that wait for the application, in order.

        Args:
            agency: code of the agency.
            after_id: only greater keys.
            below_id: only lesser keys.
            limit: at most so many.
        """
        where = [TABLE.c.agency == agency, TABLE.c.state == ReceiptState.WAITING, TABLE.c.id > after_id]
        if below_id is not None:
            where.append(TABLE.c.id < below_id)
        return list(
            self._tx.connection.execute(select(TABLE.c.id).where(*where).order_by(TABLE.c.id).limit(limit)).scalars()
        )

    def list_downloadable(self, agency: str, *, only_id: int | None, limit: int) -> list[ReceiptRow]:
        """List packets that are due to be downloaded and that nobody holds, those that wait the longest first.

        Args:
            agency: code of the agency.
            only_id: only this row.
            limit: at most so many.
        """
        now = self._tx.now
        is_free = or_(TABLE.c.lease_until.is_(None), TABLE.c.lease_until <= now)
        where = [
            TABLE.c.agency == agency,
            TABLE.c.state == ReceiptState.LISTED,
            TABLE.c.next_attempt_at <= now,
            is_free,
        ]
        where += [TABLE.c.id == only_id] if only_id is not None else []
        query = select(TABLE).where(*where, build_downloadable_condition())
        query = query.order_by(TABLE.c.next_attempt_at, TABLE.c.id).limit(limit)
        return [ReceiptRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def list_due_ids(self, agency: str, message_type: str) -> list[int]:
        """List the keys of packets of a kind that are due to be downloaded, in order; those held by others too."""
        where = [
            TABLE.c.agency == agency,
            TABLE.c.state == ReceiptState.LISTED,
            TABLE.c.next_attempt_at <= self._tx.now,
            TABLE.c.message_type == message_type,
        ]
        return list(self._tx.connection.execute(select(TABLE.c.id).where(*where).order_by(TABLE.c.id)).scalars())

    def list_refetchable(self, agency: str, *, limit: int) -> list[ReceiptRow]:
        """List packets that were set aside and are due to be downloaded once more by themselves.

        Args:
            agency: code of the agency.
            limit: at most so many, those that wait the longest first.
        """
        where = [TABLE.c.refetch, TABLE.c.agency == agency, TABLE.c.next_attempt_at <= self._tx.now]
        where += [TABLE.c.state == ReceiptState.QUARANTINED]
        query = select(TABLE).where(*where).order_by(TABLE.c.next_attempt_at, TABLE.c.id).limit(limit)
        return [ReceiptRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def claim_listed(self, lease: Lease, *, agency: str, row_ids: Collection[int]) -> list[ReceiptRow]:
        """Claim some packets that wait to be downloaded, in one go; the attempt counts from now on.

        Args:
            lease: the worker.
            agency: code of the agency.
            row_ids: the rows; those that another worker is at, or that are not `LISTED` any more, are left out.

        Returns:
            The rows that are held now, by key.
        """
        states = [ReceiptState.LISTED]
        rows = self._tx.leases.claim(
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

    def release_claims(self, lease: Lease, row_ids: Collection[int]) -> None:
        """Give back packets that `claim_listed` took and that were not asked for: the attempt did not happen.

        Args:
            lease: the worker.
            row_ids: the rows; those that it does not hold any more stay as they are.
        """
        still_held = [
            TABLE.c.id.in_(sorted(row_ids)),
            TABLE.c.state == ReceiptState.LISTED,
            TABLE.c.lease_owner == lease.owner,
        ]
        values = {"lease_owner": None, "lease_until": None, "attempts": TABLE.c.attempts - 1}
        self._tx.connection.execute(update(TABLE).where(*still_held, TABLE.c.attempts > 0).values(values))

    def claim_next_status(self, lease: Lease, *, agency: str, only_id: int | None = None) -> ReceiptRow | None:
        """Claim the next status that the application was not told of; statuses about one document come in their order.

        Args:
            lease: the worker.
            agency: code of the agency.
            only_id: only this row.
        """
        only_ids = [only_id] if only_id is not None else None
        states = [ReceiptState.CONFIRMED]  # only a confirmed one stays as it is while the application looks at it
        rows = self._tx.leases.claim(
            RECEIPTS, lease, agency=agency, states=states, only_ids=only_ids, where=_UNNOTICED, count_attempt=True
        )
        return ReceiptRow.from_row(rows[0]) if rows else None

    def give_up_hub_doc_id(self, row: ReceiptRow) -> ReceiptRow:
        """Give up the hub's id of a packet, under which the hub has another one now; returns the receipt afterwards.

        Its row, timeline and evidence stay. A confirmation that still waits would meet the other packet: it goes to the
        id that the receipt has from now on, which no hub knows.
        """
        name = f"{row.hub_doc_id}~{row.id}"
        detail = Text(
            f"the hub has another packet under docId {row.hub_doc_id} now; this one is called {name} from here on",
            f"trục nay có gói tin khác với docId {row.hub_doc_id}; từ đây gói tin này mang mã {name}",
        )
        acks = TABLES["outgoing"]
        waiting = [acks.c.receipt_id == row.id, acks.c.kind == CONFIRM, acks.c.state == OutgoingState.READY]
        self._tx.connection.execute(update(acks).where(*waiting).values(hub_doc_id=name))
        renamed = self.record_note(row, detail=detail, hub_doc_id=name)
        self._tx.identities.pop((RECEIPTS.subject, row.id), None)
        return renamed

    def lock_receipt(self, receipt_id: int) -> None:
        """Lock the standing of the answers to a packet, which is read first and written afterwards."""
        self._tx.advisory_lock(f"receipt {receipt_id}")

    def record_note(
        self,
        row: ReceiptRow,
        *,
        detail: Text | str,
        said_with: Authority | None = None,
        stated_at: datetime | None = None,
        **values: Any,
    ) -> ReceiptRow:
        """Record a status code or a request about a receipt without moving it; returns the receipt afterwards.

        Args:
            row: the receipt.
            detail: words for the timeline.
            said_with: who vouches for what came about it; None where nobody does, or nothing came.
            stated_at: the time that it gives itself; None where it gives none.
            values: columns to set.
        """
        (updated,) = _UPDATE_RETURNING_ROW.fetch_all(
            self._tx.connection, {**values, "updated_at": self._tx.now, "row_id": row.id}
        )
        self._tx.timeline.record_change(
            RECEIPTS, row.id, old=row.state, new=row.state, detail=detail, authority=said_with, stated_at=stated_at
        )
        return ReceiptRow.from_row(updated)


def _rank_filters(state: str | None, kind: str | None) -> tuple[str, ...]:
    """Rank the filters by how few rows they leave: nearly all are in the last state, and documents or statuses."""
    by_state = state is not None and state not in (ReceiptState.CONFIRMED, ReceiptState.HANDLED)
    by_kind = kind is not None and kind not in (_USUAL_KIND, STATUS)
    early = [name for name, is_rare in (("state", by_state), ("kind", by_kind)) if is_rare]
    return ("number", *early, "sender", *(name for name in ("kind", "state") if name not in early))


def build_downloadable_condition() -> ColumnElement[bool]:
    """Build the condition that a packet may be downloaded.

    A status is taken in after what its sender offered before it: 01 before 03, a document before its taking back. What
    failed by itself a second time holds up nothing any more.
    """
    earlier = TABLE.alias("earlier")
    before = and_(
        earlier.c.agency == TABLE.c.agency,
        earlier.c.state == ReceiptState.LISTED,
        earlier.c.offered_by == TABLE.c.offered_by,
        earlier.c.id < TABLE.c.id,
        earlier.c.attempts <= _HOLDS_UP_TRIES,
    )
    return or_(TABLE.c.message_type == EDOC, ~exists().where(before))


def build_unnoticed_condition() -> ColumnElement[bool]:
    """Build the condition that a status is the first about its document that the application was not told of."""
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


_UNNOTICED = build_unnoticed_condition()
