"""Prefetch of packets: claim, download and store them in a thread while the application handles earlier ones.

The thread takes what the hub listed, in order, a round of a few packets at a time: claimed in one transaction,
downloaded in a few threads, verified there too where that takes long, stored in one transaction. It stays ahead of the
application by so many packets and bytes and no more. What was claimed and not asked for when the application leaves is
given back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from ..._core import get_logger
from ...errors import EdocError
from ...hubs import MessageType
from ...store import RECEIPTS, LeaseLost, ReceiptRow
from .._context import ConnectorContext
from .._retry import decide_retry
from .admission import VerifiedPacket
from .inbox import Inbox
from .intake import DownloadedPacket, StoredPackets

log = get_logger("edoc_connector.connector.prefetch")

DOWNLOAD_THREADS = 4  # downloads at a time
ROUND_PACKETS = 8  # packets claimed, and entered, in one transaction
ROUND_BYTES = 32 << 20  # and about as many bytes: where packets are large the first one is not kept waiting
MAX_AHEAD_PACKETS = 32  # packets that are here and not handed out yet
MAX_AHEAD_BYTES = 256 << 20  # and their bytes, from which on nothing further is asked for
_MAX_KEPT_BYTES = 1 << 20  # a larger packet is verified again when it is opened, rather than kept in memory


@dataclass(frozen=True, slots=True)
class _Step:
    """Some packets to be fetched, or to be compared again."""

    keys: tuple[int, ...]
    is_recheck: bool


class _Abandoned(Exception):
    """Nobody waits for the packet any more."""


class ReceiveInterruption(threading.Event):
    """Ends a call of `Connector.receive` early, from another thread."""

    def __init__(self) -> None:
        super().__init__()
        self.wake: Callable[[], None] = _do_nothing

    def set(self) -> None:
        """Have its threads end soon. Does not wait for them."""
        super().set()
        self.wake()


class Prefetch:
    """Brings in the packets of one call of `Connector.receive`. A context manager: at its end its threads have ended.

    Args:
        context: the store and the hub.
        inbox: polls, and whose intake fetches.
        interruption: ends it early.
    """

    def __init__(self, context: ConnectorContext, inbox: Inbox, interruption: ReceiveInterruption) -> None:
        self._context = context
        self._inbox = inbox
        self._intake = inbox.intake
        self._steps: list[_Step] = []
        self._first_error: EdocError | None = None
        self._thread_error: BaseException | None = None
        self._condition = threading.Condition()
        self._pending_ids: set[int] = set()
        self._pending_in_order: deque[int] = deque()
        self._ready_sizes: dict[int, int] = {}
        self._verified_packets: dict[int, VerifiedPacket] = {}
        self._wanted_id: int | None = None
        self._round_size = DOWNLOAD_THREADS
        self._stopped = interruption
        interruption.wake = self._wake
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Ask the hub what it offers, and begin to bring it in."""
        self._inbox.requeue_due()
        for kind in self._inbox.kinds:
            if self._stopped.is_set() or not self._list_offers(kind):
                break
        self._pending_ids = {key for step in self._steps if not step.is_recheck for key in step.keys}
        self._pending_in_order = deque(sorted(self._pending_ids))
        if sum(len(step.keys) for step in self._steps) > 1:
            self._thread = threading.Thread(target=self._run_in_thread, name="edoc-prefetch", daemon=True)
            self._thread.start()
        else:
            self._run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the threads; packets that are under way are given back."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    @property
    def first_error(self) -> EdocError | None:
        """The first thing that went wrong with the hub."""
        return self._first_error

    def find_lowest_pending(self) -> int | None:
        """Find the least key that may still come in; None where nothing will.

        Raises:
            BaseException: what ended the thread.
        """
        with self._condition:
            if self._thread_error is not None:
                raise self._thread_error
            while self._pending_in_order and self._pending_in_order[0] not in self._pending_ids:
                self._pending_in_order.popleft()
            return self._pending_in_order[0] if self._pending_in_order else None

    def wait_for(self, key: int) -> None:
        """Wait until a packet came in, or will not come."""
        with self._condition:
            self._wanted_id = key
            self._condition.notify_all()
            self._condition.wait_for(lambda: key not in self._pending_ids)

    def mark_handed_out(self, key: int) -> None:
        """Make room for others: packets up to this one are in the application's hands."""
        with self._condition:
            for ready_id in [ready_id for ready_id in self._ready_sizes if ready_id <= key]:
                del self._ready_sizes[ready_id]
                self._verified_packets.pop(ready_id, None)
            self._condition.notify_all()

    def take_verified(self, key: int) -> VerifiedPacket | None:
        """Take a packet as it was verified when it was brought in; None where it was not, or is large."""
        with self._condition:
            return self._verified_packets.pop(key, None)

    @property
    def has_more(self) -> bool:
        """Whether further packets are here or will be."""
        with self._condition:
            return bool(self._pending_ids or self._ready_sizes)

    # -- in the thread

    def _list_offers(self, kind: MessageType) -> bool:
        known_ids: list[int] = []
        try:
            known_ids = self._inbox.poll_offers(kind)[1]
        except EdocError as error:
            if self._record_error(error):
                return False
        due_ids = self._inbox.list_due_ids(kind)  # whatever the list shows: it may have moved on
        steps = (_Step(tuple(due_ids), is_recheck=False), _Step(tuple(known_ids), is_recheck=True))
        self._steps += [step for step in steps if step.keys]
        return True

    def _run_in_thread(self) -> None:
        try:
            self._run()
        except BaseException as error:  # it is the caller's to meet; who leaves the loop early finds it in the log
            log.warning("what was not brought in waits for the next call: %s", error)
            self._thread_error = error
            self._drop_pending(self._pending_ids.copy())

    def _run(self) -> None:
        try:
            for step in self._steps:
                if not (self._recheck_step(step.keys) if step.is_recheck else self._fetch_step(step.keys)):
                    break
        except EdocError as error:  # of the store: what is here already is handed out first
            self._record_error(error)
        self._drop_pending(self._pending_ids.copy())

    def _recheck_step(self, keys: Sequence[int]) -> bool:
        for key in keys:
            if self._stopped.is_set():
                return False
            try:
                item_error = self._inbox.recheck_offered(key)
            except EdocError as error:
                if self._record_error(error):
                    return False
            else:
                if item_error is not None:
                    self._record_error(item_error)
        return True

    def _fetch_step(self, keys: Sequence[int]) -> bool:
        """Bring packets in, a round at a time; whether the next step may be begun."""
        with _open_pool(len(keys)) as pool:
            remaining_ids = deque(keys)
            while remaining_ids and self._wait_for_room():
                round_ids = [remaining_ids.popleft() for _ in range(min(self._round_size, len(remaining_ids)))]
                rows = self._intake.claim(round_ids)
                self._drop_pending(set(round_ids) - {row.id for row in rows})  # another worker is at it, or was
                with self._context.lease_keeper.hold_all(RECEIPTS.table_name, [row.id for row in rows]):
                    if not self._fetch_round(pool, rows):
                        return False
        return not self._stopped.is_set()

    def _wait_for_room(self) -> bool:
        """Wait until there is room for another round; False where nobody waits for it any more."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._stopped.is_set() or self._wanted_id in self._pending_ids or self._is_below_bounds()
            )
        return not self._stopped.is_set()

    def _is_below_bounds(self) -> bool:
        return len(self._ready_sizes) < MAX_AHEAD_PACKETS and sum(self._ready_sizes.values()) < MAX_AHEAD_BYTES

    def _fetch_round(self, pool: ThreadPoolExecutor | None, rows: Sequence[ReceiptRow]) -> bool:
        admitted: list[DownloadedPacket] = []
        abandoned: list[ReceiptRow] = []
        downloads = pool.map(self._download, rows) if pool is not None else map(self._download, rows)
        for row, downloaded in zip(rows, downloads, strict=True):
            if downloaded is None:
                abandoned.append(row)
            else:
                admitted.append(self._intake.find_common_error(self._intake.admit_download(downloaded)))
        self._intake.release(abandoned)
        outcome = StoredPackets.of(admitted, self._intake.store_packets(admitted))
        self._mark_arrived(admitted)
        for error in outcome.errors:
            self._record_error(error)
        return outcome.common_error is None

    def _download(self, row: ReceiptRow) -> DownloadedPacket | None:
        if self._stopped.is_set():
            return None
        try:
            return self._intake.download(row, on_progress=self._report_progress, defer_quick=True)
        except _Abandoned:
            return None

    def _report_progress(self, done: int, size: int | None) -> None:
        if self._stopped.is_set():
            raise _Abandoned
        if self._context.on_progress is not None:
            self._context.on_progress(done, size)

    def _record_error(self, error: EdocError) -> bool:
        """Note an error; true where the next packet would meet it too."""
        if isinstance(error, LeaseLost):
            log.info("another worker has it: %s", error)
            return False
        log.warning("not received: %s", error)
        self._first_error = self._first_error or error
        return decide_retry(error).opens_breaker

    def _mark_arrived(self, downloads: Sequence[DownloadedPacket]) -> None:
        sizes = [downloaded.file.size for downloaded in downloads if downloaded.file is not None]
        if sizes:
            self._round_size = max(1, min(ROUND_PACKETS, ROUND_BYTES * len(sizes) // max(1, sum(sizes))))
        documents = {
            downloaded.row.id: downloaded.verified
            for downloaded in downloads
            if downloaded.verified is not None and downloaded.is_document
        }
        with self._condition:
            for key, verified in documents.items():
                self._ready_sizes[key] = verified.file.size
                if verified.file.size <= _MAX_KEPT_BYTES:
                    self._verified_packets[key] = verified
            self._pending_ids -= {downloaded.row.id for downloaded in downloads}
            self._condition.notify_all()

    def _drop_pending(self, keys: set[int]) -> None:
        with self._condition:
            self._pending_ids -= keys
            self._condition.notify_all()


def _do_nothing() -> None:
    pass


def _open_pool(count: int) -> AbstractContextManager[ThreadPoolExecutor | None]:
    """Open the threads that download so many packets; a single one needs none."""
    if count == 1:
        return nullcontext()
    return ThreadPoolExecutor(min(DOWNLOAD_THREADS, count), thread_name_prefix="edoc-download")
