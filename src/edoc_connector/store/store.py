"""The store: a database and a spool, opened together, and its transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType

from sqlalchemy import Engine, text

from .._core import make_private_folder, protect_database, utc_now
from ..errors import NotFound
from ._sql import (
    DRIVER_ERRORS,
    ConnectionSource,
    as_store_error,
    as_typed_error,
    find_database_file,
    translate_driver_errors,
)
from .database import Database, SharedDatabases
from .group_commit import GroupTransaction, SoloTransaction
from .log import gather_entries
from .maintenance import Announcement, Identity, IdentityWatch, require_known, require_never_there
from .migrate import ensure_schema, read_revision
from .procrastinate import TaskQueue, require_task_tables
from .rows import StoreIdentity
from .spool import PacketFile, Spool, SpoolKeys
from .transaction import Tx

_PLACE_ON_SERVER = "SELECT oid, current_schema() FROM pg_database WHERE datname = current_database()"

_person: ContextVar[str | None] = ContextVar("edoc_person", default=None)
_common: ContextVar[CommonSnapshot | None] = ContextVar("edoc_common_snapshot", default=None)


class Store:
    """Deliveries, receipts, outgoing messages, timelines and the directory, with the packets' files beside them.

    Blocking, and safe to share between threads. Everything written goes through `transaction`; several processes, or
    machines on one PostgreSQL, may have the same store open.

    Args:
        database: the database; `Store.open` opens it.
        spool: where packets lie.
        leave: closes the database, or leaves it to the other stores that use it.
        clock: gives the time of each transaction, aware UTC.
        tasks: queues what each transaction makes due, for workers on an engine; None where they look for it themselves.
        actor: who writes, where a transaction does not say.
        archives: folder with the files of archives of the evidence.
    """

    def __init__(
        self,
        database: Database,
        spool: Spool,
        *,
        leave: Callable[[], None],
        clock: Callable[[], datetime] = utc_now,
        tasks: TaskQueue | None = None,
        actor: str = "",
        archives: Path | None = None,
    ) -> None:
        self.archives = archives
        self._engine = database.engine
        self._announcer = database.announcer
        self._leave = leave
        self._is_closed = False
        self._actor = actor
        self.spool = spool
        self.clock = clock
        self._connections = database.connections
        self._evidence = database.evidence
        self._new_transaction = database.new_transaction
        self.tasks = tasks
        with StoreSnapshot(self, self._connections) as tx:
            self._watch = IdentityWatch(Identity(tx).read())

    @property
    def identity(self) -> StoreIdentity:
        """Which store it is, as of the last look."""
        return self._watch.identity

    @property
    def is_lost(self) -> bool:
        """Whether it was found deleted, moved, replaced or turned back: the program has to be started again."""
        return self._watch.is_refused or self._connections.is_lost

    def require_same(self, agency: str) -> None:
        """Require that the database is the one that was opened, and has not forgotten anything.

        Raises:
            StoreError: it was deleted, replaced, or put back to an older state; the error says what to do.
        """
        known_sequence = self._watch.get_sequence(agency)
        with self.snapshot() as tx:
            self._watch.require_same(tx, agency, known_sequence=known_sequence)

    def accept_identity(self) -> None:
        """Take the store's identity as it is now: this program renewed it."""
        with StoreSnapshot(self, self._connections) as tx:
            self._watch = IdentityWatch(Identity(tx).read())

    @property
    def url(self) -> str:
        """The database's URL, with its password."""
        return self._engine.url.render_as_string(hide_password=False)

    @property
    def database(self) -> str:
        """Name the database as this machine finds it: the path of its file, or server and name; no secret."""
        path = find_database_file(self._engine)
        url = self._engine.url
        return (
            str(path.resolve())
            if path is not None
            else f"{url.host or url.query.get('host')}:{url.port}/{url.database}"
        )

    @property
    def folder(self) -> Path | None:
        """The folder of the database's file; None on a server."""
        path = find_database_file(self._engine)
        return None if path is None else path.absolute().parent

    @property
    def key(self) -> str:
        """Tell the database from every other: by its file, or its place on the server, however the URL names it.

        Raises:
            StoreError: it cannot be read.
        """
        path = find_database_file(self._engine)
        if path is not None:
            with translate_driver_errors():
                found = path.stat()
            return f"{found.st_dev}:{found.st_ino}"
        with self.snapshot() as tx:
            place = tx.connection.execute(text(_PLACE_ON_SERVER)).one()
        return f"{place[0]}:{place[1]}:{self.identity.created_at:%Y%m%d%H%M%S%f}"

    def announce(self, purpose: str) -> Announcement | None:
        """Make the announcement of this store on its server; None for a file.

        Args:
            purpose: what the store is used for.
        """
        if find_database_file(self._engine) is not None:
            return None
        return Announcement(self._announcer, purpose=purpose, key=self.key)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        spool: Path,
        clock: Callable[[], datetime] = utc_now,
        tasks: bool = False,
        owner: str = "",
        spool_keys: SpoolKeys | None = None,
        drafts: Path | None = None,
        archives: Path | None = None,
        databases: SharedDatabases | None = None,
        max_connections: int | None = None,
    ) -> Store:
        """Open a store; an empty database gets its tables.

        Args:
            url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.
            spool: folder for the packets; made where it is missing.
            clock: gives the time of each transaction, aware UTC.
            tasks: whether what is due is queued as tasks of procrastinate.
            owner: the agency whose packets come into the spool, and in whose name is written.
            spool_keys: the keys of packets that are encrypted at rest.
            drafts: folder of packets in the making; left out, one in the spool.
            archives: folder with the files of archives of the evidence.
            databases: where other stores of this process find the same database; left out, it is this store's alone.
            max_connections: most connections to a server at a time, 3 or more; 16 where left out. Of the stores that
                share a database the first one's count.

        Raises:
            ConfigError: tasks are asked for, and the database is not PostgreSQL or procrastinate is not installed.
            StoreError: it cannot be opened, has another schema revision, or is gone: see `require_never_there` and
                `require_known`.
        """
        if databases is None:
            database = Database(url, clock=clock, max_connections=max_connections)
            leave = database.close
        else:
            database = databases.acquire(url, clock=clock, max_connections=max_connections)
            leave = partial(databases.release, url)
        try:
            files = Spool(spool, owner=owner, keys=spool_keys, drafts=drafts)
            is_new = not database.is_prepared and _prepare(database.engine, files)
            queue = require_task_tables(database.engine, is_new=is_new) if tasks else None
            store = cls(database, files, leave=leave, clock=clock, tasks=queue, actor=owner, archives=archives)
            database.is_prepared = True
            if owner and not is_new:
                with store.snapshot() as tx:
                    require_known(tx, files, owner=owner, place=store.database)
        except BaseException:
            leave()
            raise
        return store

    def find_database_file(self) -> Path | None:
        """Find the file of the database; None for a server."""
        return find_database_file(self._engine)

    def read_revision(self) -> str | None:
        """Read the schema revision that the database has now.

        Raises:
            StoreError: it cannot be read.
        """
        with self.snapshot() as tx:
            return read_revision(tx.connection)

    def close(self) -> None:
        """Link what was written to the evidence, and close every connection that no other store shares."""
        if not self._is_closed:
            self._is_closed = True
            self._leave()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def acting_as(self, person: str | None) -> Iterator[None]:
        """Write what this thread, or task, does inside the block in a person's name; None leaves that as it is.

        Args:
            person: who acts, for timeline and evidence; goes before the actor that a transaction names.
        """
        token = _person.set(person or _person.get())
        try:
            yield
        finally:
            _person.reset(token)

    def transaction(self, actor: str | None = None) -> StoreTransaction:
        """Begin a transaction that writes: all of it is on the disk when the block ends, or none.

        Args:
            actor: who does it, for the timeline; the owner of the store where it is left out.

        Raises:
            StoreError: nothing changed.
        """
        self._watch.require_unrefused()
        return StoreTransaction(self, self._new_transaction(), _person.get() or actor or self._actor)

    def finish_evidence(self) -> None:
        """Link what this process wrote to the evidence and did not link yet; fails for nothing."""
        self._evidence.finish()

    def link_evidence(self, agency: str) -> int:
        """Give every entry of an agency's evidence its place in the log, and return how many had none.

        Raises:
            StoreError: the database cannot be written.
            EvidenceError: hashes of the tree are missing.
        """
        return self._evidence.link(agency)

    def require_packet(self, name: str, sha256: str) -> PacketFile:
        """Require a packet of the spool, compared with its hash.

        Raises:
            NotFound: it is gone, or was removed when its time to be kept was over.
            StoreError: it was changed.
        """
        try:
            return self.spool.verify_file(name, sha256)
        except NotFound:
            with self.snapshot() as tx:
                pruned_at = tx.audit_log.find_pruned_at(name)
            if pruned_at is None:
                raise
        raise NotFound(
            f"the packet was removed on {pruned_at:%Y-%m-%d}, when its time to be kept was over (edoc prune); "
            "what happened to it is in the evidence.",
            vi=f"Gói tin đã được xóa ngày {pruned_at:%d/%m/%Y} do hết thời hạn lưu (edoc prune); diễn biến vẫn "
            "còn trong bằng chứng.",
        )

    def snapshot(self) -> StoreSnapshot | CommonSnapshot:
        """Begin a transaction that reads one consistent state.

        Raises:
            StoreError: it cannot be read.
        """
        self._watch.require_unrefused()
        common = _common.get()
        return common if common is not None and common.is_of(self) else StoreSnapshot(self, self._connections)

    @contextmanager
    def common_snapshot(self) -> Iterator[None]:
        """Have all snapshots that this thread begins inside the block be one: many small looks for one transaction.

        Once reading fails there, each snapshot is one of its own again.

        Raises:
            StoreError: it cannot be read.
        """
        with self.snapshot() as tx:
            token = _common.set(CommonSnapshot(self, tx))
            try:
                yield
            finally:
                _common.reset(token)


