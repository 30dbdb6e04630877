"""A gateway that runs over a real socket, with a mock hub behind it and another agency at that hub."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.edxml import Document, Organization
from edoc_connector.gateway import Gateway, Office, add_key
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

OURS, THEIRS = "H29.05", "G22"
NAMES = {OURS: "Sở Nội vụ", THEIRS: "Văn phòng Chính phủ"}
PATIENCE = 60.0
QUICK = {"concurrency": 3, "poll": 0.2, "idle": 0.05, "stop_within": 20.0}

SectionsOf = Callable[..., dict[str, dict[str, Any]]]
SettingsOf = Callable[..., Settings]


@dataclass(frozen=True)
class Running:
    """A gateway that runs, a client with a key for it, and the other agency.

    Args:
        url: the gateway's address.
        client: sends the key with every request.
        token: the key.
        office: the agency of ours, beside the gateway.
        partner: the connector of the other agency.
        hub: the hub.
    """

    url: str
    client: httpx.Client
    token: str
    office: Office
    partner: Connector
    hub: RunningHub

    @property
    def base(self) -> str:
        """Beginning of the agency's addresses."""
        return f"/v1/agencies/{OURS}"

    def compose(self, number: str = "7816", **changes: Any) -> dict[str, Any]:
        """A document as a client writes it."""
        return {
            "recipients": [{"id": THEIRS, "name": NAMES[THEIRS]}],
            "number": number,
            "notation": "SNV-VP",
            "issued_on": datetime.now(UTC).date().isoformat(),
            "type_name": "Công văn",
            "subject": "V/v kết nối, liên thông văn bản",
            "signer": {"full_name": "Nguyễn Văn A", "position": "Giám đốc"},
            "place": "Hà Nội",
            "attachments": [{"name": "cong-van.pdf", "content": base64.b64encode(sample_pdf(["7816"])).decode()}],
        } | changes

    def send_form(self, document: dict[str, Any], files: dict[str, bytes], **headers: str) -> httpx.Response:
        """Send a document and its files as a form."""
        parts: list[Any] = [("document", (None, json.dumps(document), "application/json"))]
        parts += [("files", (name, data, "application/octet-stream")) for name, data in files.items()]
        return self.client.post(self.base + "/documents/form", files=parts, headers=headers)

    def letter(self, number: str = "12", **changes: Any) -> Document:
        """A document of the other agency to ours."""
        sender, recipient = (Organization(id=code, name=NAMES[code]) for code in (THEIRS, OURS))
        return sample_document(sender=sender, recipients=(recipient,), number=number, notation="VPCP", **changes)

    def wait_for(self, path: str, holds: Callable[[Any], object]) -> Any:
        """Ask for something until it is as wanted; gives it then."""
        end = time.monotonic() + PATIENCE
        while not holds(found := self.client.get(self.base + path).json()):
            assert time.monotonic() < end, found
            time.sleep(0.05)
        return found

    def receive(self, document: Document) -> dict[str, Any]:
        """Have the other agency send a document, and wait until it waits at ours."""
        self.partner.send(document)
        page = self.wait_for("/receipts?state=waiting", lambda page: page["items"])
        found: dict[str, Any] = page["items"][0]
        return found


@pytest.fixture
def sections_of(mock_hub: RunningHub, plain_http: None, tmp_path: Path, tables: bytes) -> SectionsOf:
    """Makes the sections of an agency's settings; those that are given are laid over the usual ones."""
    for code, name in NAMES.items():
        mock_hub.add_agency(code, f"secret-{code}", name)

    def make(agency: str, **sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
        folder = tmp_path / agency
        folder.mkdir(exist_ok=True)
        if not (folder / "secret").exists():
            (folder / "edoc.db").write_bytes(tables)
            (folder / "secret").write_text(f"secret-{agency}")
        keys = agency_keys(NAMES[agency], organ_id=agency, kind="p256")
        usual: dict[str, dict[str, Any]] = {
            "agency": {"id": agency, "name": NAMES[agency]},
            "hub": {"endpoint": mock_hub.url, "system_id": agency, "secret": f"file:{folder / 'secret'}"},
            "http": {"attempts": 1, "connect": 10.0, "read": 30.0, "total": 60.0},
            "signing": {"key": keys.write_pem(folder / "key.pem")},
            "receive": {"policy": "trusted", "trust": [str(keys.write_root(folder / "root.pem"))]},
            "limits": {"grace": 0.0, "backoff": 0.0},
            "store": {"url": f"sqlite:///{folder / 'edoc.db'}", "spool": str(folder / "spool")},
            "worker": QUICK,
            "gateway": {"rate": 600_000, "burst": 100_000, "webhooks": {"backoff": 0.05, "backoff_cap": 0.2}},
        }
        return usual | {name: usual.get(name, {}) | section for name, section in sections.items()}

    return make


@pytest.fixture
def settings(sections_of: SectionsOf, tmp_path: Path) -> SettingsOf:
    """Makes the settings of an agency."""
    return lambda agency, **sections: Settings.of(sections_of(agency, **sections), folder=tmp_path / agency)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run a gateway in a thread; gives its address."""
    gateway = Gateway([settings], port=0)
    ready = threading.Event()
    thread = threading.Thread(target=gateway.serve, args=(lambda _: ready.set(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield gateway.url
    finally:
        gateway.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def run(settings: SettingsOf, mock_hub: RunningHub) -> Iterator[Callable[..., Running]]:
    """Runs a gateway; sections of the settings may be given."""
    with ExitStack() as stack:

        def start(**sections: dict[str, Any]) -> Running:
            ours = settings(OURS, **sections)
            office = Office(stack.enter_context(Connector(ours)))
            partner = stack.enter_context(Connector(settings(THEIRS)))
            token = add_key([(OURS, office.store)], name="DMS").token
            url = stack.enter_context(serving(ours))
            headers = {"Authorization": f"Bearer {token}"}
            client = stack.enter_context(httpx.Client(base_url=url, headers=headers, timeout=30))
            return Running(url, client, token, office, partner, mock_hub)

        yield start


@pytest.fixture
def gateway(run: Callable[..., Running]) -> Running:
    """A gateway that runs, with a worker of its own."""
    return run()
