"""Many threads' transactions, one flush to the disk.

SQLite has one writer, and what a commit costs is the flush. So threads take turns inside one transaction of the
database, each behind a savepoint of its own; whoever ends a turn and finds nobody waiting commits for all of them.
While that flush runs, the others gather for the next one. Each thread goes on only after the commit of what it wrote:
to its caller it is a transaction like any other, on the disk or not done at all.

A thread sees what those before it wrote in the same group, which is not on the disk yet. Nothing that it says can
outrun that: it returns, or raises, only when the group's fate is known.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from ..errors import StoreError
from .engine import driver_errors

MOST = 64  # members of one group, so that the first does not wait for ever
_SAVEPOINT = "edoc_member"


class _Group:
    """One transaction of the database.

    Attributes:
        members: how many ended their turn.
        ended: set once it is committed or undone.
        error: why it was undone.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.members = 0
        self.ended = threading.Event()
        self.error: StoreError | None = None

    def settle(self) -> None:
        """Wait for the commit.

        Raises:
            StoreError: there was none; nothing changed.
        """
        self.ended.wait()
        if self.error is not None:
            raise StoreError(self.error.message, vi=self.error.vi) from self.error


class _Ticket:
    """A thread's place in the queue."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._turn.acquire()
        self.error: StoreError | None = None

    def wait(self) -> None:
        self._turn.acquire()
        if self.error is not None:
            raise StoreError(self.error.message, vi=self.error.vi) from self.error

    def call(self) -> None:
        self._turn.release()


class GroupCommit:
    """Transactions that share their commits.

    Args:
        begin: opens a transaction of the database, to write in.
    """

    def __init__(self, begin: Callable[[], Connection]) -> None:
        self._begin = begin
        self._mutex = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._busy = False
        self._group: _Group | None = None  # this and what is in it belong to the thread whose turn it is

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A turn; all that is written in it is on the disk when the block ends, or nothing is.

        Raises:
            StoreError: nothing changed.
        """
        group = self._entered()
        alone = group.members == 0  # then there is nobody before it whose work a savepoint would have to protect
        try:
            if not alone:
                group.connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
            yield group.connection
            if not alone:
                group.connection.exec_driver_sql(f"RELEASE {_SAVEPOINT}")
        except BaseException:
            self._undone(group, alone=alone)
            if not alone:
                group.settle()
            raise
        self._left(group)
        group.settle()

    def _entered(self) -> _Group:
        """Wait for the turn."""
        ticket = _Ticket()
        with self._mutex:
            waits = self._busy
            if waits:
                self._queue.append(ticket)
            self._busy = True
        if waits:
            ticket.wait()
        if self._group is None:
            try:
                self._group = _Group(self._begin())
            except BaseException as error:
                self._pass_on(error if isinstance(error, StoreError) else None)
                raise
        return self._group

    def _undone(self, group: _Group, *, alone: bool) -> None:
        """Undo one member's work, or the whole group's where that is all there is or where it cannot be told apart."""
        if alone:
            self._end(group, commit=False)
            return
        try:
            with driver_errors():
                group.connection.exec_driver_sql(f"ROLLBACK TO {_SAVEPOINT}")
                group.connection.exec_driver_sql(f"RELEASE {_SAVEPOINT}")
        except StoreError as error:
            # After some errors, a full disk for one, SQLite has undone everything already.
            group.error = error
            self._end(group, commit=False)
        else:
            self._left(group)

    def _left(self, group: _Group) -> None:
        """End a turn: the next in the queue goes on in the same group; without one it is committed."""
        group.members += 1
        heir = None
        with self._mutex:
            if self._queue and group.members < MOST:
                heir = self._queue.popleft()
        if heir is None:
            self._end(group, commit=True)
        else:
            heir.call()

    def _end(self, group: _Group, *, commit: bool) -> None:
        try:
            with driver_errors(), group.connection as connection:  # closing undoes what was not committed
                if commit:
                    connection.commit()
        except StoreError as error:
            group.error = group.error or error
        finally:
            self._group = None
            group.ended.set()
            self._pass_on()

    def _pass_on(self, error: StoreError | None = None) -> None:
        """Give the turn to the next in the queue; to everybody in it an error that would meet them all the same."""
        with self._mutex:
            called = list(self._queue) if error is not None else []
            if called:
                self._queue.clear()
            heir = self._queue.popleft() if self._queue else None
            self._busy = heir is not None
        for ticket in called:
            ticket.error = error
            ticket.call()
        if heir is not None:
            heir.call()
