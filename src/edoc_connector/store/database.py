"""Databases as stores use them: opened once, whichever stores of the process share them.

A store is one agency's; the database behind it may be many agencies'. What costs per database (connections, compiled
statements, the thread that commits for the others) is here, so that hundreds of agencies of one process pay it once.
Nothing of an agency is: its spool, its clock, who it is and what it has seen of the store stay with its `Store`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from .._core import make_lock
from ._sql import SqliteConnectionSource, make_engine, select_connection_source
from .group_commit import GroupCommit, GroupTransaction, SoloTransaction
from .log import EvidenceWriter
from .maintenance import Announcer

_MAX_CONNECTIONS = 16  # where nothing else is said
_ANNOUNCING = 1  # of them, which the announcer has for itself


class Database:
    """An open database: its engine, its connections, and how transactions begin and are linked to the evidence.

    Args:
        url: as for `Store.open`.
        clock: gives the time that a log of the evidence is opened at, aware UTC.
        max_connections: most connections to a server at a time, 3 or more; 16 where left out.

    Attributes:
        announcer: announces the agencies of its stores on the server.
        is_prepared: whether its tables were found, or made.

    Raises:
        StoreError: the URL cannot be used.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime], max_connections: int | None = None) -> None:
        pooled = (max_connections or _MAX_CONNECTIONS) - _ANNOUNCING
        self.engine = make_engine(url, max_connections=pooled)
        self.connections = connections = select_connection_source(self.engine, max_connections=pooled)
        self.announcer = Announcer(self.engine)
        is_file = isinstance(connections, SqliteConnectionSource)
        self.evidence = EvidenceWriter(connections, clock=clock, in_commit=is_file)
        self.new_transaction: Callable[[], GroupTransaction | SoloTransaction] = (
            GroupCommit(connections, self.evidence).transaction
            if is_file
            else partial(SoloTransaction, connections, self.evidence)
        )
        self.is_prepared = False

    def close(self) -> None:
        """Link what was written to the evidence, and close every connection."""
        try:
            self.evidence.finish()
        finally:
            self.dispose()

    def dispose(self) -> None:
        """Close every connection; one that is in use is closed when it comes back."""
        self.connections.close()


class SharedDatabases:
    """Databases by their URL, each open as long as a store of this process uses it. Safe to share between threads.

    Args:
        max_connections: most connections to one database at a time, for all its stores together, where the first of
            them does not say.
    """

    def __init__(self, *, max_connections: int | None = None) -> None:
        self._max_connections = max_connections
        self._lock = make_lock()
        self._open: dict[str, tuple[Database, int]] = {}

    def acquire(self, url: str, *, clock: Callable[[], datetime], max_connections: int | None = None) -> Database:
        """Take part in a database, which is opened for the first store.

        Args:
            url: as for `Store.open`; another spelling is another database.
            clock: as for `Database`; that of the first store counts.
            max_connections: as for `Database`, too.

        Raises:
            StoreError: the URL cannot be used.
        """
        with self._lock:
            bound = max_connections or self._max_connections
            database, users = self._open.get(url) or (Database(url, clock=clock, max_connections=bound), 0)
            self._open[url] = database, users + 1
            return database

    def release(self, url: str) -> None:
        """Leave a database, which is closed with the last store."""
        with self._lock:
            database, users = self._open.pop(url)
            if users > 1:
                self._open[url] = database, users - 1
        if users > 1:
            database.evidence.finish()
        else:
            database.close()
