"""Two stores for one agency on one machine: the second is refused."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import make_url, text

from edoc_connector.connector.holdings import OtherStore, StoreGuard
from edoc_connector.errors import StoreError
from edoc_connector.store import Store
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import StartProgram
    from tests.connector.conftest import Fails, Handle, Office

HELD_IN_DATABASE = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
HOLDER = """
import sys
from edoc_connector.connector.holdings import StoreGuard
guard = StoreGuard(agency="G22", hub="https://hub", database=sys.argv[1])
guard.require_alone()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_store(tmp_path: Path) -> dict[str, str]:
    """Another store than the agency's own."""
    return {"url": f"sqlite:///{tmp_path / 'other.db'}", "spool": str(tmp_path / "other-spool")}


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_row_40_two_stores_on_one_machine(
    office: Office, hub: RunningHub, other_store: dict[str, str], fails: Fails, handle: Handle
) -> None:
    """Nothing is handled twice: the second store's connector is refused before it asks the hub (faults, row 40)."""
    office("H29.05").send(sample_document())
    first = office("G22")
    assert len(handle(first)) == 1
    second = office("G22", store=other_store)
    error = fails(StoreError, lambda: handle(second), "with another store")
    assert "postgres@" not in error.message
    assert len(hub.hub.list_waiting("G22", "edoc")) == 0
    assert second.deliveries() == []  # what asks no hub goes on
    first.close()
    assert handle(second) == []


