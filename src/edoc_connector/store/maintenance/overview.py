"""Counts of what an operator has to know: what is open, late or set aside, and how long the oldest message waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Table, and_, exists, func, or_, select

from .._sql import TABLES
from ..receipts import match_unanswered
from ..state_machine import DELIVERIES, OUTGOING, RECEIPTS, DeliveryState, ReceiptState

if TYPE_CHECKING:
    from ..transaction import Tx

_DELIVERIES = TABLES[DELIVERIES.table_name]
_OUTGOING = TABLES[OUTGOING.table_name]
_RECEIPTS = TABLES[RECEIPTS.table_name]
_RECIPIENTS = TABLES["delivery_recipients"]

# of documents, and, under the same names, of statuses and confirmations
_UNSENT_STATES = (DeliveryState.READY, DeliveryState.SENDING, DeliveryState.UNKNOWN)


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
        tables = (_DELIVERIES, _OUTGOING)
        return sum(
            self._count(table, agency, [DeliveryState.UNKNOWN], table.c.error_code == error_code) for table in tables
        )

    def count_quarantined(self, agency: str) -> int:
        """Count the packets that were set aside and wait for a person: those fetched once more by themselves do not."""
        return self._count(_RECEIPTS, agency, [ReceiptState.QUARANTINED], _RECEIPTS.c.refetch.is_(False))

    def count_failed(self, agency: str, since: datetime) -> int:
        """Count the documents that were refused for good since a time, UTC."""
        return self._count(_DELIVERIES, agency, [DeliveryState.FAILED], _DELIVERIES.c.updated_at >= since)

    def count_unsent(self, agency: str, stored_before: datetime) -> int:
        """Count the documents that were stored before a time, UTC, and that the hub is not known to have."""
        return self._count(_DELIVERIES, agency, _UNSENT_STATES, _DELIVERIES.c.created_at < stored_before)

    def count_undelivered(self, agency: str, *, sent_after: datetime, sent_before: datetime) -> int:
        """Count the documents sent between two times, UTC, of which a recipient has reported nothing."""
        is_silent = exists().where(
            _RECIPIENTS.c.delivery_id == _DELIVERIES.c.id,
            _RECIPIENTS.c.last_code.is_(None),
            _RECIPIENTS.c.change.is_(None),
        )
        sent_at = _DELIVERIES.c.sent_at
        was_sent_then = and_(sent_at > sent_after, sent_at < sent_before)
        return self._count(_DELIVERIES, agency, [DeliveryState.SENT], was_sent_then, is_silent)

    def count_expired(self, agency: str, since: datetime) -> int:
        """Count the documents whose deadline ran out since a time, UTC, and that a recipient still does not report."""
        is_silent = exists().where(_RECIPIENTS.c.delivery_id == _DELIVERIES.c.id, _RECIPIENTS.c.last_code.is_(None))
        return self._count_of(_DELIVERIES, agency, _DELIVERIES.c.expired_at >= since, is_silent)

    def count_refused_later(self, agency: str, since: datetime) -> int:
        """Count the recipients for whom the hub refused, since a time, UTC, what it had taken."""
        return self._count_of(_RECIPIENTS, agency, _RECIPIENTS.c.refused_at >= since)

    def count_unanswered(self, agency: str, *, received_before: datetime) -> int:
        """Count the documents that came before a time, UTC, and that nobody accepted or rejected."""
        return self._count_of(_RECEIPTS, agency, *match_unanswered(received_before))

    def find_oldest_queued(self, agency: str, *, exclude: str) -> datetime | None:
        """Find when the oldest message that waits to be sent was stored, UTC; None where none waits.

        Args:
            agency: code of the agency.
            exclude: error code of those that wait for a person.
        """
        found = [self._find_oldest(table, agency, exclude) for table in (_DELIVERIES, _OUTGOING)]
        return min((moment for moment in found if moment is not None), default=None)

    def _find_oldest(self, table: Table, agency: str, exclude: str) -> datetime | None:
        waits = or_(table.c.error_code.is_(None), table.c.error_code != exclude)
        query = select(func.min(table.c.created_at)).where(_match(table, agency, _UNSENT_STATES), waits)
        moment: datetime | None = self._tx.connection.execute(query).scalar()
        return moment

    def _count_of(self, table: Table, agency: str, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(table).where(table.c.agency == agency, *conditions)
        return int(self._tx.connection.execute(query).scalar_one())

    def _count(self, table: Table, agency: str, states: Sequence[str], *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(table).where(_match(table, agency, states), *conditions)
        return int(self._tx.connection.execute(query).scalar_one())


def _match(table: Table, agency: str, states: Sequence[str]) -> ColumnElement[bool]:
    return and_(table.c.agency == agency, table.c.state.in_(states))
