"""Confirmations and status packets, queued in the transaction of the change that they report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Boolean,
    ColumnElement,
    CompoundSelect,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
)

from .._core import LONE_HUB, Text
from ._sql import (
    OF_OUR_STATUSES,
    TABLES,
    CompiledStatement,
    Row,
    build_query_by_id,
    match_columns,
    match_nothing,
    split_keys,
)
from .rows import CONFIRM, STATUS, DeliveryRow, OutgoingRow, ReceiptRow
from .spool import SpoolFile
from .state_machine import DELIVERIES, OUTGOING, OutgoingState, StateMachine
from .status_rules import TAKE_BACK_CODE
from .transitions import HeldRow
from .work import Lease, build_hub_condition

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["outgoing"]

_SELECT_BY_ID = CompiledStatement(build_query_by_id(TABLE))
_PENDING_STATES = (OutgoingState.READY, OutgoingState.SENDING, OutgoingState.UNKNOWN)
_IS_UNSETTLED = TABLE.c.state.in_([str(OutgoingState.SENDING), str(OutgoingState.UNKNOWN)])

_LATER = TABLE.alias("later")
_IS_REFUSED = and_(
    TABLE.c.state == OutgoingState.FAILED,
    TABLE.c.error_code.is_not(None),
    ~exists().where(
        _LATER.c.agency == TABLE.c.agency,
        _LATER.c.lane == TABLE.c.lane,
        _LATER.c.id > TABLE.c.id,
        _LATER.c.state == OutgoingState.SENT,
    ),
)
_COUNT_REFUSED = CompiledStatement(
    select(TABLE.c.kind, func.count().label("refused"))
    .where(TABLE.c.agency == bindparam("agency"), _IS_REFUSED)
    .group_by(TABLE.c.kind)
)
_DELIVERIES, _RECEIPTS = TABLES["deliveries"], TABLES["receipts"]
_IS_STATUS = literal_column(OF_OUR_STATUSES, Boolean)
_DOC_IDS: BindParameter[Any] = bindparam("doc_ids", expanding=True)


def _build_bound_query(is_named: Callable[[ColumnElement[Any]], ColumnElement[bool]]) -> CompoundSelect[Any]:
    return union_all(
        select(literal(OUTGOING.subject).label("subject"), TABLE.c.id, TABLE.c.hub_doc_id, TABLE.c.state).where(
            TABLE.c.agency == bindparam("agency"), is_named(TABLE.c.hub_doc_id), _IS_STATUS
        ),
        select(literal(DELIVERIES.subject), _DELIVERIES.c.id, _DELIVERIES.c.hub_doc_id, _DELIVERIES.c.state).where(
            _DELIVERIES.c.agency == bindparam("agency"), is_named(_DELIVERIES.c.hub_doc_id)
        ),
    )


_SELECT_BOUND = _build_bound_query(lambda doc_id: doc_id.in_(_DOC_IDS))
_SELECT_BOUND_TO_ONE = CompiledStatement(_build_bound_query(lambda doc_id: doc_id == bindparam("doc_id")))


@dataclass(slots=True, eq=False)
class Outgoing:
    """Queues confirmations and status packets.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def enqueue_confirmation(self, receipt: ReceiptRow, outcome: str, *, is_first: bool = False) -> None:
        """Queue the confirmation of a packet, ``done`` or ``fail``; queue it again if the hub offers the packet again.

        Args:
            receipt: the packet's.
            outcome: `DONE` or `FAIL`.
            is_first: whether the receipt came into a state in this transaction before which nobody said this of it.
        """
        lane = _format_confirm_lane(receipt)
        known = None
        if not is_first:
            self._tx.advisory_lock(lane)
            known = next(iter(self.find_all(receipt.agency, lane=lane, code=outcome)), None)
        if known is None:
            values = {"agency": receipt.agency, "kind": CONFIRM, "lane": lane, "receipt_id": receipt.id}
            values |= {"code": outcome, "hub_doc_id": receipt.hub_doc_id, "hub": receipt.hub}
            self._tx.transitions.insert_row(OUTGOING, values, state=OutgoingState.READY)
        elif known.state in {OutgoingState.SENT, OutgoingState.FAILED}:
            self.move(known, OutgoingState.READY, next_attempt_at=self._tx.now)

    def has_queued_confirmation(self, receipt: ReceiptRow, outcome: str) -> bool:
        """Whether a confirmation was ever queued for a packet."""
        return bool(self.find_all(receipt.agency, lane=_format_confirm_lane(receipt), code=outcome, limit=1))

    def enqueue_status(
        self,
        *,
        agency: str,
        code: str,
        recipient: str,
        message: str,
        receipt_id: int | None = None,
        delivery_id: int | None = None,
        hub: str = LONE_HUB,
        is_tied: bool = False,
    ) -> int:
        """Queue a status packet; returns its key.

        Args:
            agency: who says it.
            code: the status code.
            recipient: code of the organisation that it goes to.
            message: the status message as JSON; the packet is built of it when it is first sent.
            receipt_id: the receipt it is about.
            delivery_id: the delivery it is about (13).
            hub: name of the hub that it is to be sent over.
            is_tied: whether no other hub can be told it.
        """
        lane = f"receipt:{receipt_id}" if receipt_id is not None else f"delivery:{delivery_id}:{recipient}"
        values: dict[str, Any] = {"agency": agency, "kind": STATUS, "lane": lane, "code": code, "recipient": recipient}
        values |= {"message": message, "receipt_id": receipt_id, "delivery_id": delivery_id}
        values |= {"hub": hub, "is_tied": is_tied}
        return self._tx.transitions.insert_row(
            OUTGOING, values, state=OutgoingState.READY, detail=f"{code} to {recipient}"
        )

    def claim_batch(
        self,
        lease: Lease,
        *,
        agency: str,
        states: Collection[str] = (OutgoingState.READY, OutgoingState.UNKNOWN),
        only_due: bool = True,
        limit: int = 1,
        after_id: int = 0,
        only_ids: Collection[int] | None = None,
        exclude: Collection[int] = (),
        longest_due_first: bool = False,
        only_kind: str | None = None,
        hub: str | None = None,
        is_sending: bool = True,
    ) -> list[OutgoingRow]:
        """Claim messages whose turn it is.

        Args:
            lease: the worker.
            agency: code of the agency.
            states: the states to look in.
            only_due: only those whose next attempt is due.
            limit: at most so many.
            after_id: only rows with a greater key.
            only_ids: only these rows.
            exclude: not these.
            longest_due_first: see `Leases.claim`.
            only_kind: `CONFIRM` or `STATUS`; both where it is left out.
            hub: name of the hub that they are sent to, where an agency has several: only what that may get or has.
            is_sending: whether that is the hub that sends now.
        """
        where = _build_claim_condition(_TURN_CONDITION, only_kind, hub, is_sending)
        where = and_(where, TABLE.c.id.not_in(sorted(exclude))) if exclude else where
        rows = self._tx.leases.claim(
            OUTGOING,
            lease,
            agency=agency,
            states=states,
            only_ids=only_ids,
            where=where,
            only_due=only_due,
            limit=limit,
            after_id=after_id,
            longest_due_first=longest_due_first,
            hub=hub,
        )
        return [OutgoingRow.from_row(row) for row in rows]

    def record_packets(self, packets: Sequence[tuple[OutgoingRow, SpoolFile]]) -> list[OutgoingRow]:
        """Record the packets that were built for statuses, in the evidence too; these bytes are sent, however often.

        Args:
            packets: the messages, claimed, and their packets.

        Raises:
            LeaseLost: another worker took one of the messages over; nothing was noted.
        """
        values = [{"spool_file": file.name, "sha256": file.sha256} for _, file in packets]
        held_rows = [HeldRow(row.id, row.fence, value) for (row, _), value in zip(packets, values, strict=True)]
        self._tx.transitions.update_all(OUTGOING, held_rows, state=OutgoingState.SENDING)
        for row, _ in packets:  # no move: without this a pack that is made now would name what no entry names
            self._tx.audit_log.record("packet", OUTGOING, row.id, {})
        return [
            replace(row, spool_file=file.name, sha256=file.sha256, updated_at=self._tx.now) for row, file in packets
        ]

    def mark_sent(
        self, rows: Sequence[tuple[OutgoingRow, str | None, str | None]], *, values: Mapping[str, Any]
    ) -> None:
        """Mark messages as sent.

        Args:
            rows: the messages, claimed, the hub's ids of the packets, and those of the recipients' copies.
            values: further columns to set.

        Raises:
            LeaseLost: another worker took one of them over; nothing was noted.
        """
        held_rows = [
            HeldRow(
                row.id,
                row.fence,
                {
                    **values,
                    "sent_at": self._tx.now,
                    "attempts": row.attempts + 1,
                    "hub_doc_id": doc_id,
                    "copy_doc_id": copy_id,
                },
            )
            for row, doc_id, copy_id in rows
        ]
        self._tx.transitions.move_all(OUTGOING, held_rows, old=OutgoingState.SENDING, new=OutgoingState.SENT)

    def get_by_id(self, row_id: int) -> OutgoingRow:
        """Get the message with this key, which must exist."""
        return OutgoingRow.from_row(_SELECT_BY_ID.fetch_all(self._tx.connection, {"row_id": row_id})[0])

    def find_all(self, agency: str, *, limit: int | None = None, **values: Any) -> list[OutgoingRow]:
        """Find an agency's messages whose columns have some values, newest first."""
        if match_nothing(values):
            return []
        return self._select_newest(agency, *match_columns(TABLE, values), limit=limit)

    def find_bound_to_others(self, machine: StateMachine, agency: str, doc_ids: Mapping[int, str]) -> frozenset[int]:
        """Find the messages for which a hub's id was told that another packet of ours has.

        Args:
            machine: what the messages are, deliveries or statuses.
            agency: whose they are.
            doc_ids: the hub's id for each, by its key; of those with the same one all but the first count as others.
        """
        if not doc_ids:
            return frozenset()
        owners = {
            (row["subject"], row["id"], row["hub_doc_id"]) for row in self._select_bound(agency, doc_ids.values())
        }
        bound_keys = set()
        for key, doc_id in doc_ids.items():
            if any(doc_id == taken and (subject, owner) != (machine.subject, key) for subject, owner, taken in owners):
                bound_keys.add(key)
            owners.add((machine.subject, key, doc_id))
        return frozenset(bound_keys)

    def find_owners(self, agency: str, doc_id: str) -> list[DeliveryRow | OutgoingRow]:
        """Find the deliveries and statuses that the hub knows under an id, as far as we were told."""
        return [
            self.get_by_id(row["id"])
            if row["subject"] == OUTGOING.subject
            else self._tx.deliveries.get_by_id(row["id"])
            for row in self._select_bound(agency, [doc_id])
        ]

    def take_id(self, machine: StateMachine, key: int, agency: str, doc_id: str) -> None:
        """Take the hub's id of a message from the others that have it, as the hub was asked whose it is.

        Those stay what they are, under no id.

        Args:
            machine: what the message is, a delivery or a status.
            key: of the message.
            agency: whose it is.
            doc_id: the hub's id of it.
        """
        detail = Text(
            f"docId {doc_id}, which the hub had told for it, is another packet's",
            f"docId {doc_id} do trục trả về thuộc gói tin khác",
        )
        for row in self._select_bound(agency, [doc_id]):
            other = OUTGOING if row["subject"] == OUTGOING.subject else DELIVERIES
            if (other, row["id"]) != (machine, key):
                state = row["state"]
                self._tx.transitions.compare_and_set(other, row["id"], state, None, {"hub_doc_id": None})
                self._tx.timeline.record_change(other, row["id"], old=state, new=state, detail=detail)

    def _select_bound(self, agency: str, doc_ids: Iterable[str]) -> Iterable[Row]:
        """Select the deliveries and statuses that the hub knows under some ids."""
        found = list(doc_ids)
        if len(found) == 1:  # as for each document that is sent
            return _SELECT_BOUND_TO_ONE.fetch_all(self._tx.connection, {"agency": agency, "doc_id": found[0]})
        values = {"agency": agency, "doc_ids": found}
        return self._tx.connection.execute(_SELECT_BOUND, values).mappings().all()

    def list_departed(self, row: OutgoingRow, *, since: datetime | None) -> list[OutgoingRow]:
        """List the other statuses over a hub to the same organisation that left, or may have, newest first.

        Args:
            row: the status.
            since: only those that were sent since then, and those that are not settled.
        """
        is_recent = true() if since is None else TABLE.c.sent_at >= since
        has_left = or_(is_recent, and_(TABLE.c.sent_at.is_(None), or_(TABLE.c.attempts > 0, _IS_UNSETTLED)))
        where = (TABLE.c.kind == STATUS, TABLE.c.recipient == row.recipient, TABLE.c.id != row.id, has_left)
        return self._select_newest(row.agency, *where, TABLE.c.spool_file.is_not(None), TABLE.c.hub == row.hub)

    def list_refused(self, agency: str) -> list[tuple[OutgoingRow, str]]:
        """List the messages that were refused, and it matters, with the document that each is about; oldest first.

        It does not where a later message of the lane got through.
        """
        about = func.coalesce(_DELIVERIES.c.document_id, _RECEIPTS.c.document_id, "").label("about")
        query = select(TABLE, about).select_from(TABLE).where(TABLE.c.agency == agency, _IS_REFUSED)
        query = query.outerjoin(_DELIVERIES, _DELIVERIES.c.id == TABLE.c.delivery_id)
        query = query.outerjoin(_RECEIPTS, _RECEIPTS.c.id == TABLE.c.receipt_id).order_by(TABLE.c.id)
        return [(OutgoingRow.from_row(row), row["about"]) for row in self._tx.connection.execute(query).mappings()]

    def count_refused(self, agency: str) -> dict[str, int]:
        """Count the messages of `list_refused` by their kind."""
        return {
            row["kind"]: row["refused"] for row in _COUNT_REFUSED.fetch_all(self._tx.connection, {"agency": agency})
        }

    def list_refused_about(
        self, agency: str, *, delivery_ids: Collection[int] = (), receipt_ids: Collection[int] = ()
    ) -> list[OutgoingRow]:
        """List the messages about some deliveries and receipts that were refused, as `list_refused`; oldest first."""
        return self._select_about(agency, _IS_REFUSED, delivery_ids=delivery_ids, receipt_ids=receipt_ids)

    def list_about(
        self, agency: str, *, delivery_ids: Collection[int] = (), receipt_ids: Collection[int] = (), **values: Any
    ) -> list[OutgoingRow]:
        """List the messages about some deliveries and receipts whose columns have some values; oldest first."""
        where = match_columns(TABLE, values)
        return self._select_about(agency, *where, delivery_ids=delivery_ids, receipt_ids=receipt_ids)

    def _select_about(
        self, agency: str, *where: ColumnElement[bool], delivery_ids: Collection[int], receipt_ids: Collection[int]
    ) -> list[OutgoingRow]:
        rows: list[OutgoingRow] = []
        for column, keys in ((TABLE.c.delivery_id, delivery_ids), (TABLE.c.receipt_id, receipt_ids)):
            for chunk in split_keys(sorted(set(keys))):
                # For two keys and more SQLite would walk along an index of the agency, through all of its rows.
                query = select(TABLE).where(TABLE.c.agency + "" == agency, column.in_(chunk), *where)
                rows += map(OutgoingRow.from_row, self._tx.connection.execute(query).mappings())
        return sorted(rows, key=lambda row: row.id)

    def requeue_refused(self, receipt: ReceiptRow) -> None:
        """Queue again what was refused about a packet that the hub still offers, if that is due."""
        for row in self.list_refused_about(receipt.agency, receipt_ids=[receipt.id]):
            if row.next_attempt_at <= self._tx.now:
                self.move(row, OutgoingState.READY, next_attempt_at=self._tx.now)

    def settle_answered(self, delivery: DeliveryRow, organ_id: str) -> None:
        """Settle a request to give a document back whose outcome was unknown: it was answered, so the hub had it."""
        wanted: dict[str, Any] = {"delivery_id": delivery.id, "recipient": organ_id, "code": TAKE_BACK_CODE}
        cause = Text(f"{organ_id} answered it: the hub had it", f"{organ_id} đã trả lời nên trục đã có thông báo này")
        values: dict[str, Any] = {"sent_at": self._tx.now, "error_code": None, "error_text": None, "error_vi": None}
        for row in self.find_all(delivery.agency, state=OutgoingState.UNKNOWN, **wanted):
            self._tx.transitions.move(OUTGOING, row.id, old=row.state, new=OutgoingState.SENT, cause=cause, **values)

    def _select_newest(self, agency: str, *where: ColumnElement[bool], limit: int | None = None) -> list[OutgoingRow]:
        query = select(TABLE).where(TABLE.c.agency == agency, *where).order_by(TABLE.c.id.desc()).limit(limit)
        return [OutgoingRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def move(
        self, row: OutgoingRow, new: OutgoingState, *, detail: Text | str = "", cause: Text | None = None, **values: Any
    ) -> None:
        """Move a message as its holder; a stale holder is fenced off.

        Raises:
            LeaseLost: somebody else moved or took it.
        """
        self._tx.transitions.move(
            OUTGOING, row.id, old=row.state, new=new, fencing_token=row.fence, detail=detail, cause=cause, **values
        )


def build_turn_condition() -> ColumnElement[bool]:
    """Build the condition that it is a message's turn: none queued earlier in the same lane is still on its way."""
    earlier = TABLE.alias("earlier")
    pending = earlier.c.state.in_([str(state) for state in _PENDING_STATES])
    return ~exists().where(and_(earlier.c.lane == TABLE.c.lane, earlier.c.id < TABLE.c.id, pending))


_TURN_CONDITION = build_turn_condition()


@cache
def _build_claim_condition(
    turn: ColumnElement[bool], only_kind: str | None, hub: str | None, is_sending: bool
) -> ColumnElement[bool]:
    """Build the condition of `Outgoing.claim_batch`; always the same object."""
    conditions = [turn]
    conditions += [] if hub is None else [build_hub_condition(OUTGOING, hub, is_sending=is_sending)]
    conditions += [] if only_kind is None else [TABLE.c.kind == only_kind]
    return and_(*conditions)


def _format_confirm_lane(receipt: ReceiptRow) -> str:
    return f"confirm:{receipt.id}"