def test_row_40_one_store_in_many_programs(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Several connectors on one store are what it is made for (faults, row 40)."""
    assert [handle(office("G22")) for _ in range(3)] == [[], [], []]


def test_row_40_the_lock_of_another_program(tmp_path: Path, fails: Fails, start_program: StartProgram) -> None:
    """The lock is the system's: it ends with the program that holds it (faults, row 40)."""
    one, two = str(tmp_path / "one.db"), str(tmp_path / "two.db")
    command = [sys.executable, "-c", HOLDER, one]
    holder = start_program(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    guard = StoreGuard(agency="G22", hub="https://hub", database=two)
    error = fails(StoreError, guard.require_alone, "one.db")
    assert "one.db" in error.vi
    same = StoreGuard(agency="G22", hub="https://hub", database=one)
    same.require_alone()
    same.release()
    holder.kill()
    holder.wait()
    guard.require_alone()
    guard.release()


def test_a_folder_of_locks_that_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where somebody else could change the locks, none is believed, and the log says so."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"edoc-connector-{os.geteuid()}").mkdir(mode=0o777)
    (tmp_path / f"edoc-connector-{os.geteuid()}").chmod(0o777)
    StoreGuard(agency="G22", hub="https://hub", database="x").require_alone()
    assert "is not this user's alone" in caplog.text


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Makes folders, each with the temporary files of a machine of its own."""
    numbers = itertools.count()

    def make() -> Path:
        place = tmp_path / f"machine-{next(numbers)}"
        place.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(place))
        return place

    return make


@pytest.fixture
def guard_of(places: Callable[[], Path]) -> Iterator[Callable[[str], StoreGuard]]:
    """Makes the guard of a store on a server, as on a machine of its own."""
    with contextlib.ExitStack() as stack:

        def make(url: str) -> StoreGuard:
            store = stack.enter_context(Store.open(url, spool=places() / "spool"))
            guard = StoreGuard.of_store(store, agency="G22", hub="https://hub")
            stack.callback(guard.release)
            return guard

        yield make


def test_row_40_two_stores_that_share_a_folder(tmp_path: Path, places: Callable[[], Path], fails: Fails) -> None:
    """Containers have folders for temporary files of their own: the lock beside the store is seen (faults, row 40)."""
    places()
    first = StoreGuard(agency="G22", hub="https://hub", database="one.db", folders=(tmp_path,))
    first.require_alone()
    places()
    second = StoreGuard(agency="G22", hub="https://hub", database="two.db", folders=(tmp_path,))
    assert second.find_other() == OtherStore(database="one.db", seen_at=str(tmp_path))
    fails(StoreError, second.require_alone, "one.db, seen at")
    StoreGuard(agency="H29.05", hub="https://hub", database="two.db", folders=(tmp_path,)).require_alone()
    first.release()
    assert second.find_other() is None
    second.release()


def test_row_40_one_file_has_one_name(tmp_path: Path, fails: Fails) -> None:
    """A file that is mounted in two places is one store, and a copy of it is another (faults, row 40)."""
    database, mounted, copy = tmp_path / "edoc.db", tmp_path / "mounted.db", tmp_path / "copy.db"
    with Store.open(f"sqlite:///{database}", spool=tmp_path / "spool") as store:
        first = StoreGuard.of_store(store, agency="G22", hub="https://hub")
        first.require_alone()
    mounted.hardlink_to(database)
    shutil.copy(database, copy)
    with Store.open(f"sqlite:///{mounted}", spool=tmp_path / "spool") as same:
        guard = StoreGuard.of_store(same, agency="G22", hub="https://hub")
        assert guard.find_other() is None
        guard.release()
    with Store.open(f"sqlite:///{copy}", spool=tmp_path / "spool") as copied:
        fails(StoreError, StoreGuard.of_store(copied, agency="G22", hub="https://hub").require_alone, "another store")
    first.release()


def test_row_40_two_databases_on_one_server(
    postgres: PostgresServer, guard_of: Callable[[str], StoreGuard], fails: Fails
) -> None:
    """Two machines with databases of their own on one server see each other there (faults, row 40)."""
    url, other_url = postgres.create_database(), postgres.create_database()
    first = guard_of(url)
    first.require_alone()
    same = guard_of(url)
    same.require_alone()
    second = guard_of(other_url)
    other = second.find_other()
    assert other == OtherStore(database=make_url(url).database or "", seen_at="database server")
    fails(StoreError, second.require_alone, "seen at database server")
    first.release()
    assert second.find_other() == other  # `same` still holds it
    same.release()
    assert second.find_other() is None


def test_a_look_after_the_end_holds_nothing(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that outlives its connector takes no lock that nobody would give back (faults, row 40)."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Store.open(postgres_url, spool=tmp_path / "spool") as store:
        guard = StoreGuard.of_store(store, agency="G22", hub="https://hub")
        guard.require_alone()
        guard.release()
        guard.require_alone()
        with store.snapshot() as tx:
            held = tx.connection.execute(text(HELD_IN_DATABASE)).scalar()
    other = StoreGuard(agency="G22", hub="https://hub", database="two.db")
    assert (held, other.find_other()) == (0, None)
    other.release()


def test_row_40_a_server_that_was_restarted(
    postgres: PostgresServer, guard_of: Callable[[str], StoreGuard], caplog: pytest.LogCaptureFixture
) -> None:
    """The lock ended with its connection: a later look takes it again, or finds who came meanwhile (row 40)."""
    url, other_url = postgres.create_database(), postgres.create_database()
    first = guard_of(url)
    assert first.find_other() is None
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2")
    assert first.find_other() is None  # the look that finds its connection gone
    assert "cannot be found out" in caplog.text
    assert guard_of(other_url).find_other() is None
    found = first.find_other()
    assert found is not None
    assert found.database == make_url(other_url).database


def test_row_40_a_lock_file_that_was_cleaned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever removes old temporary files removes no lock: the next look takes it again (faults, row 40)."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("edoc_connector.connector.holdings.store_guard._LOOK_SECONDS", 0.0)
    guards = [StoreGuard(agency="G22", hub="https://hub", database=name) for name in ("one.db", "two.db")]
    guards[0].require_alone()
    for lock_file in tmp_path.glob("*/.*.lock"):
        lock_file.unlink()
    guards[0].require_alone()
    found = guards[1].find_other()
    assert found is not None
    assert found.database == "one.db"
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)
    guards[0].require_alone()
    assert guards[1].find_other() is not None
    guards[0].release()
    assert guards[1].find_other() is None
    guards[1].release()
