"""Connections to SQLite that stay open between transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from edoc_connector._core import FileQueue
from edoc_connector.errors import StoreError
from edoc_connector.store._sql import connections as connections_module
from edoc_connector.store._sql.connections import SqliteConnectionSource
from edoc_connector.store._sql.engine import make_engine

PATIENCE = 60.0


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SqliteConnectionSource]:
    """Connections to a file with one table."""
    engine = make_engine(f"sqlite:///{tmp_path / 'lines.db'}")
    made = SqliteConnectionSource(engine)
    connection = made.begin(write=True)
    connection.execute(text("CREATE TABLE seen (number INTEGER UNIQUE)"))
    made.commit(connection)
    yield made
    made.close()
    engine.dispose()


def _numbers(source: SqliteConnectionSource) -> list[int]:
    connection = source.begin(write=False)
    found = list(connection.execute(text("SELECT number FROM seen")).scalars())
    source.rollback(connection)
    return found


def test_a_connection_is_used_again(source: SqliteConnectionSource) -> None:
    """Opening one costs more than a transaction (issue, "Small documents")."""
    first = source.begin(write=True)
    first.execute(text("INSERT INTO seen VALUES (1)"))
    source.commit(first)
    second = source.begin(write=False)
    assert second is first
    other = source.begin(write=False)
    assert other is not first
    source.rollback(second)
    source.rollback(other)
    assert _numbers(source) == [1]


def test_what_was_undone_is_not_there_for_the_next(source: SqliteConnectionSource) -> None:
    """A connection comes back without an open transaction (DESIGN, "The store is the truth")."""
    connection = source.begin(write=True)
    connection.execute(text("INSERT INTO seen VALUES (1)"))
    with pytest.raises(IntegrityError):
        connection.execute(text("INSERT INTO seen VALUES (1)"))
    source.rollback(connection)
    assert _numbers(source) == []


def test_one_that_cannot_be_rolled_back_is_given_up(source: SqliteConnectionSource) -> None:
    """The next transaction gets another connection (faults, row 23)."""
    connection = source.begin(write=True)
    connection.connection.dbapi_connection.close()
    source.rollback(connection)
    assert connection.closed
    assert _numbers(source) == []


def test_only_some_are_kept(source: SqliteConnectionSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many threads at once leave only some open connections behind."""
    monkeypatch.setattr(connections_module, "_MAX_IDLE", 1)
    first, second = source.begin(write=False), source.begin(write=False)
    source.rollback(first)
    source.rollback(second)
    assert (first.closed, second.closed) == (False, True)


def test_one_that_comes_back_after_the_end_is_closed(source: SqliteConnectionSource) -> None:
    """A connection that comes back after the end is closed: none stays open behind a closed store."""
    connection = source.begin(write=False)
    source.close()
    source.rollback(connection)
    assert connection.closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX systems fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12: the test runner has threads
def test_a_child_process_opens_its_own(source: SqliteConnectionSource) -> None:
    """SQLite's connections must not cross a fork (its manual, "How To Corrupt An SQLite Database File", 2.6)."""
    (parents,) = source._idle
    child = os.fork()
    if child == 0:
        connection = source.begin(write=True)
        connection.execute(text("INSERT INTO seen VALUES (5)"))
        source.commit(connection)
        os._exit(0 if connection is not parents else 1)
    assert parents.closed  # by the parent before the fork: the child may neither use nor close it
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert _numbers(source) == [5]


def test_a_lock_that_is_not_to_be_had(
    source: SqliteConnectionSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock is tried for a bounded number of times; the connection serves on (faults, row 24)."""
    other = sqlite3.connect(tmp_path / "lines.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (kept,) = source._idle
    kept.connection.dbapi_connection.execute("PRAGMA busy_timeout=10")
    with pytest.raises(StoreError, match="locked by another program"):
        source.begin(write=True)
    assert source._idle == [kept]
    other.execute("ROLLBACK")
    other.close()


def test_who_writes_waits_for_its_turn_and_who_reads_does_not(source: SqliteConnectionSource, tmp_path: Path) -> None:
    """The turn ends with the transaction, however that ends (decision, "Turns between programs")."""
    other = SqliteConnectionSource(make_engine(f"sqlite:///{tmp_path / 'lines.db'}"))
    queue = FileQueue(tmp_path / "lines.db")
    first = source.begin(write=True)
    assert not queue.acquire(0.0)
    reading = other.begin(write=False)
    other.rollback(reading)
    assert not queue.acquire(0.0)
    source.commit(first)
    for end in (source.rollback, source.commit):
        assert queue.acquire(PATIENCE)
        queue.release()
        end(source.begin(write=True))
    assert queue.acquire(PATIENCE)
    queue.release()
    queue.close()
    other.close()


def test_a_turn_that_does_not_come_keeps_nobody_from_writing(
    source: SqliteConnectionSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own lock decides: a program that hangs with its turn, and writes nothing, holds nobody up for long."""
    monkeypatch.setattr(connections_module, "BUSY_SECONDS", 0.01)
    queue = FileQueue(tmp_path / "lines.db")
    assert queue.acquire(PATIENCE)
    connection = source.begin(write=True)
    connection.execute(text("INSERT INTO seen VALUES (1)"))
    source.commit(connection)
    assert _numbers(source) == [1]
    queue.release()
    queue.close()


def test_a_lock_that_is_not_had_ends_the_turn(
    source: SqliteConnectionSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another program keeps SQLite's lock, whoever gave up waiting for it leaves the queue to the others."""
    monkeypatch.setattr("edoc_connector.store._sql.engine.LOCK_ATTEMPTS", 1)
    engine = make_engine(f"sqlite:///{tmp_path / 'lines.db'}")
    other = SqliteConnectionSource(engine)
    stranger = sqlite3.connect(tmp_path / "lines.db", isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    waiting = other.begin(write=False)
    waiting.exec_driver_sql("PRAGMA busy_timeout=1")
    other.rollback(waiting)
    with pytest.raises(StoreError, match="locked by another program"):
        other.begin(write=True)
    stranger.close()
    queue = FileQueue(tmp_path / "lines.db")
    assert queue.acquire(0.0)
    queue.release()
    queue.close()
    other.close()
