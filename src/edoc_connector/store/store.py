"""The store: a database and a spool, opened together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType

from sqlalchemy import Engine

from . import audit_log
from ._sql.connections import Line, Lines, line_of
from ._sql.engine import driver_errors, make_engine
from .group_commit import Alone, GroupCommit, Turn
from .migrate import require_current
from .procrastinate.queue import TaskQueue
from .procrastinate.tables import require_tasks
from .spool import Spool
from .transitions import Tx, tell


def utc_now() -> datetime:
    """The time, aware, UTC."""
    return datetime.now(UTC)


class Store:
    """Deliveries, receipts, outgoing messages, timelines and the directory, with the packets' files beside them.

    Blocking, and safe to share between threads. Everything written goes through `transaction`; several processes, or
    machines on one PostgreSQL, may have the same store open.

    Args:
        engine: the database; `Store.open` makes it.
        spool: where packets lie.
        clock: gives the time of each transaction, aware UTC.
        tasks: queues what each transaction makes due, for workers on an engine; None where they look for it themselves.
    """

    def __init__(
        self, engine: Engine, spool: Spool, *, clock: Callable[[], datetime] = utc_now, tasks: TaskQueue | None = None
    ) -> None:
        self._engine = engine
        self.spool = spool
        self.clock = clock
        self._lines = lines = line_of(engine)
        self._turn = GroupCommit(lines).transaction if isinstance(lines, Lines) else partial(Alone, lines)
        self.tasks = tasks

    @classmethod
    def open(
        cls,
        url: str,
        *,
        spool: Path,
        clock: Callable[[], datetime] = utc_now,
        tasks: bool = False,
        owner: str = "",
    ) -> Store:
        """Open a store; an empty database gets its tables.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.
            spool: folder for the packets; made where it is missing.
            clock: gives the time of each transaction, aware UTC.
            tasks: whether what is due is queued as tasks of procrastinate.
            owner: the agency whose packets come into the spool.

        Raises:
            ConfigError: tasks are asked for, and the database is not PostgreSQL or procrastinate is not installed.
            StoreError: it cannot be opened, or has another schema revision.
        """
        engine = make_engine(url)
        try:
            if engine.url.get_backend_name() == "sqlite" and engine.url.database:
                with driver_errors():
                    Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            fresh = require_current(engine)
            queue = require_tasks(engine, fresh=fresh) if tasks else None
            return cls(engine, Spool(spool, owner=owner), clock=clock, tasks=queue)
        except BaseException:
            engine.dispose()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._lines.close()
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def transaction(self, actor: str) -> Writing:
        """Read and write; all of it is on the disk when the block ends, or none of it.

        Args:
            actor: who does it, for the timeline.

        Raises:
            StoreError: nothing changed.
        """
        return Writing(self, self._turn(), actor)

    def reading(self) -> Reading:
        """Read one consistent state.

        Raises:
            StoreError: it cannot be read.
        """
        return Reading(self, self._lines)


class Writing:
    """A transaction of a store; entering it gives its `Tx`.

    Args:
        store: whose.
        turn: the database's part of it.
        actor: who does it.
    """

    def __init__(self, store: Store, turn: Turn | Alone, actor: str) -> None:
        self._store = store
        self._turn = turn
        self._actor = actor

    def __enter__(self) -> Tx:
        with driver_errors():
            self._turn.__enter__()
        try:
            self._tx = Tx(connection=self._turn.connection, now=self._store.clock(), actor=self._actor)
        except BaseException as error:
            self._turn.__exit__(type(error), error, error.__traceback__)
            raise
        return self._tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with driver_errors():
            if error is None:
                self._finish()
            self._turn.__exit__(kind, error, trace)
        driver_errors().__exit__(kind, error, trace)

    def _finish(self) -> None:
        """What is written last: it tells what the block did."""
        tx, tasks = self._tx, self._store.tasks
        try:
            tell(tx)
            if tasks is not None:
                tasks.enter(tx)
            self._turn.said = audit_log.gathered(tx.connection, tx.notes, tx.identities, at=tx.now)
        except BaseException as error:
            self._turn.__exit__(type(error), error, error.__traceback__)
            raise


class Reading:
    """One consistent state of a store; entering it gives its `Tx`.

    Args:
        store: whose.
        lines: its connections.
    """

    def __init__(self, store: Store, lines: Line) -> None:
        self._store = store
        self._lines = lines

    def __enter__(self) -> Tx:
        with driver_errors():
            self._connection = self._lines.begin(write=False)
        return Tx(connection=self._connection, now=self._store.clock(), actor="")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with driver_errors():
            self._lines.undo(self._connection)
        driver_errors().__exit__(kind, error, trace)
