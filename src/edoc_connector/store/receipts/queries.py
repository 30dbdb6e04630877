"""Queries for packets that came in: finding and listing them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    Select,
    bindparam,
    exists,
    literal_column,
    or_,
    select,
    text,
)

from ..._core import LONE_HUB, Page
from .._sql import (
    OF_STATUSES,
    SHOWN_WITHOUT_STATUSES,
    TABLES,
    UNCONFIRMED,
    UNUSUAL_KIND,
    CompiledStatement,
    UtcTime,
    build_newest_first_query,
    build_query_by_id,
    match_columns,
    match_nothing,
)
from ..listing import PageRequest, get_time_key, hide_from_index, match_number, match_times, select_newest_page
from ..rows import EDOC, STATUS, ReceiptRow
from ..state_machine import ReceiptState
from .conditions import (
    EFFECTIVE_STATES,
    ENTERED_STATES,
    TABLE,
    build_downloadable_condition,
    match_unanswered,
)

if TYPE_CHECKING:
    from ..transaction import Tx

_USUAL_KIND = "new"

# Made once: every packet needs them.
_NEWEST_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("agency")).order_by(TABLE.c.id.desc()).limit(1)
_SELECT_BY_ID = CompiledStatement(build_query_by_id(TABLE))
_NOW = bindparam("now", type_=UtcTime())
_DUE_AT_HUB = (
    select(TABLE)
    .where(TABLE.c.agency == bindparam("agency"), TABLE.c.next_attempt_at <= _NOW, TABLE.c.hub == bindparam("hub"))
    .order_by(TABLE.c.next_attempt_at, TABLE.c.id)
    .limit(bindparam("limit"))
)
_SELECT_REFETCHABLE = CompiledStatement(_DUE_AT_HUB.where(TABLE.c.refetch, TABLE.c.state == ReceiptState.QUARANTINED))
_SUBJECT, _SENT = TABLE.alias(), TABLES["deliveries"]
_IS_SUBJECT_HERE = or_(
    exists().where(_SENT.c.agency == TABLE.c.agency, _SENT.c.document_id == TABLE.c.document_id),
    exists().where(
        _SUBJECT.c.agency == TABLE.c.agency,
        _SUBJECT.c.document_id == TABLE.c.document_id,
        _SUBJECT.c.message_type == EDOC,
    ),
)
_SELECT_UNKNOWN_SUBJECTS = CompiledStatement(
    select(TABLE.c.document_id)
    .where(
        TABLE.c.agency == bindparam("agency"),
        TABLE.c.created_at >= bindparam("since", type_=UtcTime()),
        TABLE.c.message_type == STATUS,
        TABLE.c.state.in_([*ENTERED_STATES, ReceiptState.QUARANTINED]),
        TABLE.c.document_id.is_not(None),
        TABLE.c.document_id != "",
        ~_IS_SUBJECT_HERE,
    )
    .group_by(TABLE.c.document_id)
    .order_by(TABLE.c.document_id)
)
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
# The code leaves the fewest rows; an index of another column finds more.
_SELECT_OF_CODE = CompiledStatement(
    select(TABLE)
    .where(
        TABLE.c.agency == bindparam("agency"),
        TABLE.c.code == bindparam("code"),
        hide_from_index(TABLE.c.business) == _USUAL_KIND,
        hide_from_index(TABLE.c.state).in_(EFFECTIVE_STATES),
    )
    .order_by(TABLE.c.id)
)
_IS_STATUS = literal_column(OF_STATUSES, Boolean)
_IS_UNCONFIRMED = literal_column(UNCONFIRMED, Boolean)
_IS_OF_UNUSUAL_KIND = literal_column(UNUSUAL_KIND, Boolean)
_SELECT_SAME_STATUSES = _ROWS_OF_AGENCY.where(TABLE.c.fingerprint.in_(_ANY_OF), _IS_STATUS)


@dataclass(slots=True, eq=False)
class ReceiptQueries:
    """Finds and lists the packets that came in; moves none.

    Args:
        tx: the transaction.
    """

    _tx: Tx

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
        if match_nothing(values):
            return []
        return self._select_newest(agency, *match_columns(TABLE, values), limit=limit)

    def list_unanswered(self, agency: str, *, received_before: datetime, limit: int) -> list[ReceiptRow]:
        """List the documents that came before a time and that nobody accepted or rejected, the oldest first."""
        conditions = match_unanswered(received_before)
        query = select(TABLE).where(TABLE.c.agency == agency, *conditions)
        ordered = query.order_by(TABLE.c.created_at, TABLE.c.id).limit(limit)
        return [ReceiptRow.from_row(row) for row in self._tx.connection.execute(ordered).mappings()]

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
            "state": [TABLE.c.state == state, *([] if state == ReceiptState.CONFIRMED else [_IS_UNCONFIRMED])],
            "kind": [
                TABLE.c.business.is_(None) if business is None else TABLE.c.business == business,
                *([] if kind == _USUAL_KIND else [_IS_OF_UNUSUAL_KIND]),
            ],
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

    def list_of_code(self, agency: str, code: str) -> list[ReceiptRow]:
        """List the copies that count of new documents with a number and notation, of every sender, oldest first."""
        found = _SELECT_OF_CODE.fetch_all(self._tx.connection, {"agency": agency, "code": code})
        return [ReceiptRow.from_row(row) for row in found]

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
        rows = _SELECT_UNKNOWN_SUBJECTS.fetch_all(self._tx.connection, {"agency": agency, "since": since})
        return [row["document_id"] for row in rows]

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

    def list_downloadable(
        self, agency: str, *, only_id: int | None, limit: int, hub: str = LONE_HUB
    ) -> list[ReceiptRow]:
        """List packets that are due to be downloaded and that nobody holds, those that wait the longest first.

        Args:
            agency: code of the agency.
            only_id: only this row.
            limit: at most so many.
            hub: name of the hub that offers them.
        """
        values = {"agency": agency, "hub": hub, "now": self._tx.now, "limit": limit}
        values |= {"only_id": only_id} if only_id is not None else {}
        rows = _compile_downloadable_query(only_id is not None).fetch_all(self._tx.connection, values)
        return list(map(ReceiptRow.from_row, rows))

    def list_due_ids(self, agency: str, message_type: str, *, hub: str = LONE_HUB) -> list[int]:
        """List the keys of a hub's packets of a kind that are due to be downloaded, in order; those held too."""
        where = [
            TABLE.c.agency == agency,
            TABLE.c.state == ReceiptState.LISTED,
            TABLE.c.next_attempt_at <= self._tx.now,
            TABLE.c.message_type == message_type,
            TABLE.c.hub == hub,
        ]
        return list(self._tx.connection.execute(select(TABLE.c.id).where(*where).order_by(TABLE.c.id)).scalars())

    def list_refetchable(self, agency: str, *, limit: int, hub: str = LONE_HUB) -> list[ReceiptRow]:
        """List packets that were set aside and are due to be downloaded once more by themselves.

        Args:
            agency: code of the agency.
            limit: at most so many, those that wait the longest first.
            hub: name of the hub that offers them.
        """
        values = {"agency": agency, "hub": hub, "now": self._tx.now, "limit": limit}
        return list(map(ReceiptRow.from_row, _SELECT_REFETCHABLE.fetch_all(self._tx.connection, values)))

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


@cache
def _compile_downloadable_query(single: bool) -> CompiledStatement:
    """Compile the query of `list_downloadable`, or that for the row with ``only_id``."""
    is_free = or_(TABLE.c.lease_until.is_(None), TABLE.c.lease_until <= _NOW)
    query = _DUE_AT_HUB.where(TABLE.c.state == ReceiptState.LISTED, is_free, build_downloadable_condition())
    return CompiledStatement(query.where(TABLE.c.id == bindparam("only_id")) if single else query)


def _rank_filters(state: str | None, kind: str | None) -> tuple[str, ...]:
    """Rank the filters by how few rows they leave: nearly all are in the last state, and documents or statuses."""
    by_state = state is not None and state not in (ReceiptState.CONFIRMED, ReceiptState.HANDLED)
    by_kind = kind is not None and kind not in (_USUAL_KIND, STATUS)
    early = [name for name, is_rare in (("state", by_state), ("kind", by_kind)) if is_rare]
    return ("number", *early, "sender", *(name for name in ("kind", "state") if name not in early))
