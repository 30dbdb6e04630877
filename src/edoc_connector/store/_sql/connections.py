"""Connections of transactions: for SQLite one that stays open, for a server one of the engine's pool.

A pool looks after a connection whenever it is taken and given back, which costs more than a small transaction does. So
`SqliteConnectionSource` opens a connection once; SQLAlchemy's part of it begins once too, and is told nothing of the
transactions, which are SQLite's own. A connection on which something failed is kept if it can be rolled back: on a
full disk those that are open still read, and no new one can be opened.

Programs that write to one file queue for it (`FileQueue`). Whom SQLite turns away it has sleep, longer each time, while
others come and go: with two busy programs one in twenty waits would take four times as long. SQLite's own lock is taken
all the same, and is what keeps them apart: where the queue cannot be had, nothing else is different.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Protocol

from sqlalchemy import Connection, Engine

from ..._core import FileQueue, ForkAware, Text, get_logger, notice_fork, watch_forks
from ...errors import StoreError
from .compiled import execute_directly
from .connection_limit import ConnectionLimit
from .engine import (
    BUSY_SECONDS,
    DRIVER_ERRORS,
    as_store_error,
    begin_transaction,
    find_database_file,
    retry_failed_operation,
)

log = get_logger("edoc_connector.store.lines")

_MAX_IDLE = 16  # connections kept open while nobody uses them
_FORK_SECONDS = 5.0  # a fork waits so long for transactions that are running

_FORKED_IN_USE = Text(
    "this process was forked while its parent used the store, and SQLite cannot be used in it. End this process, and "
    "fork before the connector is opened, or while nothing is sent or received; under uWSGI set lazy-apps, or "
    "py-call-uwsgi-fork-hooks.",
    "Tiến trình này được tách (fork) khi tiến trình cha đang dùng kho dữ liệu nên không dùng được SQLite. Hãy kết thúc "
    "tiến trình này và tách tiến trình trước khi mở kết nối, hoặc khi không gửi, nhận gì; với uWSGI hãy đặt lazy-apps "
    "hoặc py-call-uwsgi-fork-hooks.",
)
_DELETED = Text(
    "the file of the store was deleted or moved while this program had it open; nothing more is sent or confirmed. "
    "End this program, put the file back or restore a backup (edoc restore), and start it again.",
    "Tệp kho dữ liệu đã bị xóa hoặc chuyển đi trong khi chương trình đang mở; không gửi hay xác nhận gì thêm. Hãy dừng "
    "chương trình, đặt lại tệp hoặc khôi phục bản sao lưu (edoc restore), rồi chạy lại.",
)
_EXCHANGED = Text(
    "the file of the store was replaced by another one while this program had it open; nothing more is sent or "
    "confirmed. End this program and start it again; if a backup was copied there by hand, run "
    "`edoc restored --begin`.",
    "Tệp kho dữ liệu đã bị thay bằng tệp khác trong khi chương trình đang mở; không gửi hay xác nhận gì thêm. Hãy dừng "
    "rồi chạy lại chương trình; nếu đã chép đè bản sao lưu bằng tay, hãy chạy `edoc restored --begin`.",
)
_parent_connections: list[Connection] = []
"""Connections of the process that this one was forked from; SQLite forbids to use them here, or to close them."""
_unusable_databases: set[str] = set()
"""Files that such a connection has open: SQLite would take the parent's locks for this process' own."""


class ConnectionSource(Protocol):
    """Opens and ends transactions of a database."""

    @property
    def is_lost(self) -> bool: ...
    def begin(self, *, write: bool) -> Connection: ...
    def commit(self, connection: Connection) -> None: ...
    def rollback(self, connection: Connection) -> None: ...
    def close(self) -> None: ...


def select_connection_source(engine: Engine, *, max_connections: int) -> ConnectionSource:
    """Select the source that suits an engine.

    Args:
        engine: opens connections.
        max_connections: most of them to a server at a time; the engine's pool has so many.
    """
    if engine.url.get_backend_name() == "sqlite":
        return SqliteConnectionSource(engine)
    return PooledConnectionSource(engine, max_connections=max_connections)


class SqliteConnectionSource(ForkAware):
    """The connections to one file, safe to share between threads; each is one transaction's at a time.

    SQLite's connections must not be there when a process is forked: the child would take the parent's locks for its
    own, hold none, and lose what it writes. So a fork waits for the transactions that run, and closes the rest.

    Args:
        engine: opens them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._database = engine.url.database or ""
        self._idle: list[Connection] = []
        self._in_use: set[Connection] = set()
        self._opening = 0
        self._forking = False
        self._changed = threading.Condition()
        self._closed = False
        path = find_database_file(engine)
        self._path = path.absolute() if path is not None else None  # the process may change its folder
        self._queue = FileQueue(self._path.resolve()) if self._path is not None else None
        self._has_turn: Connection | None = None
        self._file_identity: tuple[int, int] | None = None
        self._loss: Text | None = None
        watch_forks(self)

    @property
    def is_lost(self) -> bool:
        """Whether the file was found deleted, moved or replaced; it is not used any more, even if it comes back."""
        return self._loss is not None

    def prepare_fork(self) -> None:
        """Wait until no transaction runs, begin none that writes, and close every connection."""
        self._changed.acquire()
        self._forking = True
        if not self._changed.wait_for(lambda: not (self._in_use or self._opening), _FORK_SECONDS):
            log.warning("the process forks while the store is in use; the child cannot use it")
        while self._idle:
            self._idle.pop().close()

    def resume_after_fork(self) -> None:
        """Let transactions begin again."""
        if self._forking:  # else it was made meanwhile
            self._forking = False
            self._changed.notify_all()
            self._changed.release()

    def renew_after_fork(self) -> None:
        """Begin without connections; where the parent had some at the fork, the file cannot be used here."""
        inherited = [*self._idle, *self._in_use]
        if inherited or self._opening:
            _parent_connections.extend(inherited)
            _unusable_databases.add(self._database)
        self._idle, self._in_use, self._opening = [], set(), 0
        self._has_turn = None
        self._changed, self._forking = threading.Condition(), False

    def begin(self, *, write: bool) -> Connection:
        """Begin a transaction; one that writes waits for its turn, and for a lock.

        Raises:
            StoreError: the lock was not to be had, or the database cannot be opened.
        """
        notice_fork()
        if write and self._forking:
            self._wait_for_fork()
        if self._database in _unusable_databases:
            raise StoreError(_FORKED_IN_USE.en, vi=_FORKED_IN_USE.vi)
        self._require_same_file()
        return self._begin_in_turn() if write else self._begin("BEGIN")

    def _begin_in_turn(self) -> Connection:
        # A writer takes the lock at once: two that read first and write later would deadlock, and one would fail.
        if self._queue is None or not self._queue.acquire(BUSY_SECONDS):
            return self._begin("BEGIN IMMEDIATE")
        try:
            self._has_turn = self._begin("BEGIN IMMEDIATE")
        except BaseException:
            self._queue.release()
            raise
        return self._has_turn

    def _end_turn(self, connection: Connection) -> None:
        """Let the next program have its turn, where this connection had it."""
        if self._queue is not None and self._has_turn is connection:
            self._has_turn = None
            self._queue.release()

    def _begin(self, statement: str) -> Connection:
        try:
            return self._begin_with(statement)
        except DRIVER_ERRORS as error:
            return retry_failed_operation(error, lambda: self._begin_with(statement))

    def _require_same_file(self) -> None:
        """Require the file that was opened first: SQLite goes on with one that nobody can find any more."""
        if self._file_identity is None:
            return
        try:
            found = os.stat(self._path or "")  # noqa: PTH116  twice as fast, for each transaction
        except FileNotFoundError:
            self._loss = self._loss or _DELETED
        except OSError as error:
            raise as_store_error(error) from error
        else:
            if (found.st_dev, found.st_ino) != self._file_identity:
                self._loss = self._loss or _EXCHANGED
        if self._loss is not None:
            raise StoreError(self._loss.en, vi=self._loss.vi)

    def _remember_file(self) -> None:
        if self._file_identity is None and self._path is not None:
            found = self._path.stat()
            self._file_identity = found.st_dev, found.st_ino

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
        self._end_turn(connection)
        self._keep_open(connection)

    def rollback(self, connection: Connection) -> None:
        """Roll a transaction back, or end one that only read."""
        self._roll_back_and_keep(connection)

    def close(self) -> None:
        """Close every connection; one that is in use is closed when it comes back."""
        with self._changed:
            self._closed = True
            while self._idle:
                self._idle.pop().close()
        if self._queue is not None:
            self._queue.close()

    def _wait_for_fork(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forking, _FORK_SECONDS)

    def _begin_with(self, statement: str) -> Connection:
        connection = self._take_connection()
        try:
            execute_directly(connection, statement)
        except BaseException:
            self._roll_back_and_keep(connection)
            raise
        return connection

    def _take_connection(self) -> Connection:
        with self._changed:
            if self._idle:
                connection = self._idle.pop()
                self._in_use.add(connection)
                return connection
            self._opening += 1
        opened = None
        try:
            opened = self._engine.connect()
            opened.begin()
            self._remember_file()
        finally:
            with self._changed:
                self._opening -= 1
                if opened is not None:
                    self._in_use.add(opened)
                self._changed.notify_all()
        return opened

    def _roll_back_and_keep(self, connection: Connection) -> None:
        """Roll back whatever is open on a connection, and keep it."""
        try:
            try:
                connection.connection.rollback()  # nothing, where SQLite has ended the transaction
            finally:
                self._end_turn(connection)
        except self._engine.dialect.loaded_dbapi.Error as error:
            log.warning("a connection to the store is given up: %s", error)
            connection.invalidate(error)
            connection.close()
            self._let_go(connection)
        else:
            self._keep_open(connection)

    def _keep_open(self, connection: Connection) -> None:
        with self._changed:
            if self._closed or len(self._idle) >= _MAX_IDLE:
                connection.close()
            else:
                self._idle.append(connection)
            self._in_use.discard(connection)
            if self._forking:
                self._changed.notify_all()

    def _let_go(self, connection: Connection) -> None:
        with self._changed:
            self._in_use.discard(connection)
            self._changed.notify_all()


