"""The feed of what changed: entries of the timeline in the order in which they were committed.

Numbers of the timeline are given before the commit. On PostgreSQL a lower number may therefore appear after a higher
one; a gap in the numbers that is young ends the page, and the next one begins there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, and_, func, select

from .._sql import TABLES, Row
from ..rows import TimelineRow

if TYPE_CHECKING:
    from ..transaction import Tx

_TIMELINE, _DELIVERIES, _RECEIPTS = TABLES["timeline"], TABLES["deliveries"], TABLES["receipts"]
_YOUNG = timedelta(seconds=60)  # longer than any transaction of ours takes


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """An entry of the timeline, and what it is about.

    Args:
        entry: the entry.
        agency: the agency of ours whose row it is about; empty where that is no delivery and no receipt.
        document_id: of a delivery, or of a receipt where that is known.
        hub_doc_id: of a receipt.
        kind: what the packet asks for; None for a status.
        partner: the sender of a receipt.
    """

    entry: TimelineRow
    agency: str
    document_id: str | None
    hub_doc_id: str | None
    kind: str | None
    partner: str | None


@dataclass(slots=True, eq=False)
class Changes:
    """Reads the feed of what changed.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def read_after(self, number: int, *, limit: int) -> list[ChangeRow]:
        """Read the entries after one, of every agency; none behind one that may still appear.

        Args:
            number: of the last entry that was read; 0 for all.
            limit: entries at most.
        """
        query = _build_query().where(_TIMELINE.c.id > number).order_by(_TIMELINE.c.id).limit(limit)
        rows = list(map(_build_change, self._tx.connection.execute(query).mappings()))
        if self._tx.connection.dialect.name == "sqlite":
            return rows
        return list(_stop_at_young_gap(rows, number, self._tx.now - _YOUNG))

    def find_last(self) -> int:
        """Find the number of the newest entry; 0 where there is none."""
        return int(self._tx.connection.execute(select(func.coalesce(func.max(_TIMELINE.c.id), 0))).scalar_one())

    def load(self, numbers: Sequence[int]) -> dict[int, ChangeRow]:
        """Load entries by their numbers."""
        query = _build_query().where(_TIMELINE.c.id.in_(numbers))
        rows = map(_build_change, self._tx.connection.execute(query).mappings())
        return {row.entry.id: row for row in rows}


def _stop_at_young_gap(rows: Iterable[ChangeRow], number: int, young_from: datetime) -> Iterable[ChangeRow]:
    for row in rows:
        if row.entry.id != number + 1 and number > 0 and row.entry.at > young_from:
            return
        number = row.entry.id
        yield row


def _build_query() -> Select[Any]:
    delivery = and_(_TIMELINE.c.subject == "delivery", _DELIVERIES.c.id == _TIMELINE.c.subject_id)
    receipt = and_(_TIMELINE.c.subject == "receipt", _RECEIPTS.c.id == _TIMELINE.c.subject_id)
    return select(
        _TIMELINE,
        func.coalesce(_DELIVERIES.c.agency, _RECEIPTS.c.agency, "").label("owner"),
        func.coalesce(_DELIVERIES.c.document_id, _RECEIPTS.c.document_id).label("document_id"),
        _RECEIPTS.c.hub_doc_id,
        func.coalesce(_DELIVERIES.c.business, _RECEIPTS.c.business).label("kind"),
        _RECEIPTS.c.sender,
    ).select_from(_TIMELINE.outerjoin(_DELIVERIES, delivery).outerjoin(_RECEIPTS, receipt))


def _build_change(row: Row) -> ChangeRow:
    return ChangeRow(
        entry=TimelineRow.from_row(row),
        agency=row["owner"],
        document_id=row["document_id"],
        hub_doc_id=row["hub_doc_id"],
        kind=row["kind"],
        partner=row["sender"],
    )
