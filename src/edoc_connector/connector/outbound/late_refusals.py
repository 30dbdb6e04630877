"""Late refusals: documents that the hub took, and then did not bring to a recipient (faults, row 39).

Bridges between hubs refuse in the background, and a recipient's system may give a packet up. No packet tells that: the
hub's list of what was sent does, where it has one, and is asked while a recipient is silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ..._core import Text, get_logger
from ...errors import EdocError
from ...hubs import SentState
from ...store import DeliveryRow
from .._context import ConnectorContext
from .reconciler import Reconciler

log = get_logger("edoc_connector.connector.outbox")

ARRIVAL_TIME = timedelta(minutes=15)  # within which a recipient's system reports 01 (business rules)
_WATCHED_FOR = timedelta(days=30)  # hubs list no longer what was sent before
_MOST_AT_A_TIME = 1000


class LateRefusals:
    """Asks the hub about documents that are sent and that a recipient is silent about.

    Args:
        context: the store and the hub.
        reconciler: asks the hub about packets of ours.
    """

    def __init__(self, context: ConnectorContext, reconciler: Reconciler) -> None:
        self._context = context
        self._reconciler = reconciler

    def find(self, *, older_than: timedelta = timedelta(0)) -> int:
        """Find what the hub refused after it took it, and enter it at the recipients; returns how many are new.

        Nothing is sent again: the hub had it, and may have brought it to others.

        Args:
            older_than: only documents sent so long ago.

        Raises:
            EdocError: the hub did not say.
        """
        if not self._context.capabilities.has_sent_list:
            return 0
        with self._context.store.snapshot() as tx:
            before = tx.now - older_than
            rows = tx.deliveries.list_silent(
                self._context.agency,
                sent_after=before - _WATCHED_FOR,
                sent_before=before,
                limit=_MOST_AT_A_TIME,
                hub=self._context.hub_name,
            )
        if not rows:
            return 0
        self._context.hub.clear_exchanges()
        return sum(self._record(row, copies) for row, copies in self._reconciler.list_own_copies(rows))

    def try_to_find(self, *, older_than: timedelta = ARRIVAL_TIME) -> int:
        """Find them as `find` does; a hub that does not say is logged, and asked at the next turn."""
        try:
            return self.find(older_than=older_than)
        except EdocError as error:
            log.warning("the hub was not asked what became of what was sent: %s", error)
            return 0

    def _record(self, row: DeliveryRow, copies: Sequence[SentState]) -> int:
        refused = [copy for copy in copies if copy.is_refused and copy.recipient]
        if not refused:
            return 0
        with self._context.store.transaction() as tx:
            new = [copy for copy in refused if tx.recipients.record_late_refusal(row, copy.recipient, words=_say(copy))]
        for copy in new:
            log.warning("%s: the hub did not bring it to %s after it took it", row.document_id, copy.recipient)
        return len(new)


def _say(copy: SentState) -> Text:
    said = " ".join(part for part in (copy.refusal, copy.refusal_words) if part)
    return Text(
        f"the hub took it, and did not bring it to {copy.recipient}: {said}. It is not sent again by itself",
        f"trục đã nhận nhưng không chuyển được tới {copy.recipient}: {said}. Hệ thống không tự gửi lại",
    )
