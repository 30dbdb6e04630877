"""The worker as a whole: threads, many agencies, a clean stop, and what it tells whoever watches it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers, Receipt
from edoc_connector.errors import ConfigError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker, import_handlers
from edoc_connector.worker.health import serve_health

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.worker.conftest import Office, Running, SectionsOf, WorkerOf

PATIENCE = 60.0


def test_threads_handle_each_packet_once(office: Office, worker: WorkerOf, hub: RunningHub, running: Running) -> None:
    """Three threads, ten documents, each handled once and confirmed (faults, row 7)."""
    handlers = Handlers()
    handled: list[str] = []
    all_of_them = threading.Event()

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        handled.append(receipt.id)
        if len(handled) == 10:
            all_of_them.set()

    connector = office("H29.05")
    sent = [connector.send(sample_document(number=str(number))).id for number in range(10)]
    with running(worker("G22", handlers)):
        assert all_of_them.wait(PATIENCE)
    assert sorted(handled) == sorted(sent)
    assert {one.state for one in office("G22").receipts()} <= {ReceiptState.HANDLED, ReceiptState.CONFIRMED}


def test_a_stop_lets_go_of_what_takes_too_long(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """After the time for stopping a packet is free for another worker, and the slow one is fenced off (issue)."""
    handlers = Handlers()
    begun, may_end = threading.Event(), threading.Event()

    @handlers.on_receipt
    def register(receipt: Receipt) -> None:
        begun.set()
        may_end.wait(PATIENCE)

    office("H29.05").send(sample_document())
    slow = worker("G22", handlers, worker={"poll": 0.2, "idle": 0.05, "stop_within": 0.2, "concurrency": 1})
    ended: list[bool] = []
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
    assert office("G22").receipts()[0].state is ReceiptState.CONFIRMED
    for other in threading.enumerate():
        if other.name.startswith("edoc-worker"):
            other.join(PATIENCE)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_health_readiness_and_metrics(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """A monitor sees states, work done and whether the store answers, and no document (issue, "Worker")."""
    office("H29.05").send(sample_document())
    one = worker("G22")
    one.run_once(rounds=3)
    with serve_health(one, "127.0.0.1", 0) as port:

        def get(path: str) -> tuple[int, str]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        assert get("/healthz") == (200, "ok\n")
        assert get("/readyz") == (200, "ready\n")
        status, text = get("/metrics")
        assert status == 200
        assert 'edoc_rows{agency="G22",state="waiting",table="receipts"} 1.0' in text
        assert 'edoc_open{agency="G22",kind="refused_confirmations"} 0.0' in text
        assert 'edoc_work_total{agency="G22",kind="poll"}' in text
        assert 'edoc_store_up{agency="G22"} 1.0' in text
        assert sample_document().subject not in text
        assert get("/other")[0] == 404
        one.stop()
        assert get("/readyz")[0] == 503
        with pytest.raises(ConfigError, match="cannot listen"), serve_health(one, "127.0.0.1", port):
            pass


def _toml(sections: dict[str, Any], prefix: str = "") -> str:
    lines = []
    for name, section in sections.items():
        lines.append(f"[{prefix}{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in section.items()]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_one_worker_for_two_agencies(
    values: SectionsOf, tmp_path: Path, office: Office, hub: RunningHub, running: Running
) -> None:
    """Each [agencies.NAME] lays its sections over those of the file (issue, "for one or many agencies")."""
    first, second = values("H29.05"), values("G22")
    text = _toml({"worker": first["worker"]})
    for name, sections in (("first", first), ("second", second)):
        text += _toml({key: sections[key] for key in sections if key != "worker"}, f"agencies.{name}.")
    file = tmp_path / "edoc.toml"
    file.write_text(text)
    handlers, done = Handlers(), threading.Event()
    handlers.on_receipt(lambda receipt: done.set())
    fleet = Settings.fleet(file)
    assert [one.agency.id for one in fleet] == ["H29.05", "G22"]
    assert Settings.load(file, agency="second") == fleet[1]
    with pytest.raises(ConfigError, match=r"has several agencies: H29\.05, G22"):
        Settings.load(file)
    hub.stop()
    with Connector(fleet[0]) as connector, pytest.raises(Exception, match=r"."):
        connector.send(sample_document())
    hub.start()
    with Worker(fleet, handlers=handlers) as both, running(both):
        assert done.wait(PATIENCE)
    assert office("H29.05").deliveries()[0].state is DeliveryState.SENT


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_fleet_that_is_not_right(values: SectionsOf, tmp_path: Path) -> None:
    """The error names the agency (issue, "for one or many agencies")."""
    file = tmp_path / "edoc.toml"
    file.write_text(_toml(values("G22"), "agencies.one.") + "[agencies.one.worker2]\n")
    with pytest.raises(ConfigError, match=r"agencies\.one: .*worker2"):
        Settings.fleet(file)
    file.write_text('agencies = "G22"\n')
    with pytest.raises(ConfigError, match=r"agencies\.NAME"):
        Settings.fleet(file)
    file.write_text(_toml(values("G22")))
    (one,) = Settings.fleet(file)
    with pytest.raises(ConfigError, match="configured twice"):
        Worker([one, one])
    with pytest.raises(ConfigError, match="no agency"):
        Worker([])


def test_handlers_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Handlers or a function is found; anything else is an error that says why (issue, "DMS handlers")."""
    (tmp_path / "their_dms.py").write_text(
        "from edoc_connector.connector import Handlers\nhandlers = Handlers()\n"
        "@handlers.on_receipt\ndef register(receipt): pass\nnumber = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert len(import_handlers("their_dms:handlers").receipts) == 1
    assert len(import_handlers("their_dms:register").receipts) == 1
    for name, why in (("their_dms", "module:name"), ("nothing_such:x", "no module"), ("their_dms:number", "no Handl")):
        with pytest.raises(ConfigError, match=why):
            import_handlers(name)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_command_stops_cleanly_on_sigterm(
    values: SectionsOf, tmp_path: Path, office: Office, hub: RunningHub, start_program: StartProgram
) -> None:
    """`edoc worker` handles what comes, and ends with 0 within its time (issue, "clean stop on SIGTERM")."""
    (tmp_path / "dms.py").write_text("def register(receipt):\n    print('handled', receipt.id, flush=True)\n")
    (tmp_path / "edoc.toml").write_text(_toml(values("G22")))
    document_id = office("H29.05").send(sample_document()).id
    command = [sys.executable, "-m", "edoc_connector", "worker", "--handlers", "dms:register", "--listen", "0"]
    process = start_program(command, cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any(line.strip() == f"handled {document_id}" for line in lines)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    states = {one.state for one in office("G22").receipts()}
    assert states <= {ReceiptState.HANDLED, ReceiptState.CONFIRMED}


ADDRESSES = ("x", "70000", "host:")
LISTEN_ON_EACH = """
import sys
from edoc_connector.cli import main
for address in sys.argv[1:]:
    sys.argv = ["edoc", "worker", "--listen", address]
    try:
        main()
    except SystemExit as stop:
        print(stop.code)
"""


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_an_address_that_cannot_be_listened_on(values: SectionsOf, tmp_path: Path) -> None:
    """The error says how to write it (issue, "on a port if asked")."""
    (tmp_path / "edoc.toml").write_text(_toml(values("G22")))
    command = [sys.executable, "-c", LISTEN_ON_EACH, *ADDRESSES]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.split() == ["1"] * len(ADDRESSES), done.stderr
    assert done.stderr.count("[HOST:]PORT") == len(ADDRESSES)
