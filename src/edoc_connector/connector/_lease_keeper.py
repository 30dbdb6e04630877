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


class LeaseKeeper(ForkAware):
    """Renews the leases on rows that are being worked on, in a thread.

    A worker that dies, or is stopped for longer than its lease, loses what it held to another one. So does one that
    lives, where it could not write what became of a row: nobody works on that any more, and it is not renewed.

    Args:
        store: the store.
        lease: the connector's lease.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._reset()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Become another owner, who holds nothing: what the parent holds is the parent's."""
        self._lease.owner = name_owner()
        self._reset()

    def _reset(self) -> None:
        self._hold_counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

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
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edoc-leases", daemon=True)
                self._thread.start()

    def release(self, table: str, key: int) -> None:
        """Renew the lease on a row no longer."""
        with self._lock:
            self._hold_counts[table, key] -= 1
            if self._hold_counts[table, key] <= 0:
                del self._hold_counts[table, key]

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._lease.seconds / _RENEWALS_PER_LEASE):
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
