"""The gate of confirmations, for a hub where any confirmation confirms every status that waits.

There no confirmation leaves before every status is stored here: after a poll has brought in what it listed, statuses
are listed and brought in once more, and then the confirmations leave in a row. As long as a status is listed and did
not come, none does.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from ..._core import ForkAware, Text, get_logger, make_lock, watch_forks
from ...store import CONFIRM, EDOC, OutgoingRow, OutgoingState, ReceiptRow, ReceiptState, Tx
from .._context import ConnectorContext

log = get_logger("edoc_connector.connector.outbox")

MOST_IN_A_ROW = 1000
"""Confirmations that leave after one look at the statuses."""

UNSEEN_STATUSES = Text(
    "a status that reached the hub in the moment since its list was read is confirmed with this, unseen",
    "trạng thái đến trục ngay sau lần đọc danh sách cuối cũng bị coi là đã nhận dù chưa tải về",
)
"""What the timeline says of a confirmation that confirms every status."""


class ConfirmationGate(ForkAware):
    """Tells which confirmations may leave. May be used from any thread.

    Args:
        context: the store and the hub.

    Attributes:
        sweep: lists the statuses, and the documents where it is asked to, and brings every status in; tells whether
            every one came. The inbox sets it.
    """

    def __init__(self, context: ConnectorContext) -> None:
        self._context = context
        self._held = 0
        self._lock = threading.Lock()
        self._sweeping = make_lock()
        self.sweep = _sweep_nothing
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin open: the polls are the parent's."""
        self._held = 0
        self._lock = threading.Lock()
        self._sweeping = make_lock()

    @property
    def is_needed(self) -> bool:
        """Whether the hub is such a one."""
        return self._context.capabilities.confirms_all_statuses

    def hold(self) -> None:
        """Hold confirmations back: a poll is bringing packets in. `release` ends it."""
        with self._lock:
            self._held += 1

    def release(self) -> None:
        """End one `hold`."""
        with self._lock:
            self._held = max(0, self._held - 1)

    @contextmanager
    def open_for(self, wanted: Sequence[OutgoingRow]) -> Iterator[bool]:
        """Bring every status in, unless another thread is at it; whether confirmations may leave in the block.

        Args:
            wanted: the confirmations that are to leave.

        Raises:
            EdocError: the hub did not say what waits.
        """
        if self._held or not wanted or not self._sweeping.acquire(blocking=False):
            yield False
            return
        try:
            prefix = self._context.capabilities.status_prefix
            confirms_status = bool(prefix) and any((row.hub_doc_id or "").startswith(prefix) for row in wanted)
            is_open = self.sweep(lists_documents=confirms_status)
            if not is_open:
                log.warning("no confirmation leaves: a status that the hub lists did not come yet, and would be lost")
            yield is_open
        finally:
            self._sweeping.release()

    def list_wanted(self, *, only_due: bool, exclude: Collection[int], only_id: int | None) -> list[OutgoingRow]:
        """List the confirmations that wait and may leave, but for what has to be known of the statuses."""
        with self._context.store.snapshot() as tx:
            rows = tx.outgoing.find_all(
                self._context.agency,
                kind=CONFIRM,
                state=OutgoingState.READY,
                hub=self._context.hub_name,
                limit=MOST_IN_A_ROW,
            )
            rows = [
                row
                for row in rows
                if (not only_due or row.next_attempt_at <= tx.now)
                and row.id not in exclude
                and only_id in (None, row.id)
            ]
            return leave_out_shared_numbers(tx, self._context, rows)


def leave_out_shared_numbers(tx: Tx, context: ConnectorContext, rows: Sequence[OutgoingRow]) -> list[OutgoingRow]:
    """Leave out the confirmations of statuses whose number is that of a document that did not come yet.

    The hub knows numbers only: such a confirmation would take the document off its list.
    """
    prefix = context.capabilities.status_prefix
    numbers = {row.id: (row.hub_doc_id or "").removeprefix(prefix) for row in rows}
    documents = tx.receipts.find_by_hub_doc_ids(context.agency, set(numbers.values())) if prefix and rows else {}
    unfetched = {number for number, receipt in documents.items() if _is_unfetched_document(receipt)}
    return [row for row in rows if row.hub_doc_id == numbers[row.id] or numbers[row.id] not in unfetched]


def _is_unfetched_document(receipt: ReceiptRow) -> bool:
    is_open = receipt.state == ReceiptState.LISTED or (receipt.state == ReceiptState.QUARANTINED and receipt.refetch)
    return receipt.message_type == EDOC and is_open


def _sweep_nothing(*, lists_documents: bool) -> bool:  # noqa: ARG001  as `ConfirmationGate.sweep`
    return True