def _prepare(engine: Engine, files: Spool) -> bool:
    """Require the tables of a database, make those of an empty one, and return whether they were made."""
    require_new = partial(require_never_there, engine, files)
    path = find_database_file(engine)
    if path is not None:
        if not path.exists():
            require_new()  # before SQLite makes the file
        with translate_driver_errors():
            make_private_folder(path.parent)
            protect_database(path)
    return ensure_schema(engine, require_new=require_new)


class StoreTransaction:
    """A transaction of a store; entering it gives its `Tx`.

    Args:
        store: the store.
        group_transaction: the database's part of it.
        actor: who does it.
    """

    def __init__(self, store: Store, group_transaction: GroupTransaction | SoloTransaction, actor: str) -> None:
        self._store = store
        self._group_transaction = group_transaction
        self._actor = actor

    def __enter__(self) -> Tx:
        try:
            self._group_transaction.__enter__()
        except DRIVER_ERRORS as error:
            raise as_store_error(error) from error
        try:
            self._tx = Tx(connection=self._group_transaction.connection, now=self._store.clock(), actor=self._actor,
                          archives=self._store.archives)  # fmt: skip
        except BaseException as error:
            self._group_transaction.__exit__(type(error), error, error.__traceback__)
            raise
        return self._tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._write_pending()
            self._group_transaction.__exit__(kind, error, trace)
        except DRIVER_ERRORS as failure:
            raise as_store_error(failure) from failure
        if isinstance(error, (*DRIVER_ERRORS, UnicodeEncodeError)):
            raise as_typed_error(error) from error

    def _write_pending(self) -> None:
        """Write timeline, tasks and evidence, which tell what the block did."""
        tx, tasks = self._tx, self._store.tasks
        try:
            tx.timeline.write()
            if tasks is not None:
                tasks.enqueue_changes(tx)
            self._group_transaction.audit_entries = gather_entries(
                tx.connection, tx.audit_events, tx.identities, at=tx.now
            )
        except BaseException as error:
            self._group_transaction.__exit__(type(error), error, error.__traceback__)
            raise


