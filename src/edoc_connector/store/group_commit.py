"""Group commit: transactions of many threads, and one flush to the disk.

SQLite has one writer, and what a commit costs is the flush. So threads take turns inside one transaction of the
database, each behind a savepoint of its own; whoever ends a turn and finds nobody waiting commits for all of them.
While that flush runs, the others gather for the next one. Each thread goes on only after the commit of what it wrote:
to its caller it is a transaction like any other, on the disk or not done at all.

A thread sees what those before it wrote in the same group, which is not on the disk yet. Nothing that it says can
outrun that: it returns, or raises, only when the group's fate is known.

Entries of the members for the evidence are kept until the commit, and written then for the whole group, in the order
of the turns: the end of the log is looked up once, and its tree grows in one go. Where that fails nothing of the
group is done. A member that was rolled back has no entries.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from sqlalchemy import Connection

from .._core import ForkAware, notice_fork, watch_forks
from ..errors import StoreError
from ..evidence import LogEntry
from ._sql import DRIVER_ERRORS, ConnectionSource, as_store_error, execute_directly, translate_driver_errors
from .log import EvidenceWriter

MAX_MEMBERS = 64  # members of one group, so that the first does not wait for ever
_SAVEPOINT = "edoc_member"
_ROLLED_BACK_ERROR = StoreError(
    "the transaction was given up together with another one; nothing changed. Try again.",
    vi="Giao dịch bị hủy cùng với một giao dịch khác; chưa có gì thay đổi. Hãy thử lại.",
)


class _Group:
    """One transaction of the database, shared by several threads.

    Attributes:
        member_count: how many ended their turn.
        audit_entries: their entries for the evidence.
        committed: whether it is on the disk.
        error: why it was rolled back.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.member_count = 0
        self.audit_entries: list[LogEntry] = []
        self.committed = False
        self.error: StoreError | None = None
        self._outcome_lock = threading.Lock()  # held until it is committed or undone
        self._outcome_lock.acquire()

    def release_members(self) -> None:
        """Let the members go: the group is committed or undone."""
        self._outcome_lock.release()

    def wait_for_commit(self) -> None:
        """Wait for the commit.

        Raises:
            StoreError: there was none; nothing changed.
        """
        with self._outcome_lock:
            pass
        if not self.committed:
            error = self.error or _ROLLED_BACK_ERROR
            raise StoreError(error.message, vi=error.vi) from self.error


class _Ticket:
    """A thread's place in the queue."""

    def __init__(self) -> None:
        self._turn_lock = threading.Lock()
        self._turn_lock.acquire()
        self.error: StoreError | None = None

    def wait_for_turn(self) -> None:
        self._turn_lock.acquire()
        if self.error is not None:
            raise StoreError(self.error.message, vi=self.error.vi) from self.error

    def grant_turn(self) -> None:
        self._turn_lock.release()


