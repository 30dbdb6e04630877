"""The worker on the engine procrastinate: tasks in the store's own PostgreSQL, with the state as the truth."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text

import edoc_connector.store.procrastinate.tables as task_tables
from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers
from edoc_connector.errors import ConfigError, HubUnavailable, NotSent, StoreError
from edoc_connector.mockhub import Fault
from edoc_connector.store import HUB_BREAKER, ReceiptState, Store, upgrade
from edoc_connector.store.procrastinate.queue import format_queue_name
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.postgres import PostgresServer
from edoc_connector.worker import open_worker
from edoc_connector.worker.jobs import AgencyJobs
from edoc_connector.worker.task_adapter import TaskAdapter

if TYPE_CHECKING:
    from tests.worker.conftest import Office, Running, SettingsOf

pytestmark = [pytest.mark.parametrize("backend", ["postgresql"], indirect=True), pytest.mark.database("tasks")]

PATIENCE = 300.0
FLEET = int(os.environ.get("EDOC_TEST_FLEET", "3"))  # documents for the workers that are processes
ENGINE: dict[str, Any] = {"engine": "procrastinate", "poll": 0.5, "idle": 0.1, "sweep": 1}


@pytest.fixture
def values(values: Callable[..., Any]) -> Callable[..., Any]:
    """The sections of an agency's settings, with this engine."""

    def make(agency: str, **sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
        made: dict[str, dict[str, Any]] = values(agency, **sections)
        return made | {"worker": made["worker"] | ENGINE | sections.get("worker", {})}

    return make


@pytest.fixture
def url(office: Callable[..., Connector]) -> str:
    """URL of the database, with its tables made."""
    return office("G22").settings.store_url()


@pytest.fixture
def queued(url: str) -> Iterator[Callable[..., list[str]]]:
    """The names of the tasks that wait."""
    engine = create_engine(url)

    def names(*which: str) -> list[str]:
        query = text("SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY task_name")
        with engine.connect() as connection:
            found = [str(name).removeprefix("edoc:") for name in connection.execute(query).scalars()]
        return [name for name in found if name in which] if which else found

    yield names
    engine.dispose()


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for something to become true."""

    def wait(true: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.05)

    return wait


def _stored(office: Callable[..., Connector], hub: Any, number: str = "7816") -> str:
    """Store a document while the hub cannot be reached: only a worker sends it."""
    hub.stop()
    document = sample_document(number=number)
    with pytest.raises(NotSent):
        office("H29.05").send(document)
    hub.start()
    return document.id


def _make_due(url: str) -> None:
    _execute(url, "UPDATE jobs SET next_at = updated_at")
    _execute(url, "UPDATE procrastinate_jobs SET scheduled_at = NULL")


# -- tasks are queued with the change of state


def test_a_change_queues_its_task_and_one_that_is_rolled_back_does_not(
    office: Office, queued: Callable[..., list[str]], hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One transaction: the state and the task are there together, or neither is (issue, "in the same transaction")."""
    connector = office("H29.05")
    _stored(office, hub)
    assert queued() == ["transmit", "transmit"]  # when it was stored, and when its sending failed
    waiting: list[int] = []

    def full(connection: Any, notes: list[Any], known: Any, **named: Any) -> list[Any]:
        query = text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")
        if not notes:
            return []
        waiting.append(connection.execute(query).scalar())
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("edoc_connector.store.store.gather_entries", full)
        with pytest.raises(StoreError):
            connector.send(sample_document(number="2"))
    assert waiting == [3]  # it was queued, and its delivery stored, when the transaction failed
    assert queued() == ["transmit", "transmit"]
    assert len(connector.deliveries()) == 1


@pytest.mark.database("none")
def test_a_store_that_finds_its_database_empty_makes_the_engines_tables(
    office: Office, queued: Callable[..., list[str]], hub: RunningHub
) -> None:
    """With its own tables, and the first change queues its task (docs/worker.md)."""
    _stored(office, hub)
    assert queued() == ["transmit", "transmit"]


def test_the_same_task_is_queued_once(
    office: Office, settings: SettingsOf, queued: Callable[..., list[str]], hub: RunningHub, url: str
) -> None:
    """The sweep of many workers adds nothing to what waits already (issue, "queueing_lock")."""
    _stored(office, hub)
    with open_worker([settings("H29.05")]) as one, open_worker([settings("H29.05")]) as two:
        before = len(queued())
        assert (
            TaskAdapter(one.agency_jobs[0]).sweep() == 2
        )  # the jobs poll and watch; the document's task waits already
        assert TaskAdapter(two.agency_jobs[0]).sweep() == 0
        assert len(queued()) == before + 2


def test_a_lost_task_is_found_again(
    office: Office, settings: SettingsOf, queued: Callable[..., list[str]], hub: RunningHub, url: str
) -> None:
    """The state is the truth: what is due and was not queued is queued by the sweep (issue, "periodic sweep")."""
    _stored(office, hub)
    _execute(url, "DELETE FROM procrastinate_jobs")
    with open_worker([settings("H29.05")]) as one:
        TaskAdapter(one.agency_jobs[0]).sweep()
    assert queued("transmit") == ["transmit"]


def test_a_task_that_finds_nothing_to_do_ends_quietly(office: Office, settings: SettingsOf, hub: RunningHub) -> None:
    """A task for a row that is done, or that is not there, does nothing (issue, "the state stays the truth")."""
    office("H29.05").send(sample_document())
    with open_worker([settings("H29.05")], handlers=_handlers([])) as one:
        tasks = TaskAdapter(one.agency_jobs[0])
        assert not any(tasks.run(name, 1) for name in ("transmit", "report", "fetch", "handle", "tell"))
        assert not any(tasks.run(name, None) for name in ("poll", "watch"))


def test_tasks_wait_while_the_hub_refuses(
    office: Office, settings: SettingsOf, queued: Callable[..., list[str]], hub: RunningHub, url: str
) -> None:
    """Retry-After holds for tasks too: one that is taken before its time is put off (faults, row 8)."""
    _stored(office, hub)
    hub.faults.add(Fault(kind="error", status=503, retry_after="600", path="/sendEdoc", count=None))
    with open_worker([settings("H29.05")]) as one:
        units = one.agency_jobs[0]
        tasks = TaskAdapter(units)
        tasks.sweep()
        assert tasks.run("transmit", 1)
        assert units.read_schedule()[HUB_BREAKER].failures == 1
        _age(url)
        assert not tasks.run("transmit", 1)
        assert _waits(url, "transmit") > timedelta(seconds=500)
        before = queued("transmit")
        tasks.sweep()
        assert queued("transmit") == before


def test_tasks_that_wait_for_the_hub_run_once_it_is_back(
    office: Office, settings: SettingsOf, hub: RunningHub, url: str
) -> None:
    """A task that was put off until the end of a pause runs when that ends before its time (issue, "drained")."""
    _stored(office, hub)
    with open_worker([settings("H29.05")]) as one:
        tasks, breaker = TaskAdapter(one.agency_jobs[0]), one.connectors[0].context.breaker
        breaker.record_result(HubUnavailable("down", vi="lỗi", retry_after=600.0))
        _age(url)
        assert not tasks.run("transmit", 1)
        assert _waits(url, "transmit") > timedelta(seconds=500)
        breaker.record_result(None)
        tasks.sweep()
        assert _waits(url, "transmit") < timedelta(seconds=1)
        assert tasks.run("transmit", 1)


def _age(url: str) -> None:
    _execute(url, "UPDATE deliveries SET next_attempt_at = created_at")
    _execute(url, "DELETE FROM procrastinate_jobs")


def _waits(url: str, name: str) -> timedelta:
    engine = create_engine(url)
    with engine.connect() as connection:
        query = text("SELECT max(scheduled_at) - now() FROM procrastinate_jobs WHERE task_name = :name")
        found = connection.execute(query, {"name": f"edoc:{name}"}).scalar()
    engine.dispose()
    assert isinstance(found, timedelta)
    return found


def test_a_poll_is_queued_when_the_one_before_ends(
    settings: SettingsOf, queued: Callable[..., list[str]], hub: RunningHub, url: str
) -> None:
    """At the time that the poll's row says, and once (issue, "periodic polls")."""
    with open_worker([settings("G22", worker={"poll": 600.0})]) as one:
        tasks = TaskAdapter(one.agency_jobs[0])
        tasks.sweep()
        _execute(url, "DELETE FROM procrastinate_jobs")
        assert tasks.run("poll", None)
        assert queued("poll") == ["poll"]
        assert not tasks.run("poll", None)
        assert queued("poll") == ["poll"]
    assert _waits(url, "poll") > timedelta(seconds=400)


def test_one_poll_waits_behind_that_of_a_worker_that_died(
    settings: SettingsOf, queued: Callable[..., list[str]], hub: RunningHub, url: str
) -> None:
    """Every sweep of a half-open breaker asks for a poll; one waits, not one for each sweep (faults, row 10)."""
    with open_worker([settings("G22")]) as one:
        tasks, breaker = TaskAdapter(one.agency_jobs[0]), one.connectors[0].context.breaker
        tasks.sweep()
        _execute(url, "UPDATE procrastinate_jobs SET status = 'doing' WHERE task_name = 'edoc:poll'")
        breaker.record_result(HubUnavailable("down", vi="lỗi"))
        _execute(url, "UPDATE jobs SET next_at = updated_at")
        for _ in range(4):
            tasks.sweep()
        assert queued("poll") == ["poll"]


def test_a_poll_that_waits_for_later_comes_when_it_is_due(
    settings: SettingsOf, queued: Callable[..., list[str]], hub: RunningHub, url: str
) -> None:
    """Neither a clock that was ahead nor a long pause holds the one task of a poll that is due (faults, row 34)."""
    with open_worker([settings("G22", worker={"poll": 600.0})]) as one:
        tasks = TaskAdapter(one.agency_jobs[0])
        tasks.sweep()
        _execute(url, "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '2 days'")
        tasks.sweep()
        assert queued("poll") == ["poll"]
        assert _waits(url, "poll") < timedelta(seconds=1)


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


# -- the whole


def _handlers(handled: list[str], told: list[tuple[str, str]] | None = None) -> Handlers:
    handlers = Handlers()

    @handlers.on_receipt
    def register(receipt: Any) -> None:
        handled.append(receipt.id)
        receipt.accept()

    @handlers.on_status
    def note(delivery: Any, status: Any) -> None:
        if told is not None:
            told.append((delivery.id, str(status.code)))

    return handlers


def test_a_document_goes_all_the_way(
    office: Office, settings: SettingsOf, hub: RunningHub, until: Callable[[Callable[[], bool]], None], running: Running
) -> None:
    """Send, poll, handle, confirm, report, tell, by tasks alone; each handler once, statuses in order (issue)."""
    handled: list[str] = []
    told: list[tuple[str, str]] = []
    document_id = _stored(office, hub)
    with (
        open_worker([settings("H29.05")], handlers=_handlers([], told)) as ours,
        open_worker([settings("G22")], handlers=_handlers(handled)) as theirs,
        running(ours),
        running(theirs),
    ):
        until(lambda: len(told) == 2)
        assert ours.is_ready()
    assert handled == [document_id]
    assert told == [(document_id, "01"), (document_id, "03")]
    assert office("G22").receipt(document_id).state is ReceiptState.CONFIRMED
    assert theirs.metrics.read_job_counts()["G22", "handle"] == 1
    assert theirs.metrics.read_failure_counts() == {}


def test_one_worker_for_two_agencies_without_an_application(
    office: Office, settings: SettingsOf, hub: RunningHub, until: Callable[[Callable[[], bool]], None], running: Running
) -> None:
    """Packets that came in wait for `receive`, and leave no tasks behind (docs/worker.md)."""
    document_id = _stored(office, hub)
    with open_worker([settings("H29.05"), settings("G22")]) as both, running(both):
        until(lambda: bool(office("G22").receipts(state=ReceiptState.WAITING)))
    (receipt,) = office("G22").receive()
    assert receipt.id == document_id


HANDLER = """
import os, pathlib, signal
from edoc_connector.connector import Handlers
handlers = Handlers()
@handlers.on_receipt
def register(receipt):
    with open("register.txt", "a") as log:
        log.write(receipt.id + "\\n")
    if pathlib.Path("die").exists():
        pathlib.Path("die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    receipt.accept()
@handlers.on_status
def note(delivery, status):
    with open("told.txt", "a") as log:
        log.write(f"{delivery.id} {status.code}\\n")
"""


def _toml(sections: dict[str, dict[str, Any]]) -> str:
    lines = []
    for name, section in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture
def process(values: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `edoc worker --engine procrastinate` for an agency as a process."""
    with ExitStack() as stack:

        def start(agency: str, **sections: dict[str, Any]) -> subprocess.Popen[bytes]:
            folder = tmp_path / agency
            (folder / "edoc.toml").write_text(_toml(values(agency, **sections)))
            (folder / "dms.py").write_text(HANDLER)
            command = [sys.executable, "-m", "edoc_connector", "worker", "--engine", "procrastinate"]
            command += ["--handlers", "dms:handlers"]
            started = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
            stack.callback(started.wait)
            stack.callback(started.kill)
            return started

        yield start


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_two_workers_as_processes_and_a_clean_stop(
    office: Office,
    process: Callable[..., subprocess.Popen[bytes]],
    hub: RunningHub,
    tmp_path: Path,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    """Documents both ways, each handled once; SIGTERM ends both with 0 (issue, "Worker")."""
    there = [_stored(office, hub, str(number)) for number in range(FLEET)]
    workers = [process("H29.05"), process("G22"), process("G22")]
    answer = sample_document(sender=sample_document().recipients[0], recipients=(sample_document().sender,))
    back = office("G22").send(answer).id
    ours, theirs = tmp_path / "H29.05", tmp_path / "G22"
    until(lambda: len(_lines(ours / "told.txt")) >= 2 * FLEET and len(_lines(theirs / "told.txt")) >= 2)
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(PATIENCE) for worker in workers] == [0, 0, 0]
    assert sorted(_lines(theirs / "register.txt")) == sorted(there)
    assert _lines(ours / "register.txt") == [back]
    told = _lines(ours / "told.txt")
    assert sorted(told) == sorted(f"{one} {code}" for one in there for code in ("01", "03"))
    assert all(told.index(f"{one} 01") < told.index(f"{one} 03") for one in there)


def test_a_worker_that_is_killed_in_a_task(
    office: Office,
    process: Callable[..., subprocess.Popen[bytes]],
    hub: RunningHub,
    tmp_path: Path,
    until: Callable[[Callable[[], bool]], None],
) -> None:
    """Its lease runs out, its task is taken off the queue, and another worker finishes (faults, row 17)."""
    folder = tmp_path / "G22"
    lease = {"limits": {"lease": 3.0}}
    worker = process("G22", **lease)
    (folder / "die").touch()
    document_id = _stored(office, hub)
    sender = process("H29.05")
    assert worker.wait(PATIENCE) == -signal.SIGKILL
    assert _lines(folder / "register.txt") == [document_id]
    process("G22", **lease)
    until(lambda: len(_lines(tmp_path / "H29.05" / "told.txt")) == 2)
    assert _lines(folder / "register.txt") == [document_id, document_id]
    assert office("G22").receipt(document_id).state is ReceiptState.CONFIRMED
    assert sender.poll() is None


def test_a_stop_lets_go_of_what_takes_too_long(office: Office, settings: SettingsOf, hub: RunningHub) -> None:
    """After the time for stopping a packet is free for another worker (issue, "clean stop on SIGTERM")."""
    begun, may_end = threading.Event(), threading.Event()
    handlers = Handlers()

    @handlers.on_receipt
    def register(receipt: Any) -> None:
        begun.set()
        may_end.wait(PATIENCE)

    office("H29.05").send(sample_document())
    ended: list[bool] = []
    with open_worker([settings("G22", worker={"stop_within": 0.2})], handlers=handlers) as slow:
        thread = threading.Thread(target=lambda: ended.append(slow.run()))
        thread.start()
        assert begun.wait(PATIENCE)
        slow.stop()
        thread.join(PATIENCE)
        assert ended == [False]
        (again,) = list(office("G22").receive())
        with again:
            pass
        may_end.set()
        for other in threading.enumerate():
            if other.name == "edoc-procrastinate":
                other.join(PATIENCE)


# -- what the engine needs


def test_sqlite_is_refused(settings: SettingsOf, tmp_path: Path) -> None:
    """The error says what to set, in both languages (issue, "on the same PostgreSQL")."""
    with pytest.raises(ConfigError, match="needs PostgreSQL") as caught:
        open_worker([settings("G22", store={"url": f"sqlite:///{tmp_path}/edoc.db"})])
    assert "cần PostgreSQL" in caught.value.vi
    with pytest.raises(ConfigError, match="needs PostgreSQL"):
        upgrade(f"sqlite:///{tmp_path}/edoc.db", tasks=True)


def test_without_the_extra(settings: SettingsOf, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer) -> None:
    """The error holds the line that installs it."""
    monkeypatch.setattr(task_tables, "find_spec", lambda name: None if name == "procrastinate" else find_spec(name))
    with pytest.raises(ConfigError, match=r"pip install 'edoc-connector\[procrastinate\]'"):
        open_worker([settings("G22")])


def test_a_store_without_the_engines_tables(settings: SettingsOf, postgres: PostgresServer, tmp_path: Path) -> None:
    """`edoc db upgrade` makes them, and brings ours up to date; the error names it (issue, "clear error")."""
    url = postgres.create_database()
    Store.open(url, spool=tmp_path / "spool").close()
    here = {"url": url}
    with pytest.raises(StoreError, match="edoc db upgrade"):
        open_worker([settings("G22", store=here)])
    upgrade(url, tasks=True)
    upgrade(url, tasks=True)
    open_worker([settings("G22", store=here)]).__exit__(None, None, None)
    _comment(url, "'edoc: 03.04.00_01_pre_add_retry_failed_job_procedure.sql'")
    with pytest.raises(StoreError, match="edoc db upgrade"):
        open_worker([settings("G22", store=here)])
    upgrade(url, tasks=True)
    open_worker([settings("G22", store=here)]).__exit__(None, None, None)


def test_tables_that_another_program_made(settings: SettingsOf, postgres: PostgresServer, tmp_path: Path) -> None:
    """They are used as they are where they are new enough, and never changed (docs/worker.md)."""
    url = postgres.create_database()
    upgrade(url, tasks=True)
    _comment(url, "NULL")
    upgrade(url, tasks=True)
    open_worker([settings("G22", store={"url": url})]).__exit__(None, None, None)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP FUNCTION procrastinate_fetch_job_v2"))
    engine.dispose()
    with pytest.raises(StoreError, match="Tables that another program made"):
        upgrade(url, tasks=True)


def _comment(url: str, words: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"COMMENT ON TABLE procrastinate_jobs IS {words}"))
    engine.dispose()


def test_settings_without_tasks(values: Callable[..., Any]) -> None:
    """Tasks of a store that queues none are refused with what to set."""
    own = values("G22")
    own["worker"] = own["worker"] | {"engine": "own"}
    with Connector(Settings.of(own)) as connector, pytest.raises(ConfigError, match='engine = "procrastinate"'):
        TaskAdapter(AgencyJobs(connector))


@pytest.mark.parametrize("agency", ["H29.05", "000.00.00.H29", "đơn vị có mã rất dài 0123456789", "A" * 64])
def test_names_of_queues_fit(backend: dict[str, str], agency: str) -> None:
    """The engine listens on a channel with the queue's name in it, and PostgreSQL allows 63 bytes there."""
    names = {format_queue_name(agency), format_queue_name(agency, for_application=True)}
    assert len(names) == 2
    assert all(len(f"procrastinate_queue_v1#{name}".encode()) <= 63 for name in names)
