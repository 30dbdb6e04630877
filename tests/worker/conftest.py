"""Two agencies on a real mock hub, with workers on stores of their own, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Handlers
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys
from edoc_connector.worker import Worker

PATIENCE = 300.0  # seconds for a worker to end; only a worker that hangs needs them
AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}

# Nothing waits for long: what a test wants to see happen is due at once.
SectionsOf = Callable[..., dict[str, dict[str, Any]]]
SettingsOf = Callable[..., Settings]
Office = Callable[..., Connector]
WorkerOf = Callable[..., Worker]
Running = Callable[[Worker], AbstractContextManager[threading.Thread]]

QUICK = {"concurrency": 3, "poll": 0.2, "idle": 0.05, "stop_within": 20.0}


@pytest.fixture
def hub(mock_hub: RunningHub, plain_http: None) -> RunningHub:
    """The mock hub, with the agencies registered."""
    for code, name in AGENCIES.items():
        mock_hub.add_agency(code, f"secret-{code}", name)
    return mock_hub


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings: a file per agency, or one PostgreSQL for all."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture
def values(hub: RunningHub, tmp_path: Path, backend: dict[str, str], tables: bytes) -> SectionsOf:
    """The sections of an agency's settings; those given are laid over the usual ones."""

    def make(agency: str, **sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
        folder = tmp_path / agency
        folder.mkdir(exist_ok=True)
        if not (folder / "secret").exists():
            (folder / "edoc.db").write_bytes(tables)
            (folder / "secret").write_text(f"secret-{agency}")
        keys = agency_keys(AGENCIES[agency], organ_id=agency, kind="p256")
        usual: dict[str, dict[str, Any]] = {
            "agency": {"id": agency, "name": AGENCIES[agency]},
            "hub": {"endpoint": hub.url, "system_id": agency, "secret": f"file:{folder / 'secret'}"},
            "http": {"attempts": 1, "connect": 10.0, "read": 30.0, "total": 60.0},
            "signing": {"key": keys.write_pem(folder / "key.pem")},
            "receive": {"policy": "trusted", "trust": [str(keys.write_root(folder / "root.pem"))]},
            "limits": {"grace": 0.0, "backoff": 0.0},
            "store": {"url": f"sqlite:///{folder / 'edoc.db'}", "spool": str(folder / "spool")} | backend,
            "worker": QUICK,
        }
        return usual | {name: usual.get(name, {}) | section for name, section in sections.items()}

    return make


@pytest.fixture
def settings(values: SectionsOf) -> SettingsOf:
    """Makes settings for an agency."""
    return lambda agency, **sections: Settings.of(values(agency, **sections))


@pytest.fixture
def office(settings: SettingsOf) -> Iterator[Office]:
    """Opens the connector of an agency, beside its workers."""
    with ExitStack() as stack:
        yield lambda agency, **sections: stack.enter_context(Connector(settings(agency, **sections)))


@pytest.fixture
def worker(settings: SettingsOf) -> Iterator[WorkerOf]:
    """Opens a worker for an agency."""
    with ExitStack() as stack:

        def make(agency: str, handlers: Handlers | None = None, **sections: dict[str, Any]) -> Worker:
            return stack.enter_context(Worker([settings(agency, **sections)], handlers=handlers))

        yield make


@pytest.fixture
def running() -> Running:
    """Runs a worker in a thread, and stops it."""

    @contextmanager
    def run(worker: Worker) -> Iterator[threading.Thread]:
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            yield thread
        finally:
            worker.stop()
            thread.join(PATIENCE)
            assert not thread.is_alive()

    return run