class GroupCommit(ForkAware):
    """Transactions that share their commits.

    Args:
        connections: opens and ends the transactions of the database.
        evidence: writes the members' entries.
    """

    def __init__(self, connections: ConnectionSource, evidence: EvidenceWriter) -> None:
        self._connections = connections
        self._evidence = evidence
        self._reset()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Forget the turns of the parent's threads."""
        self._reset()

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._queue: deque[_Ticket] = deque()
        self._turn_taken = False
        self._group: _Group | None = None  # this and what is in it belong to the thread whose turn it is

    def transaction(self) -> GroupTransaction:
        """Make a transaction: all of its writes are on the disk when the block ends, or none."""
        return GroupTransaction(self)

    def join_group(self) -> _Group:
        """Join the queue and wait for the turn.

        Raises:
            StoreError: no transaction was to be had.
        """
        notice_fork()
        ticket = None
        with self._mutex:
            if self._turn_taken:
                ticket = _Ticket()
                self._queue.append(ticket)
            self._turn_taken = True
        if ticket is not None:
            try:
                ticket.wait_for_turn()
            except BaseException:  # an error for all who wait, or a signal handler's, Ctrl-C for one
                self._withdraw_ticket(ticket)
                raise
        if self._group is None:
            try:
                self._group = _Group(self._connections.begin(write=True))
            except BaseException as error:
                self._pass_turn(error if isinstance(error, StoreError) else None)
                raise
        return self._group

    def rollback(self, group: _Group, *, whole_group: bool) -> None:
        """Roll one member's work back, or the whole group's where that is all there is or cannot be told apart."""
        if whole_group:
            self._end_group(group, commit=False)
            return
        try:
            with translate_driver_errors():
                execute_directly(group.connection, f"ROLLBACK TO {_SAVEPOINT}")
                execute_directly(group.connection, f"RELEASE {_SAVEPOINT}")
        except StoreError as error:
            # After some errors, a full disk for one, SQLite has undone everything already.
            group.error = error
            self._end_group(group, commit=False)
        else:
            self.leave_group(group)

    def leave_group(self, group: _Group) -> None:
        """End a turn: the next in the queue goes on in the same group; without one the group is committed."""
        group.member_count += 1
        next_ticket = None
        with self._mutex:
            if self._queue and group.member_count < MAX_MEMBERS:
                next_ticket = self._queue.popleft()
        if next_ticket is None:
            self._end_group(group, commit=True)
        else:
            next_ticket.grant_turn()

    def _end_group(self, group: _Group, *, commit: bool) -> None:
        try:
            if commit:
                _append_and_commit(self._connections, group.connection, group.audit_entries, self._evidence)
                group.committed = True
            else:
                self._connections.rollback(group.connection)
        except DRIVER_ERRORS as error:
            group.error = group.error or as_store_error(error)
        except StoreError as error:
            group.error = group.error or error
        finally:
            self._group = None
            group.release_members()
            self._pass_turn()

    def _withdraw_ticket(self, ticket: _Ticket) -> None:
        """Give back a place in the queue, or the turn if it came meanwhile: the others go on."""
        with self._mutex:
            if ticket in self._queue:
                self._queue.remove(ticket)
                return
            if ticket.error is not None:
                return
        if self._group is None:
            self._pass_turn()
        else:
            self.leave_group(self._group)

    def _pass_turn(self, error: StoreError | None = None) -> None:
        """Pass the turn to the next in the queue; or to everybody in it an error that would meet them all the same."""
        with self._mutex:
            failed_tickets = list(self._queue) if error is not None else []
            for ticket in failed_tickets:
                ticket.error = error
            if failed_tickets:
                self._queue.clear()
            next_ticket = self._queue.popleft() if self._queue else None
            self._turn_taken = next_ticket is not None
        for ticket in failed_tickets:
            ticket.grant_turn()
        if next_ticket is not None:
            next_ticket.grant_turn()


class GroupTransaction:
    """One thread's transaction in a group.

    Attributes:
        connection: the database, inside the transaction.
        audit_entries: its entries for the evidence; to be set before the block ends.

    Raises:
        StoreError: nothing changed.
    """

    connection: Connection
    audit_entries: Sequence[LogEntry] = ()
    _group: _Group
    _is_first: bool

    def __init__(self, group_commit: GroupCommit) -> None:
        self._group_commit = group_commit

    def __enter__(self) -> Self:
        self._group = group = self._group_commit.join_group()
        self.connection = group.connection
        self._is_first = group.member_count == 0  # nobody is before it whose work a savepoint would protect
        if not self._is_first:
            self._run_savepoint_command("SAVEPOINT")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._rollback()
            return
        if not self._is_first:
            self._run_savepoint_command("RELEASE")
        self._group.audit_entries += self.audit_entries
        self._group_commit.leave_group(self._group)
        self._group.wait_for_commit()

    def _run_savepoint_command(self, command: str) -> None:
        try:
            execute_directly(self.connection, f"{command} {_SAVEPOINT}")
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        self._group_commit.rollback(self._group, whole_group=self._is_first)
        if not self._is_first:
            self._group.wait_for_commit()


class SoloTransaction:
    """One thread's transaction on a server, which groups commits by itself; used as a `GroupTransaction` is.

    Args:
        connections: opens and ends it.
        evidence: writes its entries.
    """

    connection: Connection
    audit_entries: Sequence[LogEntry] = ()

    def __init__(self, connections: ConnectionSource, evidence: EvidenceWriter) -> None:
        self._connections = connections
        self._evidence = evidence

    def __enter__(self) -> Self:
        self.connection = self._connections.begin(write=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._connections.rollback(self.connection)
        else:
            _append_and_commit(self._connections, self.connection, self.audit_entries, self._evidence)


def _append_and_commit(
    connections: ConnectionSource,
    connection: Connection,
    audit_entries: Sequence[LogEntry],
    evidence: EvidenceWriter,
) -> None:
    """Append the entries and commit; neither without the other."""
    try:
        appended = evidence.append(connection, audit_entries)
    except BaseException:
        connections.rollback(connection)
        raise
    connections.commit(connection)
    evidence.note_commit(appended)
