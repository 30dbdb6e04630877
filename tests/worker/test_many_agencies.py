"""What a worker holds does not grow with its agencies (docs/worker.md, "Many agencies")."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url
from tests.worker.conftest import PATIENCE, QUICK, Running

from edoc_connector.config import Settings
from edoc_connector.connector import Handlers, Receipt
from edoc_connector.edxml import Organization
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

FEW, MANY = 3, 30


Describe = Callable[[int, str], list[dict[str, Any]]]
COUNT = """
import json, os, sys, threading
from edoc_connector.config import Settings
from edoc_connector.connector import Handlers, Receipt
from edoc_connector.edxml import Organization
from edoc_connector.testing import sample_document
from edoc_connector.worker import Worker

with Worker([Settings.of(one) for one in json.loads(sys.argv[1])]) as worker:
    assert all(worker.run_once().values())
    print(len(os.listdir("/proc/self/fd")), threading.active_count())
"""


@pytest.fixture
def describe(mock_hub: RunningHub, tmp_path: Path) -> Describe:
    """Makes the settings of so many agencies of one store, which the hub knows."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)

    def make(count: int, url: str) -> list[dict[str, Any]]:
        codes = [f"H29.{count:02}.{number:02}" for number in range(count)]
        for code in codes:
            mock_hub.add_agency(code, "secret", code)
        return [
            {
                "agency": {"id": code, "name": code},
                "hub": {"endpoint": mock_hub.url, "system_id": code, "secret": f"file:{secret}"},
                "receive": {"policy": "any"},
                "store": {"url": url, "spool": str(tmp_path / f"spool-{count}")},
                "worker": {"concurrency": 2},
            }
            for code in codes
        ]

    return make


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc")
def test_open_files_and_threads_do_not_grow_with_agencies(describe: Describe, tmp_path: Path, tables: bytes) -> None:
    """Thirty agencies that were polled have open what three have: one database, one connection, one file of locks."""
    held = []
    for count in (FEW, MANY):
        (tmp_path / f"{count}.db").write_bytes(tables)
        sections = json.dumps(describe(count, f"sqlite:///{tmp_path / f'{count}.db'}"))
        counted = subprocess.run([sys.executable, "-c", COUNT, sections], check=True, capture_output=True, text=True)
        held.append(tuple(map(int, counted.stdout.split())))
    assert held[0] == held[1]


def test_connections_to_a_server_do_not_grow_with_agencies(
    describe: Describe, postgres_url: str, count_connections: Callable[[], int], plain_http: None
) -> None:
    """Thirty agencies that were polled are announced on one connection, and have no more than the worker may."""
    with Worker([Settings.of(one) for one in describe(MANY, postgres_url)]) as worker:
        assert all(worker.run_once().values())
        assert _count_locks(postgres_url) == MANY
        assert count_connections() <= 3
    assert _count_locks(postgres_url) == 0


def test_a_setting_bounds_the_connections_of_all(
    describe: Describe, postgres_url: str, count_connections: Callable[[], int], running: Running, plain_http: None
) -> None:
    """Thirty agencies and four threads, that want eight and more, send and receive with three connections in all."""
    sections = describe(MANY, postgres_url)
    for one in sections:
        one["worker"] = QUICK | {"concurrency": 4}
        one["store"] |= {"connections": 3}
    has_come = threading.Event()
    handlers, accepted = Handlers(), set[str]()

    @handlers.on_receipt
    def handle(receipt: Receipt) -> None:
        receipt.accept()
        accepted.add(receipt.agency)
        if len(accepted) == MANY:
            has_come.set()

    with Worker([Settings.of(one) for one in sections], handlers=handlers) as worker:
        parties = [Organization(id=one["agency"]["id"], name=one["agency"]["name"]) for one in sections]
        for number, (connector, recipient) in enumerate(
            zip(worker.connectors, [*parties[1:], parties[0]], strict=True)
        ):
            connector.queue(sample_document(sender=parties[number], recipients=(recipient,), number=str(number)))
        most = 0
        with running(worker):
            for _ in range(int(PATIENCE / 0.05)):
                most = max(most, count_connections())
                if has_come.wait(0.05):
                    break
        assert has_come.is_set()
        assert 2 <= most <= 3


def _count_locks(url: str) -> int:
    """Count the agencies whose store is announced."""
    query = (
        "SELECT count(DISTINCT l.classid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        "WHERE a.datname = %s AND l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted"
    )
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute(query, (make_url(url).database,)).fetchone()
    assert row is not None
    return int(row[0])


def test_the_trouble_of_one_agency_is_no_other_agencys(
    describe: Describe, mock_hub: RunningHub, running: Running, tmp_path: Path, plain_http: None
) -> None:
    """A hub that is away, a key that is none, a lost store and a handler that hangs: two others go on meanwhile."""
    names = ("sender", "recipient", "slow", "without hub", "without key", "without store")
    sections = dict(zip(names, describe(len(names), f"sqlite:///{tmp_path / 'edoc.db'}"), strict=True))
    codes = {name: one["agency"]["id"] for name, one in sections.items()}
    for one in sections.values():
        one["worker"] = QUICK
        one["http"] = {"attempts": 1, "connect": 2.0}
    sections["without hub"]["hub"]["endpoint"] = "http://127.0.0.1:9"
    (tmp_path / "none.pem").write_text("no key")
    sections["without key"]["signing"] = {"key": f"pem:{tmp_path / 'none.pem'}"}
    lost = tmp_path / "lost" / "edoc.db"
    sections["without store"]["store"] = {"url": f"sqlite:///{lost}", "spool": str(tmp_path / "lost" / "spool")}
    has_begun, may_end, has_come = threading.Event(), threading.Event(), threading.Event()
    handlers = Handlers()

    @handlers.on_receipt
    def handle(receipt: Receipt) -> None:
        if receipt.agency == codes["slow"]:
            has_begun.set()
            may_end.wait(PATIENCE)
        else:
            has_come.set()
        receipt.accept()

    def queue(worker: Worker, recipient: str, number: str) -> None:
        ours, theirs = (Organization(id=codes[name], name=name) for name in ("sender", recipient))
        worker.connectors[0].queue(sample_document(sender=ours, recipients=(theirs,), number=number))

    with Worker([Settings.of(one) for one in sections.values()], handlers=handlers) as worker:
        lost.rename(tmp_path / "lost" / "gone.db")
        with running(worker):
            try:
                queue(worker, "slow", "1")
                assert has_begun.wait(PATIENCE)
                queue(worker, "recipient", "2")
                assert has_come.wait(PATIENCE)
            finally:
                may_end.set()
        assert worker._turns[names.index("without store")].is_lost
