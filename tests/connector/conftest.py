"""Two agencies, each with a connector on its own store, and a real mock hub between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from edoc_connector._core import write_private
from edoc_connector.client import HubClient
from edoc_connector.config import Settings
from edoc_connector.connector import Connector, Receipt
from edoc_connector.edxml import ResponseFor, StatusMessage, write
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import Kind, agency_keys

AGENCIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ", "H30": "UBND tỉnh"}

Office = Callable[..., Connector]
Ahead = Callable[[Connector, float], Connector]
Moving = Callable[..., Connector]
SettingsOf = Callable[..., Settings]
Register = Callable[[RunningHub], None]
Handle = Callable[[Connector], list[Receipt]]
Error = TypeVar("Error", bound=EdocError)


class Fails(Protocol):
    """Gives the one typed error of a call."""

    def __call__(self, error: type[Error], call: Callable[[], object], match: str | None = None) -> Error: ...


@pytest.fixture(scope="session")
def register() -> Register:
    """Registers the agencies at a hub."""

    def each(hub: RunningHub) -> None:
        for code, name in AGENCIES.items():
            hub.add_agency(code, f"secret-{code}", name)

    return each


@pytest.fixture
def hub(mock_hub: RunningHub, plain_http: None, register: Register) -> RunningHub:
    """The mock hub, with the agencies registered."""
    register(mock_hub)
    return mock_hub


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings: SQLite, a file per agency, unless a module names PostgreSQL too."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    return {"url": request.getfixturevalue("postgres_url")}


@pytest.fixture
def key_kind() -> Kind:
    """What keys the offices have: on a curve, which OpenSSL reads and signs with much sooner than with RSA's."""
    return "p256"


@pytest.fixture(scope="session")
def settings_in(tables: bytes) -> SettingsOf:
    """Makes settings for an agency, in a folder; sections given are laid over the usual ones."""

    def make(folder: Path, agency: str, *, at: RunningHub, key_kind: Kind, **sections: dict[str, Any]) -> Settings:
        secret = folder / "secret"
        folder.mkdir(exist_ok=True)
        if not secret.exists():
            (folder / "edoc.db").write_bytes(tables)
            write_private(secret, f"secret-{agency}")
        keys = agency_keys(AGENCIES[agency], organ_id=agency, kind=key_kind)
        values: dict[str, dict[str, Any]] = {
            "agency": {"id": agency, "name": AGENCIES[agency]},
            "hub": {"endpoint": at.url, "system_id": agency, "secret": "file:secret"},
            "http": {"attempts": 1, "connect": 10.0, "read": 30.0, "total": 60.0},
            "signing": {"key": keys.write_pem(folder / "key.pem")},
            "receive": {"policy": "trusted", "trust": [str(keys.write_root(folder / "root.pem"))]},
            "limits": {"grace": 0.0, "backoff": 0.0},
        }
        for name, section in sections.items():
            values[name] = values.get(name, {}) | section
        return Settings.of(values, folder=folder)

    return make


@pytest.fixture
def settings(
    hub: RunningHub, tmp_path: Path, backend: dict[str, str], key_kind: Kind, settings_in: SettingsOf
) -> SettingsOf:
    """Makes settings for an agency of the hub."""

    def make(agency: str, **sections: dict[str, Any]) -> Settings:
        store = backend | sections.pop("store", {})
        return settings_in(tmp_path / agency, agency, at=hub, key_kind=key_kind, store=store, **sections)

    return make


@pytest.fixture
def office(settings: SettingsOf) -> Iterator[Office]:
    """Opens the connector of an agency; opening it again gives another one on the same store."""
    with ExitStack() as stack:

        def make(agency: str, **sections: dict[str, Any]) -> Connector:
            return stack.enter_context(Connector.open(settings(agency, **sections)))

        yield make


@pytest.fixture
def new_hub(tmp_path: Path, register: Register, hub: RunningHub) -> Iterator[RunningHub]:
    """The hub that the agencies move to: a provincial one, with ids that begin with 1."""
    with RunningHub(MockHubConfig(data=tmp_path / "new-hub")) as running:
        register(running)
        yield running


@pytest.fixture
def moving(office: Office, new_hub: RunningHub) -> Moving:
    """Opens the connector of an agency that has the national hub still and the provincial one already."""

    def make(agency: str, *, active: str = "hub", **sections: Any) -> Connector:
        new = {"dialect": "edocservice", "endpoint": f"{new_hub.url}/EdocService", "system_id": agency}
        new |= {"secret": "file:secret", "role": "active" if active == "new" else "drain"}
        old = {"role": "active" if active == "hub" else "drain"}
        return office(agency, hub=old | sections.pop("hub", {}), hubs={"new": new}, **sections)

    return make


@pytest.fixture(scope="session")
def ahead() -> Ahead:
    """Moves a connector's time some seconds ahead, so that leases of others have run out and what waits is due."""

    def move(connector: Connector, seconds: float) -> Connector:
        clock = connector.context.store.clock
        connector.context.store.clock = lambda: clock() + timedelta(seconds=seconds)
        return connector

    return move


@pytest.fixture(scope="session")
def handle() -> Handle:
    """Handles every packet that waits."""

    def run(connector: Connector) -> list[Receipt]:
        handled = []
        for receipt in connector.receive():
            with receipt:
                handled.append(receipt)
        return handled

    return run


@pytest.fixture
def fails() -> Fails:
    """Gives the one typed error of a call, after a look at its words in both languages."""

    def run(error: type[Error], call: Callable[[], object], match: str | None = None) -> Error:
        with pytest.raises(error) as caught:
            call()
        assert match is None or re.search(match, caught.value.full)  # as a person reads it
        assert caught.value.message
        assert caught.value.vi
        return caught.value

    return run


@pytest.fixture
def kill_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the next such call to a hub end the process (SystemExit), before or after the hub was reached."""

    def plan(name: str, *, after: bool) -> None:
        real = getattr(HubClient, name)

        def dying(self: HubClient, *args: object, **kwargs: object) -> None:
            monkeypatch.setattr(HubClient, name, real)
            if after:
                real(self, *args, **kwargs)
            raise SystemExit

        monkeypatch.setattr(HubClient, name, dying)

    return plan


@pytest.fixture
def built() -> Callable[[Path, str], bytes]:
    """Reads the packet in an agency's spool that holds a text."""

    def find(folder: Path, text: str) -> bytes:
        packets = [path.read_bytes() for path in (folder / "spool").rglob("*.edxml")]
        return next(packet for packet in packets if text.encode() in packet)

    return find


@pytest.fixture
def status(hub: RunningHub) -> Callable[..., None]:
    """Offers H29.05 a status of G22 about the sample document, made by hand."""

    def offer(**changes: Any) -> None:
        document = sample_document()
        values: dict[str, Any] = {
            "sender": RECIPIENT,
            "response_for": ResponseFor(
                organ_id="H29.05", code=document.code, document_id=document.id, issued_on=document.issued_on
            ),
            "code": "01",
            "timestamp": datetime(2026, 11, 20, 3, tzinfo=UTC),
        }
        path = hub.hub.incoming_folder / "status.edxml"
        write(StatusMessage(**(values | changes)), path, at=datetime.now(UTC))
        hub.offer(path.read_bytes(), sender="G22", to="H29.05", message_type="status")
        path.unlink()

    return offer
