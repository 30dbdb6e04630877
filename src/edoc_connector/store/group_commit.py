"""Many threads' transactions, one flush to the disk.

SQLite has one writer, and what a commit costs is the flush. So threads take turns inside one transaction of the
database, each behind a savepoint of its own; whoever ends a turn and finds nobody waiting commits for all of them.
While that flush runs, the others gather for the next one. Each thread goes on only after the commit of what it wrote:
to its caller it is a transaction like any other, on the disk or not done at all.

A thread sees what those before it wrote in the same group, which is not on the disk yet. Nothing that it says can
outrun that: it returns, or raises, only when the group's fate is known.

What a member says for the evidence is kept until the commit, and written then for the whole group, in the order of the
turns: the end of the chain is looked up once, and the chain grows in one go. Where that fails nothing of the group is
done. A member that was undone has said nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from ..errors import StoreError
from ._sql.compiled import direct
from ._sql.connections import Line
from ._sql.engine import driver_errors
from .audit_log import Entry, append

MOST = 64  # members of one group, so that the first does not wait for ever
_SAVEPOINT = "edoc_member"
_UNDONE = StoreError(
    "the transaction was given up together with another one; nothing changed. Try again.",
    vi="Giao dịch bị hủy cùng với một giao dịch khác; chưa có gì thay đổi. Hãy thử lại.",
)


class _Group:
    """One transaction of the database.

    Attributes:
        members: how many ended their turn.
        said: what they said for the evidence.
        committed: whether it is on the disk.
        error: why it was undone.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.members = 0
        self.said: list[Entry] = []
        self.committed = False
        self.error: StoreError | None = None
        self._running = threading.Lock()  # held until it is committed or undone
        self._running.acquire()

    def end(self) -> None:
        """It is committed or undone."""
        self._running.release()

    def settle(self) -> None:
        """Wait for the commit.

        Raises:
            StoreError: there was none; nothing changed.
        """
        with self._running:
            pass
        if not self.committed:
            error = self.error or _UNDONE
            raise StoreError(error.message, vi=error.vi) from self.error


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
        lines: opens and ends the transactions of the database.
    """

    def __init__(self, lines: Line) -> None:
        self._lines = lines
        self._mutex = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._busy = False
        self._group: _Group | None = None  # this and what is in it belong to the thread whose turn it is

    def transaction(self) -> Turn:
        """A turn; all that is written in it is on the disk when the block ends, or nothing is."""
        return Turn(self)

    def enter(self) -> _Group:
        """Wait for the turn.

        Raises:
            StoreError: no transaction was to be had.
        """
        ticket = None
        with self._mutex:
            if self._busy:
                ticket = _Ticket()
                self._queue.append(ticket)
            self._busy = True
        if ticket is not None:
            try:
                ticket.wait()
            except BaseException:  # an error for all who wait, or a signal handler's, Ctrl-C for one
                self._withdraw(ticket)
                raise
        if self._group is None:
            try:
                self._group = _Group(self._lines.begin(write=True))
            except BaseException as error:
                self._pass_on(error if isinstance(error, StoreError) else None)
                raise
        return self._group

    def undo(self, group: _Group, *, alone: bool) -> None:
        """Undo one member's work, or the whole group's where that is all there is or where it cannot be told apart."""
        if alone:
            self._end(group, commit=False)
            return
        try:
            with driver_errors():
                direct(group.connection, f"ROLLBACK TO {_SAVEPOINT}")
                direct(group.connection, f"RELEASE {_SAVEPOINT}")
        except StoreError as error:
            # After some errors, a full disk for one, SQLite has undone everything already.
            group.error = error
            self._end(group, commit=False)
        else:
            self.leave(group)

    def leave(self, group: _Group) -> None:
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
            with driver_errors():
                if commit:
                    _committed(self._lines, group.connection, group.said)
                    group.committed = True
                else:
                    self._lines.undo(group.connection)
        except StoreError as error:
            group.error = group.error or error
        finally:
            self._group = None
            group.end()
            self._pass_on()

    def _withdraw(self, ticket: _Ticket) -> None:
        """Give a place in the queue back, or the turn if it came meanwhile: the others go on."""
        with self._mutex:
            if ticket in self._queue:
                self._queue.remove(ticket)
                return
            if ticket.error is not None:
                return
        if self._group is None:
            self._pass_on()
        else:
            self.leave(self._group)

    def _pass_on(self, error: StoreError | None = None) -> None:
        """Give the turn to the next in the queue; to everybody in it an error that would meet them all the same."""
        with self._mutex:
            called = list(self._queue) if error is not None else []
            for ticket in called:
                ticket.error = error
            if called:
                self._queue.clear()
            heir = self._queue.popleft() if self._queue else None
            self._busy = heir is not None
        for ticket in called:
            ticket.call()
        if heir is not None:
            heir.call()


class Turn:
    """One thread's transaction in a group.

    Attributes:
        connection: the database, inside the transaction.
        said: what it says for the evidence; to be set before the block ends.

    Raises:
        StoreError: nothing changed.
    """

    connection: Connection
    said: Sequence[Entry] = ()
    _group: _Group
    _alone: bool

    def __init__(self, commits: GroupCommit) -> None:
        self._commits = commits

    def __enter__(self) -> Self:
        self._group = group = self._commits.enter()
        self.connection = group.connection
        self._alone = group.members == 0  # then nobody is before it whose work a savepoint would have to protect
        if not self._alone:
            self._protected("SAVEPOINT")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._undo()
            return
        if not self._alone:
            self._protected("RELEASE")
        self._group.said += self.said
        self._commits.leave(self._group)
        self._group.settle()

    def _protected(self, word: str) -> None:
        try:
            direct(self.connection, f"{word} {_SAVEPOINT}")
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        self._commits.undo(self._group, alone=self._alone)
        if not self._alone:
            self._group.settle()


class Alone:
    """One thread's transaction on a server, which groups commits by itself; used as a `Turn` is.

    Args:
        lines: opens and ends it.
    """

    connection: Connection
    said: Sequence[Entry] = ()

    def __init__(self, lines: Line) -> None:
        self._lines = lines

    def __enter__(self) -> Self:
        self.connection = self._lines.begin(write=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._lines.undo(self.connection)
        else:
            _committed(self._lines, self.connection, self.said)


def _committed(lines: Line, connection: Connection, said: Sequence[Entry]) -> None:
    """Write what was said and commit; neither without the other."""
    try:
        append(connection, said)
    except BaseException:
        lines.undo(connection)
        raise
    lines.commit(connection)
