"""Connections of transactions: for SQLite one that stays open, for a server one of the engine's pool.

A pool looks after a connection whenever it is taken and given back, which costs more than a small transaction does. So
`SqliteConnectionSource` opens a connection once; SQLAlchemy's part of it begins once too, and is told nothing of the
transactions, which are SQLite's own. A connection on which something failed is kept if it can be rolled back: on a
full disk those that are open still read, and no new one can be opened.
"""

from __future__ import annotations

import os
from typing import Protocol

from sqlalchemy import Connection, Engine

from ..._core import get_logger
from .compiled import execute_directly
from .engine import DRIVER_ERRORS, begin_transaction, retry_after

log = get_logger("edoc_connector.store.lines")

_MAX_IDLE = 16  # connections kept open while nobody uses them


class ConnectionSource(Protocol):
    """Opens and ends transactions of a database."""

    def begin(self, *, write: bool) -> Connection: ...
    def commit(self, connection: Connection) -> None: ...
    def rollback(self, connection: Connection) -> None: ...
    def close(self) -> None: ...


def select_connection_source(engine: Engine) -> ConnectionSource:
    """Select the source that suits an engine."""
    return (
        SqliteConnectionSource(engine) if engine.url.get_backend_name() == "sqlite" else PooledConnectionSource(engine)
    )


class SqliteConnectionSource:
    """The connections to one file, safe to share between threads; each is one transaction's at a time.

    Args:
        engine: opens them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._idle: list[Connection] = []
        self._process_id = os.getpid()
        self._parent_connections: list[Connection] = []
        self._closed = False

    def begin(self, *, write: bool) -> Connection:
        """Begin a transaction; wait for a lock.

        Raises:
            StoreError: the lock was not to be had, or the database cannot be opened.
        """
        # A writer takes the lock at once: two that read first and write later would deadlock, and one would fail.
        statement = "BEGIN IMMEDIATE" if write else "BEGIN"
        try:
            return self._begin_with(statement)
        except DRIVER_ERRORS as error:
            return retry_after(error, lambda: self._begin_with(statement))

    def commit(self, connection: Connection) -> None:
        """Commit a transaction: its writes are on the disk.

        Raises:
            DBAPIError: it is not, and nothing changed.
        """
        try:
            execute_directly(connection, "COMMIT")
        except BaseException:
            self._roll_back_and_keep(connection)
            raise
        self._keep_open(connection)

    def rollback(self, connection: Connection) -> None:
        """Roll a transaction back, or end one that only read."""
        self._roll_back_and_keep(connection)

    def close(self) -> None:
        """Close every connection; one that is in use is closed when it comes back."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _begin_with(self, statement: str) -> Connection:
        connection = self._take_connection()
        try:
            execute_directly(connection, statement)
        except BaseException:
            self._roll_back_and_keep(connection)
            raise
        return connection

    def _take_connection(self) -> Connection:
        if self._process_id != os.getpid():
            # A fork: these are the parent's, and SQLite forbids to use or to close them here.
            self._parent_connections, self._idle, self._process_id = self._idle, [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._engine.connect()
            connection.begin()
            return connection

    def _roll_back_and_keep(self, connection: Connection) -> None:
        """Roll back whatever is open on a connection, and keep it."""
        try:
            connection.connection.rollback()  # nothing, where SQLite has ended the transaction
        except self._engine.dialect.loaded_dbapi.Error as error:
            log.warning("a connection to the store is given up: %s", error)
            connection.invalidate(error)
            connection.close()
        else:
            self._keep_open(connection)

    def _keep_open(self, connection: Connection) -> None:
        if self._closed or len(self._idle) >= _MAX_IDLE:
            connection.close()
        else:
            self._idle.append(connection)


class PooledConnectionSource:
    """Connections to a server, each from the engine's pool and back.

    Args:
        engine: has the pool.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, *, write: bool) -> Connection:
        """Begin a transaction on a connection of the pool.

        Raises:
            StoreError: the server cannot be reached.
        """
        return begin_transaction(self._engine, write=write)

    def commit(self, connection: Connection) -> None:
        """Commit a transaction: its writes are on the server's disk."""
        with connection:
            connection.commit()

    def rollback(self, connection: Connection) -> None:
        """Roll a transaction back, or end one that only read."""
        connection.close()

    def close(self) -> None:
        """Do nothing: the pool is the engine's."""
