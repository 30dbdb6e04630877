"""Opening a store, its revisions, and failures of the database."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, StatementError

import edoc_connector.store._sql.engine as engine_module
from edoc_connector.errors import StoreError
from edoc_connector.store import MACHINES, NewDelivery, Store, migrate, upgrade
from edoc_connector.store._sql import schema

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.store.conftest import Clock

AGENCY = "H29.05"

TRIGGERS = {
    "sqlite": "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name",
    "postgresql": "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = :name",
}


@pytest.mark.database("none")
def test_an_empty_database_gets_its_tables(store: Store, url: str) -> None:
    """Opening an empty store runs the migrations, and they make what the tables say (DESIGN, "schema changes")."""
    engine = create_engine(url)
    with engine.connect() as connection:
        # the full-text index of agencies has a form of its own on either database
        of_search = re.compile("agency_search|ix_agencies_search")
        opts = {"compare_type": False, "include_name": lambda name, *_: not of_search.match(name or "")}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, schema.metadata) == []
        assert context.get_current_revision() == migrate.SCHEMA_REVISION
    engine.dispose()


def test_the_revision_named_in_the_code_is_the_newest() -> None:
    """Opening does not load Alembic, so the newest revision stands in the code too (DESIGN, "schema changes")."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.SCHEMA_REVISION


def test_the_migration_guards_the_moves_of_today(store: Store, url: str) -> None:
    """The triggers hold exactly the moves of `state_machine` (DESIGN, "states and their moves stand in one table")."""
    engine = create_engine(url)
    with engine.connect() as connection:
        for machine in MACHINES:
            body = connection.execute(
                text(TRIGGERS[engine.dialect.name]), {"name": f"{machine.table_name}_moves"}
            ).scalar_one()
            pairs = {f"{move.old or ''}>{move.new}" for move in machine.transitions}
            assert {part for part in body.split("'") if ">" in part and part.replace(">", "").isalpha()} == pairs
    engine.dispose()


def test_opening_again_keeps_everything(
    store: Store, url: str, tmp_path: Path, new_delivery: Callable[..., NewDelivery]
) -> None:
    """What was stored is there after a restart (faults, row 2)."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    assert upgrade(url) == migrate.SCHEMA_REVISION
    with Store.open(url, spool=tmp_path / "spool") as again, again.snapshot() as tx:
        assert len(tx.deliveries.find_all(AGENCY)) == 1


@pytest.mark.database("none")
def test_two_processes_may_open_an_empty_store_at_once(url: str, tmp_path: Path, start_program: StartProgram) -> None:
    """The second waits for the first one's tables (DESIGN, "two processes … may run the same connector")."""
    program = (
        "import sys; from pathlib import Path; from edoc_connector.store import Store\n"
        "Store.open(sys.argv[1], spool=Path(sys.argv[2])).close()"
    )
    command = [sys.executable, "-W", "error", "-c", program, url, str(tmp_path / "spool")]
    workers = [start_program(command) for _ in range(3)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]


@pytest.mark.parametrize("found", ["0000", "9999"])
def test_another_revision_is_refused_with_what_to_run(store: Store, url: str, tmp_path: Path, found: str) -> None:
    """A store of another revision is left alone (DESIGN, "schema changes are Alembic migrations")."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
    engine.dispose()
    with pytest.raises(StoreError, match="edoc db upgrade") as caught:
        Store.open(url, spool=tmp_path / "spool")
    assert "edoc db upgrade" in caught.value.vi
    with pytest.raises(StoreError, match="a newer one made it"):
        upgrade(url)


@pytest.mark.database("none")
def test_a_database_of_something_else_is_refused(url: str, tmp_path: Path) -> None:
    """Somebody else's tables are not touched (DESIGN, "on opening an empty store")."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    engine.dispose()
    with pytest.raises(StoreError, match="revision none"):
        Store.open(url, spool=tmp_path / "spool")


