"""Threads that share commits on SQLite: each transaction is on the disk or not done at all."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from edoc_connector._core import utc_now
from edoc_connector.errors import StoreError
from edoc_connector.store import group_commit as group_module
from edoc_connector.store._sql import connections as connections_module
from edoc_connector.store._sql.compiled import execute_directly
from edoc_connector.store._sql.connections import SqliteConnectionSource
from edoc_connector.store._sql.engine import make_engine, translate_driver_errors
from edoc_connector.store.group_commit import GroupCommit
from edoc_connector.store.log import EvidenceWriter

OTHERS = 5
Write = Callable[[Connection, int], None]
Together = Callable[..., list[Future[None]]]


class Watched(SqliteConnectionSource):
    """The connections to a file, and how often a transaction was begun."""

    opened = 0
    refuse = False

    def begin(self, *, write: bool) -> Connection:
        if self.refuse:
            raise StoreError("locked", vi="bị khóa")
        self.opened += 1
        return super().begin(write=write)


class Database:
    """A file with one table, and what was done to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = make_engine(f"sqlite:///{path}")
        self.lines = Watched(self.engine)
        self.group = GroupCommit(self.lines, EvidenceWriter(self.lines, clock=utc_now, in_commit=True))
        with self.group.transaction() as turn:
            turn.connection.execute(text("CREATE TABLE seen (number INTEGER)"))
        self.lines.opened = 0

    def numbers(self) -> list[int]:
        """What another program finds in the file."""
        other = sqlite3.connect(self.path)
        try:
            return sorted(row[0] for row in other.execute("SELECT number FROM seen"))
        finally:
            other.close()

    def insert(self, connection: Connection, number: int) -> None:
        connection.execute(text("INSERT INTO seen VALUES (:number)"), {"number": number})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    made = Database(tmp_path / "group.db")
    yield made
    made.lines.close()
    made.engine.dispose()


@pytest.fixture
def together(database: Database) -> Together:
    """Runs transactions 0 to OTHERS in threads: all others wait for their turn while the first is inside."""

    def run(first: Write, other: Write | None = None) -> list[Future[None]]:
        inside, go = threading.Event(), threading.Event()

        def one(number: int) -> None:
            with translate_driver_errors(), database.group.transaction() as turn:
                if number == 0:
                    inside.set()
                    go.wait()
                (first if number == 0 or other is None else other)(turn.connection, number)

        with ThreadPoolExecutor(OTHERS + 1) as pool:
            futures = [pool.submit(one, 0)]
            inside.wait()
            futures += [pool.submit(one, number) for number in range(1, OTHERS + 1)]
            while len(database.group._queue) < OTHERS:
                time.sleep(0.001)
            go.set()
        return futures

    return run


def test_threads_share_a_commit(database: Database, together: Together) -> None:
    """Those who wait go on in the same transaction, and all of it is on the disk when they return."""
    for future in together(database.insert):
        future.result()
    assert database.numbers() == list(range(OTHERS + 1))
    assert database.lines.opened == 1


def test_a_member_that_fails_undoes_its_own_work_only(database: Database, together: Together) -> None:
    """Each transaction is whole or not there (DESIGN, "The store is the truth")."""

    def fail(connection: Connection, number: int) -> None:
        database.insert(connection, number)
        if number % 2:
            raise LookupError(number)

    failed = [future.exception() for future in together(fail)]
    assert [type(error) for error in failed] == [type(None), LookupError] * 3
    assert database.numbers() == [0, 2, 4]


def test_a_first_member_that_fails_leaves_the_others_a_transaction_of_their_own(
    database: Database, together: Together
) -> None:
    """Nothing of it is there, and everything of theirs is."""

    def fail(connection: Connection, number: int) -> None:
        database.insert(connection, number)
        raise LookupError(number)

    first, *others = together(fail, database.insert)
    assert isinstance(first.exception(), LookupError)
    for future in others:
        future.result()
    assert database.numbers() == list(range(1, OTHERS + 1))