class PooledConnectionSource(ForkAware):
    """Connections to a server, each from the engine's pool and back.

    Args:
        engine: has the pool.
        max_connections: connections of the pool, 2 or more.
    """

    def __init__(self, engine: Engine, *, max_connections: int) -> None:
        self._engine = engine
        self._max_connections = max_connections
        self._closed = False
        self._limit = ConnectionLimit(max_connections)
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin with an empty pool; the parent's connections are neither used nor closed."""
        self._engine.dispose(close=False)
        self._limit = ConnectionLimit(self._max_connections)

    @property
    def is_lost(self) -> bool:
        """A server's database is asked for its identity instead."""
        return False

    def begin(self, *, write: bool) -> Connection:
        """Begin a transaction on a connection of the pool.

        Raises:
            StoreError: the server cannot be reached, or all connections stay in use.
        """
        notice_fork()
        return self._limit.open(partial(begin_transaction, self._engine, write=write))

    def commit(self, connection: Connection) -> None:
        """Commit a transaction: its writes are on the server's disk."""
        try:
            with connection:
                connection.commit()
        finally:
            self._note_return(connection)

    def rollback(self, connection: Connection) -> None:
        """Roll a transaction back, or end one that only read."""
        try:
            connection.close()
        finally:
            self._note_return(connection)

    def close(self) -> None:
        """Close every connection; one that is in use is closed when it comes back."""
        self._closed = True
        self._close_returned()

    def _note_return(self, connection: Connection) -> None:
        self._limit.note_return(connection)
        self._close_returned()

    def _close_returned(self) -> None:
        """Close what lies in the pool, where it is to have nothing any more; looked at after a return, none is missed.

        Not by `Engine.dispose`: the engine would go on with another pool, and connections in use come back to the old.
        """
        if self._closed:
            self._engine.pool.dispose()
