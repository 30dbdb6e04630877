"""Which finished packets may go by the agency's own table of periods (``[retention]``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ..._core import get_logger
from ...config import Period
from ...edxml import VIETNAM, Document, read
from ...errors import NotFound, PacketError, StoreError
from ...store import PacketRetention, PacketRow, Tx
from .._context import ConnectorContext

log = get_logger("edoc_connector.connector.retention")

_UNREADABLE = ""
"""The kind of what is no packet that can be read; no table names it."""


def select_due_rows(context: ConnectorContext, tx: Tx, rows: Sequence[PacketRow]) -> list[PacketRow]:
    """Select the rows whose packet's period is over; all of them where the agency has no table.

    A document, and what asks for one to be changed, has the period of its own kind. A status has that of the document
    that it is about: it goes with that document's packets or after them.

    Args:
        context: the table and the spool.
        tx: the transaction that found the rows.
        rows: finished rows.
    """
    if not context.retention.is_given:
        return list(rows)
    kinds = {row.file: _read_kind(context, row) for row in rows}
    documents = [row for row in rows if kinds[row.file] is not None]
    due = {row.file for row in documents if _is_due(context, kinds[row.file] or "", row.changed_at, tx.now)}
    retention = PacketRetention(tx)
    statuses = [row for row in rows if kinds[row.file] is None]
    names = retention.describe_documents(statuses)
    for row in statuses:
        document_id = names[row.machine.subject, row.key].document_id
        if document_id is None or retention.list_kept_packets(context.agency, document_id) <= due:
            due.add(row.file)
    return [row for row in rows if row.file in due]


def _read_kind(context: ConnectorContext, row: PacketRow) -> str | None:
    """Read the kind of document from a packet; None where it is a status."""
    try:
        message = read(context.store.require_packet(row.file, row.sha256)).message
    except (NotFound, PacketError, StoreError) as error:
        log.info("the kind of a packet of %s %s is not known: %s", row.machine.subject, row.key, error)
        return _UNREADABLE
    return message.type_name if isinstance(message, Document) else None


def _is_due(context: ConnectorContext, kind: str, changed_at: datetime, now: datetime) -> bool:
    period = context.retention.find_period(kind)
    return period is not None and is_over(period, changed_at, now)


def is_over(period: Period, changed_at: datetime, now: datetime) -> bool:
    """Tell whether a period is over: so many whole years passed since the end of the year, as Vietnam counts it.

    Args:
        period: years, or ``permanent``.
        changed_at: when the work was completed.
        now: the time.
    """
    return period != "permanent" and now.astimezone(VIETNAM).year - changed_at.astimezone(VIETNAM).year > period
