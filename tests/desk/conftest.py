"""Desks that run over real sockets, each with its worker, and a mock hub between them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.desk import Desk, Role, add_person
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

NAMES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}
PASSWORD = "mật khẩu đủ dài 1"
PEOPLE = {
    "van.thu": ("Trần Thị Văn Thư", Role.CLERK),
    "lanh.dao": ("Lê Lãnh Đạo", Role.LEADER),
    "chuyen.vien": ("Phạm Chuyên Viên", Role.OFFICER),
    "quan.tri": ("Vũ Quản Trị", Role.ADMINISTRATOR),
}
PATIENCE = 30.0
_TOKEN = re.compile(r'name="token" value="([0-9a-f]+)"')


@dataclass(frozen=True)
class Running:
    """A desk that runs.

    Args:
        url: its address.
        connector: of the agency, beside the desk.
    """

    url: str
    connector: Connector

    @contextmanager
    def visit(self) -> Iterator[Visitor]:
        """Come with a browser that nobody knows."""
        with httpx.Client(base_url=self.url, timeout=30) as client:
            yield Visitor(client)

    @contextmanager
    def sign_in(self, name: str) -> Iterator[Visitor]:
        """Come, and sign in."""
        with self.visit() as visitor:
            answer = visitor.try_password(name, PASSWORD)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            yield visitor


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser."""

    client: httpx.Client

    def read_token(self, path: str) -> str:
        """Read the token of the forms on a page."""
        found = _TOKEN.search(self.client.get(path).text)
        assert found, path
        return found[1]

    def try_password(self, name: str, password: str) -> httpx.Response:
        """Fill in the form of signing in."""
        token = self.read_token("/sign-in")
        return self.client.post("/sign-in", data={"token": token, "name": name, "password": password})

    def post(self, path: str, page: str | None = None, **values: str) -> httpx.Response:
        """Send a form with the token of a page; by default of the page that has one's own password."""
        token = self.read_token(page or "/account")
        return self.client.post(path, data={"token": token, **values})

    def wait_for(self, path: str, text: str) -> str:
        """Load a page again until it says something."""
        end = time.monotonic() + PATIENCE
        while text not in (page := self.client.get(path).text):
            assert time.monotonic() < end, page
            time.sleep(0.1)
        return page


@pytest.fixture
def settings(mock_hub: RunningHub, plain_http: None, tmp_path: Path, tables: bytes) -> Callable[..., Settings]:
    """Makes the settings of an agency; sections that are given are laid over the usual ones."""
    for code, name in NAMES.items():
        mock_hub.add_agency(code, f"secret-{code}", name)

    def make(agency: str, **sections: dict[str, Any]) -> Settings:
        folder = tmp_path / agency
        folder.mkdir(exist_ok=True)
        if not (folder / "secret").exists():
            (folder / "edoc.db").write_bytes(tables)
            (folder / "secret").write_text(f"secret-{agency}")
            (folder / "secret").chmod(0o600)
        keys = agency_keys(NAMES[agency], organ_id=agency, kind="p256")
        usual: dict[str, dict[str, Any]] = {
            "agency": {"id": agency, "name": NAMES[agency]},
            "hub": {"endpoint": mock_hub.url, "system_id": agency, "secret": "file:secret"},
            "http": {"attempts": 1, "connect": 10.0, "read": 30.0, "total": 60.0},
            "signing": {"key": keys.write_pem(folder / "key.pem")},
            "receive": {"policy": "trusted", "trust": [str(keys.write_root(folder / "root.pem"))]},
            "limits": {"grace": 0.0, "backoff": 0.0},
            "worker": {"concurrency": 3, "poll": 0.2, "idle": 0.05, "stop_within": 20.0},
        }
        return Settings.of(usual | sections, folder=folder)

    return make


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run a desk in a thread; gives its address."""
    desk, ready = Desk(settings, port=0), threading.Event()
    thread = threading.Thread(target=desk.serve, args=(lambda _: ready.set(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield desk.url
    finally:
        desk.stop()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def run(settings: Callable[..., Settings]) -> Iterator[Callable[..., Running]]:
    """Runs the desk of an agency, with one person of each role."""
    with ExitStack() as stack:

        def start(agency: str = "H29.05", **sections: dict[str, Any]) -> Running:
            ours = settings(agency, **sections)
            connector = stack.enter_context(Connector(ours))
            for name, (full_name, role) in PEOPLE.items():
                add_person(connector.context.store, agency, name, full_name=full_name, role=role, password=PASSWORD)
            connector.sync_directory()
            return Running(stack.enter_context(serving(ours)), connector)

        yield start


@pytest.fixture(autouse=True)
def quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with argon2's least cost: its own is the library's affair."""
    from argon2 import PasswordHasher

    from edoc_connector.desk import people

    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(people, "load_hasher", lambda: quick)
    people._hash_of_nobody.cache_clear()