def test_a_commit_that_fails_fails_for_everybody(
    database: Database, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told that something is stored which is not, not even by an error about what others stored."""

    def full(connection: Connection, statement: str) -> None:
        if statement == "COMMIT":
            raise OperationalError(statement, {}, sqlite3.OperationalError("database or disk is full"))
        execute_directly(connection, statement)

    def write(connection: Connection, number: int) -> None:
        database.insert(connection, number)
        if number == OTHERS:
            raise LookupError(number)

    with monkeypatch.context() as patch:
        patch.setattr(connections_module, "execute_directly", full)
        failed = [future.exception() for future in together(write)]
    assert {type(error) for error in failed} == {StoreError}
    assert len(set(map(id, failed))) == OTHERS + 1
    assert database.numbers() == []
    with database.group.transaction() as turn:
        database.insert(turn.connection, 7)
    assert database.numbers() == [7]


def test_a_transaction_that_sqlite_undid_fails_for_everybody(database: Database, together: Together) -> None:
    """After some errors SQLite undoes the whole transaction: the members before are told."""

    def undo(connection: Connection, number: int) -> None:
        if number < OTHERS:
            database.insert(connection, number)
            return
        connection.exec_driver_sql("ROLLBACK")
        raise LookupError(number)

    assert {type(future.exception()) for future in together(undo)} == {StoreError}
    assert database.numbers() == []


def test_a_member_that_hides_such_an_error_cannot_make_the_others_believe(
    database: Database, together: Together
) -> None:
    """What is written after SQLite undid the transaction would be outside of any."""

    def undo(connection: Connection, number: int) -> None:
        if number < OTHERS:
            database.insert(connection, number)
        else:
            connection.exec_driver_sql("ROLLBACK")

    assert {type(future.exception()) for future in together(undo)} == {StoreError}
    assert database.numbers() == []


def test_a_lock_that_is_not_to_be_had_is_told_to_all_who_wait(database: Database, together: Together) -> None:
    """One after another they would each wait for it in vain (faults, row 24)."""

    def fail(connection: Connection, number: int) -> None:
        database.lines.refuse = True
        raise LookupError(number)

    first, *others = together(fail, database.insert)
    assert isinstance(first.exception(), LookupError)
    assert {type(future.exception()) for future in others} == {StoreError}
    database.lines.refuse = False
    with database.group.transaction() as turn:
        database.insert(turn.connection, 1)
    assert database.numbers() == [1]


def test_evidence_that_cannot_be_written_fails_for_everybody(
    database: Database, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evidence is written for the whole group, or nothing of the group is stored."""

    def full(writer: object, connection: Connection, said: list[object]) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(EvidenceWriter, "append", full)
        failed = [future.exception() for future in together(database.insert)]
    assert {type(error) for error in failed} == {StoreError}
    assert database.numbers() == []
    with database.group.transaction() as turn:
        database.insert(turn.connection, 7)
    assert database.numbers() == [7]


def test_a_mistake_while_committing_is_nobodys_success(
    database: Database, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a group ends, its members return only where it was committed."""

    def broken(writer: object, connection: Connection, said: list[object]) -> None:
        raise LookupError("a mistake of ours")

    with monkeypatch.context() as patch:
        patch.setattr(EvidenceWriter, "append", broken)
        failed = [future.exception() for future in together(database.insert)]
    assert sorted(type(error).__name__ for error in failed) == ["LookupError"] + OTHERS * ["StoreError"]
    assert database.numbers() == []


def test_a_group_is_bounded(database: Database, together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of many does not wait for all who come after it."""
    monkeypatch.setattr("edoc_connector.store.group_commit.MAX_MEMBERS", 2)
    for future in together(database.insert):
        future.result()
    assert database.numbers() == list(range(OTHERS + 1))
    assert database.lines.opened == (OTHERS + 1) // 2


@pytest.mark.parametrize("called", [False, True], ids=["while it waits", "as its turn comes"])
def test_whoever_is_interrupted_while_waiting_blocks_nobody(
    database: Database,
    together: Together,
    monkeypatch: pytest.MonkeyPatch,
    called: bool,
) -> None:
    """After Ctrl-C, or a time limit that a signal enforces, the others write and the next transaction comes through."""
    wait, interrupted = group_module._Ticket.wait_for_turn, threading.Event()
    go = threading.Event()

    def wait_or_not(ticket: group_module._Ticket) -> None:
        mine = not interrupted.is_set()
        interrupted.set()
        if called or not mine:
            wait(ticket)
        else:
            go.wait()  # until all are in the queue: the first to wait leaves it from the front
        if mine:
            raise KeyboardInterrupt

    def first(connection: Connection, number: int) -> None:
        database.insert(connection, number)
        go.set()
        if not called:
            while len(database.group._queue) == OTHERS:  # it leaves before its turn comes
                time.sleep(0.001)

    monkeypatch.setattr(group_module._Ticket, "wait_for_turn", wait_or_not)
    ends = [future.exception() for future in together(first, database.insert)]
    assert [type(end) for end in ends].count(KeyboardInterrupt) == 1
    left = [number for number, end in enumerate(ends) if end is None]
    with database.group.transaction() as turn:
        database.insert(turn.connection, 99)
    assert database.numbers() == [*left, 99]


def test_a_turn_that_nobody_takes_is_passed_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is free after the only waiting thread is interrupted just as the group before it ends."""
    wait = group_module._Ticket.wait_for_turn

    def interrupted(ticket: group_module._Ticket) -> None:
        wait(ticket)
        raise KeyboardInterrupt

    monkeypatch.setattr(group_module._Ticket, "wait_for_turn", interrupted)
    monkeypatch.setattr(group_module, "MAX_MEMBERS", 1)
    inside, go = threading.Event(), threading.Event()

    def hold() -> None:
        with database.group.transaction() as turn:
            inside.set()
            go.wait()
            database.insert(turn.connection, 1)

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(hold)
        inside.wait()
        waiting = pool.submit(database.group.join_group)
        while not database.group._queue:
            time.sleep(0.001)
        go.set()
        assert isinstance(waiting.exception(), KeyboardInterrupt)
        holder.result()
    with database.group.transaction() as turn:
        database.insert(turn.connection, 2)
    assert database.numbers() == [1, 2]
