"""Packets that we send."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
    true,
    update,
)

from .._core import LONE_HUB, Page, Text
from ..errors import DocumentIdConflict
from ._sql import (
    TABLES,
    CompiledStatement,
    UtcTime,
    build_newest_first_query,
    build_query_by_id,
    match_columns,
    match_nothing,
    split_keys,
)
from .listing import PageRequest, get_time_key, hide_from_index, match_number, match_times, select_newest_page
from .rows import DeliveryRow
from .state_machine import DELIVERIES, DeliveryState
from .status_rules import Authority
from .transitions import Condition, LeaseLost
from .work import Lease, build_hub_condition

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["deliveries"]
RECIPIENTS_TABLE = TABLES["delivery_recipients"]
TARGETS_TABLE = TABLES["delivery_targets"]

EXPIRED = "expired"
"""What the timeline of a delivery says when its deadline ran out."""

# Made once: every document needs them.
_DELIVERY_IDS: BindParameter[Any] = bindparam("delivery_ids", expanding=True)
_NEWEST_OF_AGENCY = select(TABLE).where(TABLE.c.agency == bindparam("agency")).order_by(TABLE.c.id.desc()).limit(1)
_SELECT_BY_DOCUMENT_ID = CompiledStatement(_NEWEST_OF_AGENCY.where(TABLE.c.document_id == bindparam("document_id")))
_SELECT_BY_ID = CompiledStatement(build_query_by_id(TABLE))
_TARGETS_QUERY = (
    select(TARGETS_TABLE).where(TARGETS_TABLE.c.delivery_id.in_(_DELIVERY_IDS)).order_by(TARGETS_TABLE.c.id)
)
_SELECT_DEADLINES_DUE = CompiledStatement(
    select(TABLE)
    .where(TABLE.c.agency == bindparam("agency"), TABLE.c.deadline_due <= bindparam("now", type_=UtcTime()))
    .order_by(TABLE.c.deadline_due)
    .limit(bindparam("limit"))
)
_INSERT_RECIPIENTS = CompiledStatement(insert(RECIPIENTS_TABLE))
_OTHER_DELIVERY = TABLE.alias("other")
_HUB_DOC_ID_IS_FREE = ~exists().where(
    _OTHER_DELIVERY.c.agency == bindparam("row_agency"),
    _OTHER_DELIVERY.c.hub_doc_id == bindparam("new_hub_doc_id"),
    _OTHER_DELIVERY.c.id != bindparam("row_id"),
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
        hub: name of the hub that it is to be sent over.
        deadline: until when it is to be with every recipient, UTC.
        deadline_due: when that is looked at: the same time.
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
    hub: str = LONE_HUB
    deadline: datetime | None = None
    deadline_due: datetime | None = None


_COLUMNS = tuple(field.name for field in fields(NewDelivery) if field.name in TABLE.c)


@dataclass(slots=True, eq=False)
class Deliveries:
    """Keeps the packets that we send.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def add(self, new: NewDelivery, *, due_at: datetime | None = None) -> DeliveryRow:
        """Store a delivery, ``ready``.

        Args:
            new: the delivery.
            due_at: from when on anybody may send it; at once where it is left out.

        Raises:
            DocumentIdConflict: the DocumentId is taken by other content.
        """
        values = {name: getattr(new, name) for name in _COLUMNS} | {"next_attempt_at": due_at or self._tx.now}
        recipients, target_ids = new.recipients, new.targets
        inserted = self._tx.transitions.insert_row_once(
            DELIVERIES, values, unique_columns=("agency", "document_id"), state=DeliveryState.READY
        )
        if inserted is None:
            known = self.find_by_document_id(new.agency, new.document_id)
            return self.add(new, due_at=due_at) if known is None else require_same_document(known, new.fingerprint)
        delivery_id = int(inserted["id"])
        rows = _build_recipient_rows(delivery_id, new.agency, inserted["created_at"], recipients)
        _INSERT_RECIPIENTS.execute_many(self._tx.connection, rows)
        for document_id in target_ids:
            self._tx.connection.execute(insert(TARGETS_TABLE).values(delivery_id=delivery_id, document_id=document_id))
        return DeliveryRow.from_row(inserted)

    def replace_failed_document(self, row: DeliveryRow, new: NewDelivery, *, detail: Text | str, **values: Any) -> None:
        """Put another document in the place of one that failed, ``ready``; the row, its timeline and its id stay.

        Args:
            row: the delivery, whose document the hub never took.
            new: the document as it is now.
            detail: words for the timeline.
            values: further columns to set.

        Raises:
            LeaseLost: somebody else moved it.
        """
        columns = {name: getattr(new, name) for name in _COLUMNS} | {"next_attempt_at": self._tx.now, "asked": 0}
        self.move(row, DeliveryState.READY, detail=detail, **columns | values)
        self._tx.connection.execute(delete(RECIPIENTS_TABLE).where(RECIPIENTS_TABLE.c.delivery_id == row.id))
        self._tx.connection.execute(delete(TARGETS_TABLE).where(TARGETS_TABLE.c.delivery_id == row.id))
        rows = _build_recipient_rows(row.id, row.agency, row.created_at, new.recipients)
        self._tx.connection.execute(insert(RECIPIENTS_TABLE), rows)
        for document_id in new.targets:
            self._tx.connection.execute(insert(TARGETS_TABLE).values(delivery_id=row.id, document_id=document_id))

    def set_deadline(self, row: DeliveryRow, deadline: datetime) -> None:
        """Set another deadline, which has not run out: until when it is to be with every recipient, UTC."""
        values = {"deadline": deadline, "deadline_due": deadline, "expired_at": None}
        self._tx.connection.execute(update(TABLE).where(TABLE.c.id == row.id).values(values))
        words = f"{deadline:%Y-%m-%d %H:%M} UTC"
        self._tx.timeline.record_change(
            DELIVERIES, row.id, old=row.state, new=row.state, detail=Text(f"deadline {words}", f"hạn gửi {words}")
        )

    def list_deadlines_due(self, agency: str, *, limit: int) -> list[DeliveryRow]:
        """List the deliveries whose deadline is over and was not looked at to the end, the earliest first."""
        values = {"agency": agency, "now": self._tx.now, "limit": limit}
        return list(map(DeliveryRow.from_row, _SELECT_DEADLINES_DUE.fetch_all(self._tx.connection, values)))

    def mark_expired(self, row: DeliveryRow, *, detail: Text) -> None:
        """Mark a delivery whose deadline ran out before it was with every recipient; its state stays."""
        self._tx.connection.execute(update(TABLE).where(TABLE.c.id == row.id).values(expired_at=self._tx.now))
        self._tx.timeline.record_change(DELIVERIES, row.id, old=row.state, new=EXPIRED, detail=detail)

    def close_deadline(self, row: DeliveryRow) -> None:
        """Note that the deadline was looked at to the end."""
        same = and_(TABLE.c.id == row.id, TABLE.c.deadline_due == row.deadline_due)
        self._tx.connection.execute(update(TABLE).where(same).values(deadline_due=None))

    def list_silent(
        self, agency: str, *, sent_after: datetime, sent_before: datetime, limit: int, hub: str = LONE_HUB
    ) -> list[DeliveryRow]:
        """List the documents that a hub took between two times, and of which nobody reported anything."""
        is_silent = exists().where(
            RECIPIENTS_TABLE.c.delivery_id == TABLE.c.id,
            RECIPIENTS_TABLE.c.last_code.is_(None),
            RECIPIENTS_TABLE.c.refused_at.is_(None),
        )
        then = and_(TABLE.c.sent_at > sent_after, TABLE.c.sent_at < sent_before)
        query = select(TABLE).where(TABLE.c.agency == agency, TABLE.c.state == DeliveryState.SENT, then, is_silent)
        query = query.where(TABLE.c.hub == hub)
        ordered = query.order_by(TABLE.c.sent_at.desc()).limit(limit)
        return [DeliveryRow.from_row(row) for row in self._tx.connection.execute(ordered).mappings()]

    def find_by_document_id(self, agency: str, document_id: str) -> DeliveryRow | None:
        """Find the delivery of a document."""
        found = _SELECT_BY_DOCUMENT_ID.fetch_first(self._tx.connection, {"agency": agency, "document_id": document_id})
        return None if found is None else DeliveryRow.from_row(found)

    def get_by_id(self, row_id: int) -> DeliveryRow:
        """Get the delivery with this key, which must exist."""
        return DeliveryRow.from_row(_SELECT_BY_ID.fetch_all(self._tx.connection, {"row_id": row_id})[0])

    def find_all(self, agency: str, *, limit: int | None = None, **values: Any) -> list[DeliveryRow]:
        """Find an agency's deliveries whose columns have some values, newest first."""
        if match_nothing(values):
            return []
        return self._select_newest(agency, *match_columns(TABLE, values), limit=limit)

    def _select_newest(self, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[DeliveryRow]:
        query = build_newest_first_query(TABLE, agency, *where).limit(limit)
        return [DeliveryRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def list_page(
        self,
        agency: str,
        *,
        state: str | None = None,
        recipient: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        number: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> Page[DeliveryRow]:
        """List a page of an agency's deliveries, newest first, along an index however many there are.

        Args:
            agency: code of the agency.
            state: only those in this state.
            recipient: only those to this organisation.
            since: only those stored then or later.
            until: only those stored before.
            number: only those with this number and notation, or this number.
            limit: rows at most.
            after: the cursor of the page before.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is none of this list.
        """
        filters = {"state": state, "recipient": recipient, "since": since, "until": until, "number": number}
        request = PageRequest.parse("deliveries", agency, filters, limit=limit, after=after, by_time=True)
        if recipient is not None and number is None and state in (None, DeliveryState.SENT):
            query = self._select_to_recipient(request, agency, recipient, state=state, since=since, until=until)
        else:
            where = [TABLE.c.agency == agency, *match_times(TABLE.c.created_at, since, until)]
            where += self._match_filters(state=state, recipient=recipient, number=number)
            query = select_newest_page(select(TABLE).where(*where), request, TABLE.c.created_at, TABLE.c.id)
        rows = [DeliveryRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]
        return request.build_page(rows, get_time_key)

    def _select_to_recipient(
        self, request: PageRequest, agency: str, recipient: str, *, state: str | None, since: Any, until: Any
    ) -> Select[Any]:
        """Select a page along the index of recipients: nearly all of an organisation's deliveries are in the state."""
        columns = RECIPIENTS_TABLE.c
        query = select(TABLE).join_from(RECIPIENTS_TABLE, TABLE, columns.delivery_id == TABLE.c.id)
        query = query.where(columns.agency == agency, columns.organ_id == recipient)
        query = query.where(*match_times(columns.created_at, since, until))
        if state is not None:
            query = query.where(hide_from_index(TABLE.c.state) == state)
        return select_newest_page(query, request, columns.created_at, columns.delivery_id)

    def _match_filters(
        self, *, state: str | None, recipient: str | None, number: str | None
    ) -> list[ColumnElement[bool]]:
        """Build the conditions of filters; only the one that leaves the fewest rows is for an index to find."""
        where: list[ColumnElement[bool]] = []
        if number is not None:
            is_postgresql = self._tx.connection.dialect.name == "postgresql"
            where += match_number(TABLE.c.code, number, is_postgresql=is_postgresql)
        if state is not None:
            where.append((TABLE.c.state if number is None else hide_from_index(TABLE.c.state)) == state)
        if recipient is not None:
            goes_there = [RECIPIENTS_TABLE.c.delivery_id == TABLE.c.id, RECIPIENTS_TABLE.c.organ_id == recipient]
            where.append(exists().where(*goes_there))
        return where

    def list_issued_between(self, agency: str, first: date, last: date, *, business: str) -> list[DeliveryRow]:
        """List the deliveries of a kind whose documents were promulgated on some days, newest first.

        Args:
            agency: code of the agency.
            first: the first day.
            last: the last day.
            business: the kind.
        """
        days = TABLE.c.issued_on.between(first, last)
        return self._select_newest(agency, days, TABLE.c.business == business)

    def list_changes_to(self, agency: str, document_id: str, business: str | None = None) -> list[DeliveryRow]:
        """List the packets that ask to recall, update or replace a document of ours, newest first."""
        # Few rows act on a document. SQLite would look for them among all of the agency's, if an index had these.
        targets = select(TARGETS_TABLE.c.delivery_id).where(TARGETS_TABLE.c.document_id == document_id)
        query = select(TABLE).where(TABLE.c.id.in_(targets), TABLE.c.agency + "" == agency).order_by(TABLE.c.id.desc())
        if business is not None:
            query = query.where(TABLE.c.business + "" == business)
        return [DeliveryRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def load_targets(self, delivery_ids: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
        """Load the documents that some deliveries act on, by the delivery's key."""
        found: dict[int, list[str]] = {delivery_id: [] for delivery_id in delivery_ids}
        if not delivery_ids:
            return {}
        for chunk in split_keys(delivery_ids):
            for row in self._tx.connection.execute(_TARGETS_QUERY, {"delivery_ids": chunk}).mappings():
                found[row["delivery_id"]].append(row["document_id"])
        return {delivery_id: tuple(ids) for delivery_id, ids in found.items()}

    def find_by_hub_doc_id(self, agency: str, hub_doc_id: str) -> DeliveryRow | None:
        """Find the delivery that the hub knows under an id."""
        return next(iter(self.find_all(agency, hub_doc_id=hub_doc_id, limit=1)), None)

    def list_departed(
        self, row: DeliveryRow, organ_ids: Collection[str], *, since: datetime | None
    ) -> list[DeliveryRow]:
        """List the other deliveries over a hub to any of some organisations that left, or may have, newest first.

        Args:
            row: the delivery.
            organ_ids: the organisations.
            since: only those that were sent since then, and those that are not settled.
        """
        is_recent = true() if since is None else TABLE.c.sent_at >= since
        is_unsettled = TABLE.c.state.in_([str(DeliveryState.SENDING), str(DeliveryState.UNKNOWN)])
        has_left = or_(is_recent, and_(TABLE.c.sent_at.is_(None), or_(TABLE.c.attempts > 0, is_unsettled)))
        goes_there = exists().where(
            RECIPIENTS_TABLE.c.delivery_id == TABLE.c.id, RECIPIENTS_TABLE.c.organ_id.in_(sorted(organ_ids))
        )
        is_there = TABLE.c.hub == row.hub
        return self._select_newest(row.agency, TABLE.c.id != row.id, has_left, goes_there, is_there)

    def move(
        self, row: DeliveryRow, new: DeliveryState, *, detail: Text | str = "", cause: Text | None = None, **values: Any
    ) -> None:
        """Move a delivery as its holder; a stale holder is fenced off.

        Raises:
            LeaseLost: somebody else moved or took it.
        """
        self._tx.transitions.move(
            DELIVERIES, row.id, old=row.state, new=new, fencing_token=row.fence, detail=detail, cause=cause, **values
        )

    def mark_sent(self, row: DeliveryRow, doc_id: str | None, *, detail: Text | str, **values: Any) -> bool:
        """Mark a delivery as sent, as its holder, unless the hub's id is another delivery's.

        Returns:
            Whether it was marked.

        Raises:
            LeaseLost: somebody else moved or took it.
        """
        where = Condition(_HUB_DOC_ID_IS_FREE, {"row_agency": row.agency, "new_hub_doc_id": doc_id}) if doc_id else None
        columns = {"hub_doc_id": doc_id, "sent_at": self._tx.now, **values}
        try:
            self._tx.transitions.move(
                DELIVERIES,
                row.id,
                old=row.state,
                new=DeliveryState.SENT,
                fencing_token=row.fence,
                detail=detail,
                condition=where,
                **columns,
            )
        except LeaseLost:
            other = self.find_by_hub_doc_id(row.agency, doc_id) if doc_id else None
            if other is None or other.id == row.id:
                raise
            return False
        return True

    def record_note(
        self,
        delivery: DeliveryRow,
        *,
        detail: Text,
        actor: str,
        authority: Authority | None = None,
        stated_at: datetime | None = None,
    ) -> None:
        """Record in a delivery's timeline what came about it and changes nothing.

        Args:
            delivery: the delivery.
            detail: what came, and why it changes nothing.
            actor: who says that it is of them.
            authority: who vouches for it; None where nobody does.
            stated_at: the time that it gives itself; None where it gives none.
        """
        self._tx.timeline.record_change(
            DELIVERIES,
            delivery.id,
            old=delivery.state,
            new=delivery.state,
            detail=detail,
            actor=actor,
            authority=authority,
            stated_at=stated_at,
        )

    def claim_known(self, row: DeliveryRow, lease: Lease, *, hub: str = LONE_HUB) -> DeliveryRow:
        """Claim a delivery, which was never sent, as its caller knows it.

        Args:
            row: the delivery.
            lease: the worker.
            hub: name of the hub that it is sent to.

        Raises:
            LeaseLost: somebody else has claimed it by now.
        """
        also = {} if row.hub == hub else {"hub": hub}
        changed = self._tx.leases.claim_from_state(
            DELIVERIES, lease, row.id, state=row.state, fencing_token=row.fence, **also
        )
        return replace(row, **changed)

    def claim_next(
        self,
        lease: Lease,
        *,
        agency: str,
        states: Collection[str] = (DeliveryState.READY, DeliveryState.UNKNOWN),
        only_due: bool = True,
        after_id: int = 0,
        only_id: int | None = None,
        longest_due_first: bool = False,
        hub: str | None = None,
        is_sending: bool = True,
    ) -> DeliveryRow | None:
        """Claim the next delivery that waits, or one of them.

        Args:
            lease: the worker.
            agency: code of the agency.
            states: the states to look in.
            only_due: only those whose next attempt is due.
            after_id: only rows with a greater key.
            only_id: only this row.
            longest_due_first: see `Leases.claim`.
            hub: name of the hub that it is sent to, where an agency has several: only what that may get or has.
            is_sending: whether that is the hub that sends now.
        """
        conditions = [] if only_id is None else [TABLE.c.id == only_id]
        conditions += [] if hub is None else [build_hub_condition(DELIVERIES, hub, is_sending=is_sending)]
        where = None if not conditions else conditions[0] if len(conditions) == 1 else and_(*conditions)
        rows = self._tx.leases.claim(
            DELIVERIES,
            lease,
            agency=agency,
            states=states,
            where=where,
            only_due=only_due,
            after_id=after_id,
            longest_due_first=longest_due_first,
            hub=hub,
        )
        return DeliveryRow.from_row(rows[0]) if rows else None


def require_same_document(known: DeliveryRow, fingerprint: str) -> DeliveryRow:
    """Require that a document is the one that a delivery holds.

    Args:
        known: the delivery.
        fingerprint: hash of the document's content.

    Raises:
        DocumentIdConflict: its content is another.
    """
    if known.fingerprint == fingerprint:
        return known
    raise DocumentIdConflict(
        f"another document was stored under the id {known.document_id} on {known.created_at:%Y-%m-%d}: "
        "give this one its own id, number or date, or send it as an update or replacement.",
        vi=f"Mã văn bản {known.document_id} đã dùng cho một văn bản khác ngày {known.created_at:%d/%m/%Y}: "
        "hãy đặt mã, số hoặc ngày khác, hoặc gửi dưới dạng cập nhật, thay thế.",
    )


def _build_recipient_rows(
    delivery_id: int, agency: str, created_at: datetime, recipients: Iterable[tuple[str, str]]
) -> list[dict[str, Any]]:
    common = {"delivery_id": delivery_id, "agency": agency, "created_at": created_at}
    return [common | {"organ_id": organ_id, "name": name} for organ_id, name in recipients]
