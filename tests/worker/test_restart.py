"""PostgreSQL restarted under a running connector and a running worker, on either engine (faults, row 24)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import edoc_connector.store._sql.engine as engine_module
import edoc_connector.worker.procrastinate as task_worker_module
from edoc_connector.client import HubClient
from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers
from edoc_connector.errors import StoreError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.postgres import PostgresServer
from edoc_connector.worker import open_worker

PATIENCE = 300.0


@pytest.fixture
def backend() -> dict[str, str]:
    """Nothing shared: these tests have a server of their own, which they may stop."""
    return {}


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that tests may stop."""
    with PostgresServer() as running:
        yield running


@pytest.fixture
def server(own_server: PostgresServer) -> PostgresServer:
    """The server, running, whatever the test before left."""
    own_server.restart()
    return own_server


@pytest.fixture
def on_server(values: Callable[..., Any], server: PostgresServer, tmp_path: Path) -> Callable[..., Settings]:
    """Makes settings for an agency, its store on the server."""
    url = server.create_database("tasks")

    def make(agency: str, **worker: Any) -> Settings:
        sections = values(agency, store={"url": url}, limits={"lease": 3.0})
        return Settings.of(sections | {"worker": sections["worker"] | {"poll": 0.3, "idle": 0.1, "sweep": 1} | worker})

    return make


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "crashed"])
def test_row_24_the_server_is_restarted_while_a_packet_is_at_the_hub(
    on_server: Callable[..., Settings],
    server: PostgresServer,
    hub: RunningHub,
    monkeypatch: pytest.MonkeyPatch,
    crash: bool,
) -> None:
    """The connector connects anew and writes what the hub said; the packet is sent once (faults, row 24)."""
    real = HubClient.send

    def send(self: HubClient, *arguments: Any, **named: Any) -> Any:
        result = real(self, *arguments, **named)
        server.restart(crash=crash)
        return result

    with Connector(on_server("H29.05")) as sender:
        monkeypatch.setattr(HubClient, "send", send)
        assert sender.send(sample_document()).state is DeliveryState.SENT
        monkeypatch.setattr(HubClient, "send", real)
        assert sender.send(sample_document(number="2")).state is DeliveryState.SENT
    assert len(hub.packets()) == 2


def test_row_24_the_server_stays_away_while_a_packet_is_at_the_hub(
    on_server: Callable[..., Settings], server: PostgresServer, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is typed; the hub is asked afterwards, and the packet is not sent twice (faults, row 24)."""
    monkeypatch.setattr(engine_module, "RECONNECT_SECONDS", 0.2)
    real = HubClient.send

    def send(self: HubClient, *arguments: Any, **named: Any) -> Any:
        result = real(self, *arguments, **named)
        server.stop()
        return result

    with Connector(on_server("H29.05")) as sender:
        with monkeypatch.context() as patch:
            patch.setattr(HubClient, "send", send)
            with pytest.raises(StoreError, match="cannot be reached") as caught:
                sender.send(sample_document())
        assert "Không kết nối được" in caught.value.vi
        with pytest.raises(StoreError, match="cannot be reached"):
            sender.deliveries()
        server.start()
        document = sample_document().id
        assert sender.delivery(document).state is DeliveryState.SENDING

        def settled() -> bool:
            sender.flush()
            return sender.delivery(document).state is DeliveryState.SENT

        _until(settled)
    assert len(hub.packets()) == 1


@pytest.mark.parametrize("engine", ["own", "procrastinate"])
def test_row_24_the_server_is_restarted_under_a_running_worker(
    on_server: Callable[..., Settings],
    server: PostgresServer,
    hub: RunningHub,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
) -> None:
    """Neither worker nor connector is restarted: both go on, nothing is lost, nothing doubled (faults, row 24)."""
    monkeypatch.setattr(engine_module, "RECONNECT_SECONDS", 1.0)
    monkeypatch.setattr(task_worker_module, "POOL_SECONDS", 1.0)
    register: set[str] = set()
    handlers = Handlers()

    @handlers.on_receipt
    def save(receipt: Any) -> None:
        register.add(receipt.id)  # looks before it saves, as docs/worker.md says
        receipt.accept()

    both = [on_server("H29.05", engine=engine), on_server("G22", engine=engine)]
    with Connector(both[0]) as sender, Connector(both[1]) as theirs, open_worker(both, handlers=handlers) as worker:
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            first = sender.send(sample_document(number="0")).id
            _until(lambda: sender.delivery(first).recipient("G22").status == "03")
            server.stop()
            _until(lambda: bool(worker.metrics.read_failure_counts()))
            assert not worker.is_ready()
            with pytest.raises(StoreError, match="cannot be reached"):
                sender.send(sample_document(number="1"))
            server.start()
            sent = [first, *(sender.send(sample_document(number=str(number))).id for number in range(1, 4))]
            server.restart(crash=True)
            _until(lambda: {sender.delivery(one).recipient("G22").status for one in sent} == {"03"})
            _until(lambda: {one.state for one in theirs.receipts()} == {ReceiptState.CONFIRMED})
            assert worker.is_ready()
        finally:
            worker.stop()
            thread.join(PATIENCE)
        assert not thread.is_alive()
        assert len(theirs.receipts()) == len(sent)
    assert register == set(sent)
    statuses = sum(packet.packet.message_type == "status" for packet in hub.packets())
    assert len(hub.packets()) - statuses == len(sent)
    assert statuses == 2 * len(sent)
