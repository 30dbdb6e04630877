"""Counts of what an operator has to know: what is open, late or set aside, and how long the oldest message waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, bindparam, exists, func, or_, select

from .._sql import TABLES, CompiledStatement, UtcTime
from ..receipts import build_unanswered_conditions, find_earliest_unanswered
from ..state_machine import DELIVERIES, OUTGOING, RECEIPTS, DeliveryState, ReceiptState

if TYPE_CHECKING:
    from ..transaction import Tx

_DELIVERIES = TABLES[DELIVERIES.table_name]
_OUTGOING = TABLES[OUTGOING.table_name]
_RECEIPTS = TABLES[RECEIPTS.table_name]
_RECIPIENTS = TABLES["delivery_recipients"]

# of documents, and, under the same names, of statuses and confirmations
_UNSENT_STATES = (DeliveryState.READY, DeliveryState.SENDING, DeliveryState.UNKNOWN)


_SINCE, _UNTIL = bindparam("since", type_=UtcTime()), bindparam("until", type_=UtcTime())
_IS_OF_DELIVERY = _RECIPIENTS.c.delivery_id == _DELIVERIES.c.id
_IS_UNREPORTED = exists().where(_IS_OF_DELIVERY, _RECIPIENTS.c.last_code.is_(None))
_IS_SILENT = exists().where(_IS_OF_DELIVERY, _RECIPIENTS.c.last_code.is_(None), _RECIPIENTS.c.change.is_(None))

_COUNTED: Mapping[str, tuple[Table, tuple[ColumnElement[bool], ...]]] = {
    "undecided documents": (
        _DELIVERIES,
        (_DELIVERIES.c.state.in_([DeliveryState.UNKNOWN]), _DELIVERIES.c.error_code == bindparam("error_code")),
    ),
    "undecided statuses": (
        _OUTGOING,
        (_OUTGOING.c.state.in_([DeliveryState.UNKNOWN]), _OUTGOING.c.error_code == bindparam("error_code")),
    ),
    "quarantined": (_RECEIPTS, (_RECEIPTS.c.state.in_([ReceiptState.QUARANTINED]), _RECEIPTS.c.refetch.is_(False))),
    "failed": (_DELIVERIES, (_DELIVERIES.c.state.in_([DeliveryState.FAILED]), _DELIVERIES.c.updated_at >= _SINCE)),
    "unsent": (_DELIVERIES, (_DELIVERIES.c.state.in_(_UNSENT_STATES), _DELIVERIES.c.created_at < _UNTIL)),
    "undelivered": (
        _DELIVERIES,
        (
            _DELIVERIES.c.state.in_([DeliveryState.SENT]),
            _DELIVERIES.c.sent_at > _SINCE,
            _DELIVERIES.c.sent_at < _UNTIL,
            _IS_SILENT,
        ),
    ),
    "expired": (_DELIVERIES, (_DELIVERIES.c.expired_at >= _SINCE, _IS_UNREPORTED)),
    "refused later": (_RECIPIENTS, (_RECIPIENTS.c.refused_at >= _SINCE,)),
    "unanswered": (_RECEIPTS, build_unanswered_conditions(_SINCE, _UNTIL)),
}
"""What is counted: the table, and the conditions on its rows beside the agency."""
_COUNTS = {
    name: CompiledStatement(
        select(func.count().label("count")).select_from(table).where(table.c.agency == bindparam("agency"), *conditions)
    )
    for name, (table, conditions) in _COUNTED.items()
}
_OLDEST_QUEUED = [
    CompiledStatement(
        select(func.min(table.c.created_at).label("moment")).where(
            table.c.agency == bindparam("agency"),
            table.c.state.in_(_UNSENT_STATES),
            or_(table.c.error_code.is_(None), table.c.error_code != bindparam("exclude")),
        )
    )
    for table in (_DELIVERIES, _OUTGOING)
]


@dataclass(slots=True, eq=False)
class Overview:
    """Counts the rows of an agency that somebody has to know of.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def count_undecided(self, agency: str, error_code: str) -> int:
        """Count the documents and statuses whose outcome only a person can tell.

        Args:
            agency: code of the agency.
            error_code: the code that such a row has.
        """
        kinds = ("undecided documents", "undecided statuses")
        return sum(self._count(kind, agency, error_code=error_code) for kind in kinds)

    def count_quarantined(self, agency: str) -> int:
        """Count the packets that were set aside and wait for a person: those fetched once more by themselves do not."""
        return self._count("quarantined", agency)

    def count_failed(self, agency: str, since: datetime) -> int:
        """Count the documents that were refused for good since a time, UTC."""
        return self._count("failed", agency, since=since)

    def count_unsent(self, agency: str, stored_before: datetime) -> int:
        """Count the documents that were stored before a time, UTC, and that the hub is not known to have."""
        return self._count("unsent", agency, until=stored_before)

    def count_undelivered(self, agency: str, *, sent_after: datetime, sent_before: datetime) -> int:
        """Count the documents sent between two times, UTC, of which a recipient has reported nothing."""
        return self._count("undelivered", agency, since=sent_after, until=sent_before)

    def count_expired(self, agency: str, since: datetime) -> int:
        """Count the documents whose deadline ran out since a time, UTC, and that a recipient still does not report."""
        return self._count("expired", agency, since=since)

    def count_refused_later(self, agency: str, since: datetime) -> int:
        """Count the recipients for whom the hub refused, since a time, UTC, what it had taken."""
        return self._count("refused later", agency, since=since)

    def count_unanswered(self, agency: str, *, received_before: datetime) -> int:
        """Count the documents that came before a time, UTC, and that nobody accepted or rejected."""
        since = find_earliest_unanswered(received_before)
        return self._count("unanswered", agency, since=since, until=received_before)

    def find_oldest_queued(self, agency: str, *, exclude: str) -> datetime | None:
        """Find when the oldest message that waits to be sent was stored, UTC; None where none waits.

        Args:
            agency: code of the agency.
            exclude: error code of those that wait for a person.
        """
        values = {"agency": agency, "exclude": exclude}
        found = [query.fetch_all(self._tx.connection, values)[0]["moment"] for query in _OLDEST_QUEUED]
        return min((moment for moment in found if moment is not None), default=None)

    def _count(self, kind: str, agency: str, **values: Any) -> int:
        (row,) = _COUNTS[kind].fetch_all(self._tx.connection, {"agency": agency, **values})
        return int(row["count"])
