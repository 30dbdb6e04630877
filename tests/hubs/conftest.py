"""A dialect with a clock that stands still, and captured requests of the vendor's client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.client.bodies import AnswerSink
from edoc_connector.hubs import Vxp, WireRequest
from edoc_connector.hubs.wire import FinishedFlow, Flow, advance_flow

NOW = datetime(2026, 11, 22, 3, 53, 14, 706000, tzinfo=UTC)


@dataclass(frozen=True)
class Capture:
    """One request as the vendor's client sent it: names as on the wire."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def signed(self) -> dict[str, str]:
        """Select the headers of the dialect."""
        return {name: value for name, value in self.headers.items() if name.startswith("XroadVnpt-")}

    def parameter(self, name: str) -> str:
        """Read one signed parameter."""
        return self.headers[f"XroadVnpt-{name}"]


@pytest.fixture(scope="session")
def capture(collection: Path) -> Callable[[str], Capture]:
    """Read a capture by its file name."""

    def read(name: str) -> Capture:
        head, _, body = (collection / "captures" / "vxp" / name).read_bytes().partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8").split("\r\n")
        method, path, _ = first.split(" ")
        return Capture(method, path, dict(line.split(": ", 1) for line in lines), body)

    return read


@pytest.fixture
def vxp() -> Vxp:
    """A dialect whose clock stands still."""
    return Vxp(endpoint="http://hub.test/vxp/", system_id="H29.TEST", secret="c2VjcmV0", now=lambda: NOW)


@pytest.fixture
def packet(tmp_path: Path) -> Path:
    """A file to send."""
    path = tmp_path / "packet.edxml"
    path.write_bytes(b"<edXML/>")
    return path


@pytest.fixture
def ask() -> Callable[[Flow[Any]], WireRequest]:
    """Take the first request of a flow."""

    def first(flow: Flow[Any]) -> WireRequest:
        step = advance_flow(flow)
        assert isinstance(step, WireRequest)
        return step

    return first


@pytest.fixture
def answered() -> Callable[..., Any]:
    """Answer a flow of one request by hand, and return its result; a body to save is written as by a client."""

    def drive(flow: Flow[Any], body: Any = b"", *, status: int = 200, headers: dict[str, str] | None = None) -> Any:
        request = advance_flow(flow)
        assert isinstance(request, WireRequest)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with AnswerSink(request, status, headers or {}) as sink:
            sink.write(data)
            answer = sink.finish()
        step = advance_flow(flow, answer)
        assert isinstance(step, FinishedFlow)
        return step.result

    return drive
