"""The store: a database and a spool, opened together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine

from . import evidence
from .engine import begin, driver_errors, make_engine
from .group import GroupCommit
from .migrate import require_current
from .moves import Tx
from .spool import Spool
from .task_tables import require_tasks
from .tasks import TaskQueue


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
        grouped = engine.url.get_backend_name() == "sqlite"
        self._writing = GroupCommit(self._begun).transaction if grouped else self._alone
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
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self, actor: str) -> Iterator[Tx]:
        """Read and write; all of it is on the disk when the block ends, or none of it.

        Args:
            actor: who does it, for the timeline.

        Raises:
            StoreError: nothing changed.
        """
        with driver_errors(), self._writing() as connection:
            tx = Tx(connection=connection, now=self.clock(), actor=actor)
            yield tx
            if self.tasks is not None:
                self.tasks.enter(tx)
            evidence.write(connection, tx.notes, at=tx.now)

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """Read one consistent state.

        Raises:
            StoreError: it cannot be read.
        """
        with driver_errors(), begin(self._engine, write=False) as connection:
            yield Tx(connection=connection, now=self.clock(), actor="")

    def _begun(self) -> Connection:
        return begin(self._engine, write=True)

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        """A transaction for one thread; a server groups commits by itself."""
        with self._begun() as connection:
            yield connection
            connection.commit()
