"""Deadlines: until when a document is to be with every recipient, and what is said when it is not.

It is with a recipient when that reports any status. A deadline moves nothing: what waits is still sent, nothing is sent
again, and a recipient that reports later is entered as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ..._core import Text, get_logger
from ...edxml import Document, Priority
from ...errors import InvalidQuery
from ...store import DeliveryRow, DeliveryState, RecipientRow, Tx
from .._context import ConnectorContext

log = get_logger("edoc_connector.connector.outbox")

_AT_A_TIME = 200


def compute_deadline(
    context: ConnectorContext, document: Document, deadline: datetime | timedelta | None
) -> datetime | None:
    """Compute a document's deadline, UTC: what its caller says, else what the settings say for its urgency.

    Args:
        context: the clock and the settings.
        document: the document.
        deadline: aware, or from now on.

    Raises:
        InvalidQuery: it is over already, or has no zone.
    """
    now = context.store.clock()
    if deadline is None:
        priority = document.priority if document.priority is not None else Priority.NORMAL
        seconds = {str(name): value for name, value in context.limits.deadlines.items()}.get(priority.name.lower())
        return None if seconds is None else now + timedelta(seconds=seconds)
    moment = now + deadline if isinstance(deadline, timedelta) else deadline
    if moment.tzinfo is None or moment <= now:
        raise InvalidQuery(
            f"The deadline {moment:%Y-%m-%d %H:%M} is over already, or has no time zone. Give a time to come, with its "
            "zone, or a span from now on.",
            vi=f"Hạn gửi {moment:%Y-%m-%d %H:%M} đã qua hoặc không có múi giờ. Hãy nêu thời điểm trong tương lai kèm "
            "múi giờ, hoặc khoảng thời gian tính từ bây giờ.",
        )
    return moment


def expire_due(context: ConnectorContext, *, tell: Callable[[DeliveryRow], bool] | None = None) -> int:
    """Look at deadlines that are over, and mark the deliveries that are not with every recipient as expired.

    Args:
        context: the store.
        tell: tells the application of one, and whether it was told; what was not is told the next time.

    Returns:
        How many were marked now.
    """
    with context.store.snapshot() as tx:
        due = tx.deliveries.list_deadlines_due(context.agency, limit=_AT_A_TIME)
    marked = 0
    for row in due:
        with context.store.transaction() as tx:
            tx.recipients.lock(row.id)
            current = tx.deliveries.get_by_id(row.id)
            is_new = current.expired_at is None and _mark_if_late(tx, current)
            has_expired = is_new or current.expired_at is not None
        marked += is_new
        if not has_expired or tell is None or tell(row):
            with context.store.transaction() as tx:
                tx.deliveries.close_deadline(row)
    return marked


def list_missing(row: DeliveryRow, recipients: Sequence[RecipientRow]) -> list[str]:
    """List the codes of the recipients that a document is not known to be with."""
    if row.state != DeliveryState.SENT and not any(one.last_code for one in recipients):
        return [one.organ_id for one in recipients]
    return [one.organ_id for one in recipients if one.last_code is None and one.change is None]


def _mark_if_late(tx: Tx, row: DeliveryRow) -> bool:
    missing = list_missing(row, tx.recipients.load([row.id])[row.id])
    if row.deadline is None or row.deadline > tx.now or not missing:
        return False
    codes = ", ".join(missing[:20]) + (" …" if len(missing) > 20 else "")
    log.warning("%s: its deadline is over, and %d recipients report nothing", row.document_id, len(missing))
    words = f"{row.deadline:%Y-%m-%d %H:%M} UTC"
    detail = Text(
        f"its deadline {words} is over, and nothing is reported by {codes}. It is not sent again by itself",
        f"đã quá hạn {words} mà chưa có báo nhận từ {codes}. Hệ thống không tự gửi lại",
    )
    tx.deliveries.mark_expired(row, detail=detail)
    return True
