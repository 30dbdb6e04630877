"""Processes that are forked after connectors were opened: gunicorn, Celery, multiprocessing and uWSGI do that."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.testing.hub import RunningHub

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

HERE = Path(__file__).parent
WORKERS = 4
DOCUMENTS = 40
BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)]

Answer = dict[str, Any]
Environment = dict[str, str]


@pytest.fixture
def environment(hub: RunningHub, settings: Callable[..., Settings], tmp_path: Path) -> Environment:
    """What `served.py` reads: the configurations of two agencies."""
    return os.environ | {
        "EDOC_TEST_SENDER": str(write_configuration(settings("H29.05"), tmp_path / "H29.05", hub)),
        "EDOC_TEST_RECEIVER": str(write_configuration(settings("G22"), tmp_path / "G22", hub)),
        "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
    }


def write_configuration(settings: Settings, folder: Path, hub: RunningHub) -> Path:
    """Write an ``edoc.toml`` that says what the settings do."""
    (folder / "edoc.toml").write_text(
        f"""
[agency]
id = "{settings.agency.id}"
name = "{settings.agency.name}"
[hub]
endpoint = "{hub.url}"
system_id = "{settings.agency.id}"
secret = "file:secret"
[signing]
key = "{settings.signing.key}"
[receive]
policy = "trusted"
trust = ["{folder / "root.pem"}"]
[limits]
grace = 0.0
backoff = 0.0
[store]
url = "{settings.store.url}"
""",
        encoding="utf-8",
    )
    return folder / "edoc.toml"


@contextmanager
def run_server(command: list[str], environment: Environment, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; its words are in the message of a test that fails."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            yield server
        finally:
            server.terminate()
            server.wait(60)


def assert_once(answers: list[Answer], expected: int, hub: RunningHub, settings: Callable[..., Settings]) -> None:
    """Assert that nothing was lost or doubled, and that several processes took part, each as an owner of its own."""
    assert [answer for answer in answers if "documents" not in answer] == []
    sent = Counter(name for answer in answers if "sent" in answer for name in answer["documents"])
    handled = Counter(name for answer in answers if "sent" not in answer for name in answer["documents"])
    assert len(sent) == expected
    assert set(sent.values()) == {1}
    assert len({answer["owner"] for answer in answers}) == len({answer["process"] for answer in answers}) > 1
    with Connector(settings("G22")) as receiver:
        for receipt in receiver.receive():
            with receipt:
                handled[receipt.document.id] += 1
        assert Counter(receipt.state for receipt in receiver.receipts()) == {"confirmed": expected + 1}
    assert set(handled.values()) == {1}
    assert len(handled) == expected + 1  # one was sent before the fork
    documents = [packet for packet in hub.packets() if packet.packet.message_type == "edoc"]
    assert len(documents) == expected + 1


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_gunicorn_with_preload(
    environment: Environment, hub: RunningHub, settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Connectors that gunicorn's master opened serve 4 workers: nothing is lost, doubled or an untyped error."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--preload", "--workers", str(WORKERS), "--bind", address, "--timeout", "120"]
    command = [sys.executable, "-m", "gunicorn", *options, "served:application"]

    def call(path: str) -> Answer:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=120) as response:
            answer: Answer = json.load(response)
        return answer | ({"sent": True} if path.startswith("send") else {})

    with run_server(command, environment, tmp_path) as server:
        wait_for_port(address, server, tmp_path)
        paths = [
            path for number in range(1, DOCUMENTS + 1) for path in (f"send/{number}", *["receive"] * (number % 4 == 0))
        ]
        with ThreadPoolExecutor(2 * WORKERS) as callers:
            answers = list(callers.map(call, paths))
    assert_once(answers, DOCUMENTS, hub, settings)


def wait_for_port(address: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a server listens."""
    host, _, port = address.partition(":")
    for _ in range(600):
        assert server.poll() is None, (folder / "server.log").read_text()
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail((folder / "server.log").read_text())


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_celery_prefork(
    environment: Environment,
    hub: RunningHub,
    settings: Callable[..., Settings],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tasks in Celery's 4 forked processes use connectors that its parent opened, as under gunicorn."""
    broker = tmp_path / "broker"
    environment["EDOC_TEST_BROKER"] = str(broker)
    command = [sys.executable, "-m", "celery", "--app", "served:tasks", "worker", "--pool", "prefork"]
    options = ["--concurrency", str(WORKERS), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    calls = [
        (name, str(number)) for number in range(1, DOCUMENTS + 1) for name in ("send", *["receive"] * (number % 4 == 0))
    ]
    script = (
        "import json, sys, served\n"
        "results = [(name, served.tasks.send_task(name, args=[number] if name == 'send' else []))\n"
        "           for name, number in json.load(sys.stdin)]\n"
        "print(json.dumps([result.get(timeout=240) | ({'sent': True} if name == 'send' else {})\n"
        "                  for name, result in results]))\n"
    )
    with run_server([*command, *options], environment, tmp_path) as server:
        asked = subprocess.run(
            [sys.executable, "-c", script], input=json.dumps(calls).encode(), env=environment, capture_output=True
        )
        assert server.poll() is None, (tmp_path / "server.log").read_text()
    assert asked.returncode == 0, asked.stderr.decode() + (tmp_path / "server.log").read_text()
    assert_once(json.loads(asked.stdout), DOCUMENTS, hub, settings)


def run_scene(name: str, environment: Environment) -> dict[str, Any]:
    """Run a scene of `served.py`."""
    done = subprocess.run(
        [sys.executable, str(HERE / "served.py"), name], env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def test_a_forked_process_has_everything_of_its_own(environment: Environment, hub: RunningHub) -> None:
    """Sockets, connections and leases are the child's own, and the parent goes on with its."""
    outcome = run_scene("one after another", environment)
    answers = [*outcome["children"], outcome["parent"]]
    assert [len(answer.get("documents", [])) for answer in answers] == [1, 1, 1, 1], answers
    assert len({answer["owner"] for answer in answers}) == 4


def test_a_packet_in_hand_stays_the_parents(environment: Environment, hub: RunningHub) -> None:
    """A child neither finishes nor gives back what its parent handles; both errors are typed."""
    for number in ("7", "8"):
        run_number(number, environment)
    outcome = run_scene("receive", environment)
    child = outcome["child"]
    assert {child["left"]["error"], child["further"]["error"]} == {"StoreError"}
    assert "documents" in child["own"]
    assert (
        len(outcome["parent"]) + len(child["own"]["documents"]) == 3
    )  # these, and the one that every program sends at its start


def run_number(number: str, environment: Environment) -> None:
    """Send a document in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", f"import served; served.send({number!r})"], env=environment, check=True, timeout=60
    )


def test_a_child_goes_on_when_its_parent_leaves(environment: Environment, hub: RunningHub) -> None:
    """What a child writes after its parent closed its connector is in the store: its locks are its own."""
    outcome = run_scene("the parent leaves", environment)
    assert [len(answer.get("documents", [])) for answer in outcome["child"].values()] == [1, 1], outcome
    assert outcome["stored"] == ["1000/SNV-VP", "11/SNV-VP", "12/SNV-VP"]


def test_a_fork_in_the_middle_of_a_transaction_is_a_clear_error(environment: Environment, hub: RunningHub) -> None:
    """SQLite would take the parent's locks for the child's: the store says so in both languages."""
    child = run_scene("transaction", environment)["child"]
    assert child["error"] == "StoreError"
    assert "forked while its parent used the store" in child["message"]
    assert "fork" in child["vi"]


def test_a_fork_past_python_is_a_clear_error(environment: Environment, hub: RunningHub) -> None:
    """A server written in C that tells Python nothing of its fork (uWSGI by default) gets an error."""
    outcome = run_scene("past python", environment)
    assert outcome["child"]["error"] == "StoreError"
    assert "py-call-uwsgi-fork-hooks" in outcome["child"]["message"]
    assert outcome["parent"]["documents"]