class StoreSnapshot:
    """One consistent state of a store; entering it gives its `Tx`.

    Args:
        store: the store.
        connections: its connections.
    """

    def __init__(self, store: Store, connections: ConnectionSource) -> None:
        self._store = store
        self._connections = connections

    def __enter__(self) -> Tx:
        try:
            self._connection = self._connections.begin(write=False)
        except DRIVER_ERRORS as error:
            raise as_store_error(error) from error
        return Tx(connection=self._connection, now=self._store.clock(), actor="", archives=self._store.archives)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._connections.rollback(self._connection)
        except DRIVER_ERRORS as failure:
            raise as_store_error(failure) from failure
        if isinstance(error, (*DRIVER_ERRORS, UnicodeEncodeError)):
            raise as_typed_error(error) from error


class CommonSnapshot:
    """A snapshot that is begun already, and goes on when a block that reads from it ends.

    Args:
        store: the store.
        tx: its transaction.
    """

    def __init__(self, store: Store, tx: Tx) -> None:
        self._store = store
        self._tx = tx
        self._has_failed = False

    def is_of(self, store: Store) -> bool:
        """Whether it shows a store, and can be read."""
        return store is self._store and not self._has_failed

    def __enter__(self) -> Tx:
        return self._tx

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, (*DRIVER_ERRORS, UnicodeEncodeError)):
            self._has_failed = True  # a server refuses everything that follows in the same transaction
            raise as_typed_error(error) from error
