"""A hub of raw sockets with answers by script, and a way to call it with both clients."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.client import AsyncHubClient, ClientSettings, HubClient
from edoc_connector.hubs import Vxp

QUICK: dict[str, Any] = {"backoff": 0.0, "connect": 10.0, "read": 20.0, "write": 20.0, "total": 40.0, "attempts": 1}


@dataclass
class Seen:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[socket.socket, Seen], None]


def reply(body: bytes = b"", *, status: int = 200, length: int | None = None, headers: str = "") -> Answer:
    """Make a whole answer, with a Content-Length that may be wrong; the last one of its connection."""

    def answer(sock: socket.socket, _: Seen) -> None:
        size = len(body) if length is None else length
        head = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {size}\r\n{headers}\r\n"
        sock.sendall(head.encode() + body)

    return answer


@dataclass
class Hub:
    """A server of one answer per entry of `script`, each on its own connection; the last entry repeats."""

    listener: socket.socket
    tls: ssl.SSLContext | None = None
    script: list[Answer] = field(default_factory=lambda: [reply()])
    seen: list[Seen] = field(default_factory=list)
    stop_reading_after: int | None = None
    answers_at_once: bytes | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.listener.getsockname()[1]}/vxp"

    def serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with sock:
                try:
                    self._talk(sock)
                except OSError:
                    continue

    def _talk(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        if self.answers_at_once is not None:
            sock.recv(65536)
            sock.sendall(self.answers_at_once)
            return
        if self.tls is None:
            self._answer(sock)
            return
        with self.tls.wrap_socket(sock, server_side=True) as wrapped:
            self._answer(wrapped)

    def _answer(self, sock: socket.socket) -> None:
        request = self._read(sock)
        if request is None:
            return
        self.seen.append(request)
        self.script[min(len(self.seen), len(self.script)) - 1](sock, request)

    def _read(self, sock: socket.socket) -> Seen | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := sock.recv(65536)):
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        line, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (row.split(": ", 1) for row in rest)}
        wanted = int(headers.get("content-length", "0"))
        if self.stop_reading_after is not None:
            wanted = min(wanted, self.stop_reading_after)
        while len(body) < wanted and (chunk := sock.recv(65536)):
            body += chunk
        return Seen(line, headers, body)


@contextmanager
def _hub(tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hub = Hub(listener, tls)
        thread = threading.Thread(target=hub.serve, daemon=True)
        thread.start()
        yield hub
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(15)
        assert not thread.is_alive()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub on loopback."""
    with _hub() as running:
        yield running


@pytest.fixture
def hub_behind() -> Iterator[Callable[[ssl.SSLContext], Hub]]:
    """Start a hub behind TLS."""
    with ExitStack() as stack:
        yield lambda context: stack.enter_context(_hub(context))


@pytest.fixture(name="reply")
def reply_fixture() -> Callable[..., Answer]:
    """Make an answer."""
    return reply


@pytest.fixture(params=["blocking", "awaited"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Call a hub once, with either client: ``call(hub, "list_waiting", …, settings={…}, dialect={…})``."""

    def both(
        target: Hub | str, method: str, /, *args: Any, settings: Any = None, dialect: Any = None, **kw: Any
    ) -> Any:
        url = target if isinstance(target, str) else target.url
        vxp = Vxp(**{"endpoint": url, "system_id": "H29.TEST", "secret": "top-secret-value", **(dialect or {})})
        chosen = ClientSettings(**{**QUICK, **(settings or {})})
        if request.param == "awaited":
            return asyncio.run(awaited(vxp, chosen, method, args, kw))
        with HubClient(vxp, chosen) as client:
            return getattr(client, method)(*args, **kw)

    return both


async def awaited(vxp: Vxp, settings: ClientSettings, name: str, args: Any, kw: Any) -> Any:
    """Make one call of the asynchronous client."""
    async with AsyncHubClient(vxp, settings) as client:
        return await getattr(client, name)(*args, **kw)


@pytest.fixture
def packet(tmp_path: Path) -> Path:
    """A packet of some megabytes, more than fits into socket buffers."""
    path = tmp_path / "packet.edxml"
    path.write_bytes(b"<edXML>" + b"payload-content " * 500_000 + b"</edXML>")
    return path
