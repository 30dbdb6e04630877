"""What the connectors of one process share, where a worker opens many: databases, connections, locks, threads."""

from __future__ import annotations

from .._core import make_lock
from ..client import SharedTransports
from ..store import SharedDatabases
from ._lease_keeper import RenewalThread
from .holdings import LockFolders


class SharedResources:
    """Resources of connectors that one program opens for many agencies. Close it after them.

    Each agency keeps what is its own: its settings, keys, spool, hub client, leases and evidence.

    Args:
        max_connections: most connections to one database at a time, for all its connectors together, where the settings
            (``store.connections``) do not say.

    Attributes:
        databases: databases by URL.
        transports: connections to hubs.
        lock_folders: the locks that keep other stores of the agencies away.
    """

    def __init__(self, *, max_connections: int | None = None) -> None:
        self.databases = SharedDatabases(max_connections=max_connections)
        self.transports = SharedTransports()
        self.lock_folders = LockFolders()
        self._lock = make_lock()
        self._renewal_threads: dict[str, RenewalThread] = {}

    def find_renewal_thread(self, database_url: str) -> RenewalThread:
        """Find the thread that renews leases in a database: one that is away must not keep another's from it."""
        with self._lock:
            return self._renewal_threads.setdefault(database_url, RenewalThread())

    def close(self) -> None:
        """End the threads."""
        for thread in self._renewal_threads.values():
            thread.stop()
