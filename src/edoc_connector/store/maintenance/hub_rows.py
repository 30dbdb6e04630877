"""What an agency still has at one of its hubs, and what keeps that hub from being left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Table, and_, bindparam, exists, func, not_, or_, select

from .._sql import TABLES, CompiledStatement
from ..rows import CONFIRM
from ..state_machine import DeliveryState, OutgoingState, ReceiptState

if TYPE_CHECKING:
    from ..transaction import Tx

_DELIVERIES, _OUTGOING, _RECEIPTS = (TABLES[name] for name in ("deliveries", "outgoing", "receipts"))
_RECIPIENTS = TABLES["delivery_recipients"]

_IS_CONFIRMATION = _OUTGOING.c.kind == CONFIRM
_IS_IN_DOUBT = _OUTGOING.c.state.in_([str(OutgoingState.SENDING), str(OutgoingState.UNKNOWN)])
_IS_PENDING = or_(_OUTGOING.c.state == str(OutgoingState.READY), _IS_IN_DOUBT)

# The rows that keep a hub, by the name of the count in `HubHoldings`.
_KEEPING: dict[str, tuple[Table, ColumnElement[bool]]] = {
    "listed": (
        _RECEIPTS,
        or_(
            _RECEIPTS.c.state == str(ReceiptState.LISTED),
            and_(_RECEIPTS.c.state == str(ReceiptState.QUARANTINED), _RECEIPTS.c.refetch),
        ),
    ),
    "unhandled": (_RECEIPTS, _RECEIPTS.c.state.in_([str(ReceiptState.WAITING), str(ReceiptState.HANDLING)])),
    "unconfirmed": (_OUTGOING, and_(_IS_CONFIRMATION, _IS_PENDING)),
    "unreported": (_OUTGOING, and_(not_(_IS_CONFIRMATION), _OUTGOING.c.is_tied, _IS_PENDING)),
    "undecided_documents": (
        _DELIVERIES,
        _DELIVERIES.c.state.in_([str(DeliveryState.SENDING), str(DeliveryState.UNKNOWN)]),
    ),
    "undecided_statuses": (_OUTGOING, and_(not_(_IS_CONFIRMATION), not_(_OUTGOING.c.is_tied), _IS_IN_DOUBT)),
}


_OPEN_HUBS = [
    CompiledStatement(select(table.c.hub).where(table.c.agency == bindparam("agency"), where).distinct())
    for table, where in _KEEPING.values()
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubHoldings:
    """What is open at a hub, counted.

    Args:
        listed: packets that it offers and that were not downloaded.
        unhandled: packets of it that the application has to handle before they are confirmed.
        unconfirmed: confirmations that it was not told yet.
        unreported: statuses that only it can be told, and was not.
        undecided_documents: documents that it may have, or not.
        undecided_statuses: statuses that it may have, or not.
        unanswered: documents that it took and of which a recipient has reported nothing; these keep it from nothing.
    """

    listed: int = 0
    unhandled: int = 0
    unconfirmed: int = 0
    unreported: int = 0
    undecided_documents: int = 0
    undecided_statuses: int = 0
    unanswered: int = 0

    @property
    def keeps_hub(self) -> bool:
        """Whether something is open for which the hub is needed."""
        return any(getattr(self, one.name) for one in fields(self) if one.name in _KEEPING)


@dataclass(slots=True, eq=False)
class HubRows:
    """Counts what an agency has at its hubs.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def count(self, agency: str, hub: str) -> HubHoldings:
        """Count what is open at a hub."""
        counts = {name: self._count(table, agency, hub, where) for name, (table, where) in _KEEPING.items()}
        is_silent = exists().where(
            _RECIPIENTS.c.delivery_id == _DELIVERIES.c.id,
            _RECIPIENTS.c.last_code.is_(None),
            _RECIPIENTS.c.change.is_(None),
        )
        was_sent = and_(_DELIVERIES.c.state == str(DeliveryState.SENT), is_silent)
        return HubHoldings(**counts, unanswered=self._count(_DELIVERIES, agency, hub, was_sent))

    def find_last_news(self, agency: str, hub: str) -> datetime | None:
        """Find when a hub offered or took something last, UTC; None where it never did."""
        columns = (_RECEIPTS.c.created_at, _RECEIPTS.c.confirmed_at, _DELIVERIES.c.sent_at, _OUTGOING.c.sent_at)
        found: list[datetime | None] = []
        for column in columns:
            query = select(func.max(column)).where(column.table.c.agency == agency, column.table.c.hub == hub)
            found.append(self._tx.connection.execute(query).scalar())
        return max((moment for moment in found if moment is not None), default=None)

    def list_forgotten(self, agency: str, known: Iterable[str]) -> list[str]:
        """List the hubs at which something is open and that are not known any more.

        Args:
            agency: code of the agency.
            known: names of the hubs that are.
        """
        found: set[str] = set()
        for query in _OPEN_HUBS:
            found |= {row["hub"] for row in query.fetch_all(self._tx.connection, {"agency": agency})}
        return sorted(found.difference(known))

    def _count(self, table: Table, agency: str, hub: str, where: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(table).where(table.c.agency == agency, table.c.hub == hub, where)
        return int(self._tx.connection.execute(query).scalar_one())
