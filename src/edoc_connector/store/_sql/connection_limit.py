"""The limit of a program's connections to a server, in which no thread waits for itself."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy import Connection

from ..._core import Text
from ...errors import StoreError

WAIT_SECONDS = 30.0  # longer than any transaction lasts, but for one that waits for a lock

_ALL_IN_USE = Text(
    "all {count} connections that this program may have to the database were in use for {seconds:.0f} seconds; nothing "
    "changed. Call again; if it stays so, raise store.connections, or work with fewer threads (worker.concurrency).",
    "Cả {count} kết nối mà chương trình được phép mở đến cơ sở dữ liệu đều bận trong {seconds:.0f} giây; chưa có gì "
    "thay đổi. Hãy gọi lại; nếu vẫn vậy, hãy tăng store.connections hoặc giảm số luồng (worker.concurrency).",
)


class ConnectionLimit:
    """Gives each thread its turn at the connections of a pool. Safe to share between threads.

    A thread that has a transaction open may read in a second one. Could threads take every connection for their first
    ones, all of them might wait for a second one for ever: so the last connection of the pool is for second ones only.

    Args:
        count: connections of the pool, 2 or more.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = threading.BoundedSemaphore(count - 1)
        self._threads: dict[Connection, int] = {}
        self._busy_threads: set[int] = set()

    def open(self, begin: Callable[[], Connection]) -> Connection:
        """Begin a transaction on a connection of the pool, as soon as one is free.

        Raises:
            StoreError: none became free.
        """
        thread = threading.get_ident()
        if thread in self._busy_threads:
            return begin()
        if not self._free.acquire(timeout=WAIT_SECONDS):
            values = {"count": self._count, "seconds": WAIT_SECONDS}
            raise StoreError(_ALL_IN_USE.en.format(**values), vi=_ALL_IN_USE.vi.format(**values))
        try:
            connection = begin()
        except BaseException:
            self._free.release()
            raise
        self._threads[connection] = thread
        self._busy_threads.add(thread)
        return connection

    def note_return(self, connection: Connection) -> None:
        """Note that a connection is in the pool again."""
        thread = self._threads.pop(connection, None)
        if thread is not None:
            self._busy_threads.discard(thread)
            self._free.release()
