"""Lease keeper: renew the leases on rows that are being worked on."""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

from .._core import ForkAware, get_logger, watch_forks
from ..errors import StoreError
from ..store import Lease, Store

log = get_logger("edoc_connector.connector")

_RENEWALS_PER_LEASE = 3  # times a lease is renewed before it would run out


def name_owner() -> str:
    """Name the owner of leases: one connector in one process."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


class RenewalThread(ForkAware):
    """A thread that has lease keepers renew what they hold; begun when one first holds something."""

    def __init__(self) -> None:
        self._reset()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin without keepers: those of the child add themselves when they hold something."""
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._keepers: dict[LeaseKeeper, None] = {}
        self._interval = float("inf")
        self._stopped, self._changed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, keeper: LeaseKeeper, interval: float) -> None:
        """Have a keeper renew what it holds, again and again.

        Args:
            keeper: the keeper.
            interval: seconds between two renewals; the shortest one counts for all.
        """
        with self._lock:
            self._keepers[keeper] = None
            if interval < self._interval:
                self._interval = interval
                self._changed.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edoc-leases", daemon=True)
                self._thread.start()

    def remove(self, keeper: LeaseKeeper) -> None:
        """Forget a keeper."""
        with self._lock:
            self._keepers.pop(keeper, None)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._changed.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._changed.wait(self._interval):  # a shorter interval, or the end
                self._changed.clear()
                continue
            with self._lock:
                keepers = list(self._keepers)
            for keeper in keepers:
                if not self._stopped.is_set():
                    keeper.renew_held()


class LeaseKeeper(ForkAware):
    """Renews the leases on rows that are being worked on, in a thread.

    A worker that dies, or is stopped for longer than its lease, loses what it held to another one. So does one that
    lives, where it could not write what became of a row: nobody works on that any more, and it is not renewed.

    Args:
        store: the store.
        lease: the connector's lease.
        thread: renews for other keepers too; left out, it is this keeper's alone.
    """

    def __init__(self, store: Store, lease: Lease, *, thread: RenewalThread | None = None) -> None:
        self._store = store
        self._lease = lease
        self._thread = thread or RenewalThread()
        self._owns_thread = thread is None
        self._reset()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Become another owner, who holds nothing: what the parent holds is the parent's."""
        self._lease.owner = name_owner()
        self._reset()

    def _reset(self) -> None:
        self._hold_counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._is_added = False

    @contextmanager
    def hold_all(self, table: str, keys: Iterable[int]) -> Iterator[None]:
        """Renew some rows while the block runs that works on them."""
        keys = tuple(keys)
        for key in keys:
            self.hold(table, key)
        try:
            yield
        finally:
            for key in keys:
                self.release(table, key)

    def hold(self, table: str, key: int) -> None:
        """Renew the lease on a row from now on."""
        with self._lock:
            self._hold_counts[table, key] += 1
            if not self._is_added:
                self._is_added = True
                self._thread.add(self, self._lease.seconds / _RENEWALS_PER_LEASE)

    def release(self, table: str, key: int) -> None:
        """Renew the lease on a row no longer."""
        with self._lock:
            self._hold_counts[table, key] -= 1
            if self._hold_counts[table, key] <= 0:
                del self._hold_counts[table, key]

    def stop(self) -> None:
        """Renew nothing any more; end the thread, unless others share it."""
        self._thread.remove(self)
        if self._owns_thread:
            self._thread.stop()

    def renew_held(self) -> None:
        """Renew what is held now."""
        with self._lock:
            rows = list(self._hold_counts)
        if rows:
            self._renew(rows)

    def _renew(self, rows: Sequence[tuple[str, int]]) -> None:
        ids_by_table: dict[str, list[int]] = {}
        for table, key in rows:
            ids_by_table.setdefault(table, []).append(key)
        try:
            with self._store.transaction(self._lease.owner) as tx:
                for table in sorted(ids_by_table):
                    tx.leases.renew(table, self._lease, ids_by_table[table])
        except StoreError as error:
            # The next round tries again; if none succeeds the lease runs out, and the fence keeps us from writing.
            log.warning("leases were not renewed: %s", error)