@pytest.mark.parametrize("bad", ["", "nonsense", "nosuchdb://h/x", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_cannot_hold_a_store(bad: str, tmp_path: Path) -> None:
    """The error says which URLs can (DESIGN, "SQLite or PostgreSQL")."""
    with pytest.raises(StoreError, match="sqlite:///FILE"):
        Store.open(bad, spool=tmp_path)


def test_a_password_in_the_url_is_not_repeated(tmp_path: Path) -> None:
    """No error holds a secret (DESIGN, "Names of things outside")."""
    with pytest.raises(StoreError) as caught:
        Store.open("nosuchdb://me:hunter2@h/x", spool=tmp_path)
    assert "hunter2" not in f"{caught.value} {caught.value.vi} {caught.value.__cause__}"


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A damaged file is named as such (faults, row 23)."""
    (tmp_path / "edoc.db").write_bytes(b"x" * 5000)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(f"sqlite:///{tmp_path / 'edoc.db'}", spool=tmp_path / "spool")


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_locked_database_is_waited_for_a_bounded_time(
    store: Store, url: str, new_delivery: Callable[..., NewDelivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite locked: bounded retries, then an error; the same call later succeeds (faults, row 24)."""
    path = url.removeprefix("sqlite:///")
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.05)
    with Store.open(url, spool=store.spool.root) as impatient:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked by another program"), impatient.transaction("test") as tx:
            tx.deliveries.add(new_delivery())
        other.execute("ROLLBACK")
        other.close()
        with impatient.transaction("test") as tx:
            tx.deliveries.add(new_delivery())


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_read_only_database(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A read-only database is an error that says what to check (faults, row 23)."""
    with store.snapshot() as tx:  # rights do not stop root: this is SQLite's own way to refuse writes
        tx.connection.exec_driver_sql("PRAGMA query_only=ON")
    with pytest.raises(StoreError, match="cannot be written") as caught, store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    assert "Không ghi được" in caught.value.vi


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from edoc_connector.errors import StoreError
from edoc_connector.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Store.open(sys.argv[1], spool=Path(sys.argv[2])) as store:
    limit = Path(sys.argv[3]).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit // 2, resource.RLIM_INFINITY))
    with store.spool.draft_file() as draft:
        draft.write_bytes(b"packet")
        store.spool.keep_draft(draft)
    try:
        with store.transaction("test") as tx:
            tx.connection.exec_driver_sql(
                "INSERT INTO timeline (subject, subject_id, at, actor, new, detail) "
                "VALUES (2, 1, 0, 'x', 'y', hex(zeroblob(4000000)))"
            )
    except StoreError as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with store.transaction("test") as tx:
        print(tx.connection.exec_driver_sql("SELECT count(*) FROM timeline").scalar())
"""


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_no_room_for_a_write(store: Store, url: str, tmp_path: Path) -> None:
    """A write that finds no room is an error, leaves no torn row, and the store goes on afterwards (faults, row 23)."""
    # in another process: the limit would outlast this test
    command = [sys.executable, "-c", FULL_DISK, url, str(tmp_path / "spool"), url.removeprefix("sqlite:///")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    message, _vietnamese, count = done.stdout.splitlines()
    assert "disk of the store is full" in message
    assert count == "0"


def test_times_are_utc(store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock) -> None:
    """Aware UTC inside (DESIGN, "Names of things outside"): other offsets are converted, none at all is refused."""
    vietnam = timezone(timedelta(hours=7))
    with store.transaction("test") as tx:
        row = tx.deliveries.add(new_delivery())
        tx.recipients.record_status(
            row, "G22", "01", reported_at=datetime(2026, 11, 20, 10, tzinfo=vietnam), description=None
        )
        first = tx.recipients.load([row.id])[row.id][0]
        assert row.created_at == clock.now
        assert first.last_at == datetime(2026, 11, 20, 3, tzinfo=UTC)
        assert first.last_at.tzinfo is UTC
    with pytest.raises((StoreError, StatementError)), store.transaction("test") as tx:
        tx.recipients.record_status(row, "G22", "03", reported_at=datetime(2026, 11, 20), description=None)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_sqlite_is_as_durable_as_asked(store: Store) -> None:
    """WAL, synchronous=FULL, foreign keys (issue "One document travels", store on SQLite)."""
    with store.snapshot() as tx:
        found = [tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
        assert found == ["wal", 2]
        assert tx.connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_folder_that_may_not_be_written_to() -> None:
    """SQLite cannot even read there unless another program has the file open: the error says so (faults, row 23)."""
    refused = sqlite3.OperationalError("attempt to write a readonly database")
    refused.sqlite_errorname = "SQLITE_READONLY_DIRECTORY"
    with pytest.raises(StoreError, match="may write to the folder") as caught, engine_module.translate_driver_errors():
        raise OperationalError("SELECT 1", {}, refused)
    assert "quyền ghi vào thư mục" in caught.value.vi


def test_postgresql_gets_the_same_tables() -> None:
    """The tables compile for PostgreSQL too, the partial index included (DESIGN, "SQLite or PostgreSQL")."""
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateIndex, CreateTable

    dialect: Any = postgresql.dialect()  # type: ignore[no-untyped-call]  # not annotated in SQLAlchemy
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in schema.metadata.sorted_tables]
    assert any("TIMESTAMP WITH TIME ZONE" in statement for statement in statements)
    (index,) = [index for index in schema.receipts.indexes if index.unique]
    assert "WHERE message_type = 'edoc' AND state IN" in str(CreateIndex(index).compile(dialect=dialect))


def test_small_looks_share_one_snapshot(store: Store) -> None:
    """What a thread reads inside the block is one state, whatever others write meanwhile."""

    def count_jobs() -> int:
        with store.snapshot() as tx:
            return len(tx.schedule.list_jobs("G22"))

    def write(name: str) -> None:
        with store.transaction() as tx:
            tx.schedule.ensure_job("G22", name, first_at=tx.now)

    with ThreadPoolExecutor(1) as other:
        with store.common_snapshot():
            assert count_jobs() == 0
            other.submit(write, "poll").result()
            assert (count_jobs(), other.submit(count_jobs).result()) == (0, 1)
        assert count_jobs() == 1


def test_a_look_that_fails_takes_no_other_along(store: Store) -> None:
    """A server refuses all that follows a failure in its transaction: the next look has one of its own."""
    with store.transaction() as tx:
        tx.schedule.ensure_job("G22", "poll", first_at=tx.now)
    with store.common_snapshot():
        with pytest.raises(StoreError), store.snapshot() as tx:
            tx.connection.execute(text("SELECT nothing FROM nowhere"))
        with store.snapshot() as tx:
            assert list(tx.schedule.list_jobs("G22")) == ["poll"]


def test_two_stores_share_no_snapshot(store: Store, tmp_path: Path) -> None:
    """A block is about one store: another one that is read inside it shows its own rows."""
    with store.transaction() as tx:
        tx.schedule.ensure_job("G22", "poll", first_at=tx.now)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    with Store.open(url, spool=tmp_path / "other") as other, store.common_snapshot(), other.snapshot() as tx:
        assert tx.schedule.list_jobs("G22") == {}
