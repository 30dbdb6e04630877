"""Faults on demand, so that a client's answer to each can be tested."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONNECTION_EXTENSION: Final = (
    "edoc_connector.connection"  # extension of the ASGI scope: an object with close() and abort()
)
PROXY_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Proxy</h1><p>Please log in.</p></body></html>"

# Kind to whether the hub acts on the request before it fails; a fault may say otherwise.
ACTS_BY_KIND: Final[Mapping[str, bool]] = {
    "delay": True,
    "drop-before-accepting": False,
    "drop-after-accepting": True,
    "error": False,
    "html": False,
    "truncated": True,
    "empty": True,
    "answer": False,
    "half": True,
    "cut": True,
    "duplicate": True,
    "out-of-order": True,
    "garbage": True,
    "wrong-body": True,
}
# These are in what the hub says, not in how it comes over; the call itself makes them.
CONTENT_KINDS: Final = frozenset({"duplicate", "out-of-order", "garbage", "wrong-body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planned fault.

    Args:
        kind: ``delay`` (the answer is held back), ``drop-before-accepting`` and ``drop-after-accepting`` (the
            connection is closed without an answer), ``error`` (HTTP `status`), ``html`` (a proxy's page with status
            200), ``truncated`` (Content-Length is longer than the body), ``empty`` (status 200, no body),
            ``duplicate`` and ``out-of-order`` (in lists), ``garbage`` (a fetched packet's bytes are nonsense),
            ``wrong-body`` (another packet's bytes), ``answer`` (`status`, `media_type` and `body` instead of the hub's
            answer, as something in front of it gives, or a hub that is out of order), ``half`` (half of the answer, and
            a length that fits), ``cut`` (half of the answer, no length, then the connection is closed).
        path: call it happens to, e.g. ``/sendEdoc``; ``*`` any call.
        doc_id: only to calls about this docId; empty for all.
        count: how many times; None until removed.
        seconds: how long to wait first; with every kind.
        status: HTTP status of ``error``: 500, 503, 429…; of ``answer``: 200 to 599.
        media_type: Content-Type of ``answer``; empty for none.
        body: body of ``answer``; each character stands for one byte (ISO 8859-1).
        retry_after: value of a Retry-After header, in seconds or as an HTTP date.
        after_bytes: with ``drop-before-accepting``: close once so many bytes of the body came, not at its end.
        accepted: whether the hub acts on the request although it fails; by default as `ACTS_BY_KIND` says.
    """

    kind: str
    path: str = "*"
    doc_id: str = ""
    count: int | None = 1
    seconds: float = 0.0
    status: int = 500
    media_type: str = "text/html"
    body: str = ""
    retry_after: str | None = None
    after_bytes: int | None = None
    accepted: bool | None = None

    def __post_init__(self) -> None:
        """Refuse a plan that could not happen."""
        if self.kind not in ACTS_BY_KIND:
            raise ValueError(f"there is no fault {self.kind!r}; choose from {', '.join(ACTS_BY_KIND)}")
        if self.count is not None and self.count < 1:
            raise ValueError("count is 1 or more, or nothing for until removed")
        lowest_status = 200 if self.kind == "answer" else 400
        if self.seconds < 0 or not lowest_status <= self.status <= 599:
            raise ValueError(f"seconds is not negative, status is {lowest_status} to 599")
        if any(ord(character) > 255 for character in self.body):
            raise ValueError("each character of body is one byte")

    @property
    def acts(self) -> bool:
        """Whether the hub acts on the request."""
        return ACTS_BY_KIND[self.kind] if self.accepted is None else self.accepted


@dataclass(slots=True)
class _PlannedFault:
    fault: Fault
    left: int | None


@dataclass(slots=True)
class FaultPlan:
    """Faults waiting to happen, each request meeting the first that fits it. May be used from any thread."""

    _planned: dict[int, _PlannedFault] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> int:
        """Plan a fault after those already planned, and give its number."""
        with self._lock:
            number = next(self._numbers)
            self._planned[number] = _PlannedFault(fault, fault.count)
            return number

    def remove(self, number: int) -> bool:
        """Take a fault out of the plan; False if it is not there, for example because it is used up."""
        with self._lock:
            return self._planned.pop(number, None) is not None

    def clear(self) -> None:
        """Take every fault out of the plan."""
        with self._lock:
            self._planned.clear()

    def list_pending(self) -> list[tuple[int, Fault, int | None]]:
        """List number, fault and how many times it is still to happen (None: until removed)."""
        with self._lock:
            return [(number, planned.fault, planned.left) for number, planned in self._planned.items()]

    def take(self, path: str, doc_id: str = "") -> Fault | None:
        """Take the fault that a request to this path, about this docId, meets; counts as one time."""
        with self._lock:
            for number, planned in self._planned.items():
                if planned.fault.path in ("*", path) and planned.fault.doc_id in ("", doc_id):
                    if planned.left is not None:
                        planned.left -= 1
                        if planned.left == 0:
                            del self._planned[number]
                    return planned.fault
            return None


class FaultGate:
    """ASGI middleware that makes planned faults happen to the hub's calls.

    Args:
        app: the hub.
        plan: what is to happen.
        find_call: finds the path by which faults name the call of a request's path; None for one that passes
            untouched.
    """

    def __init__(self, app: App, *, plan: FaultPlan, find_call: Callable[[str], str | None]) -> None:
        self._app = app
        self._plan = plan
        self._find_call = find_call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or fail it as planned."""
        path = self._find_call(scope["path"]) if scope["type"] == "http" else None
        fault = self._plan.take(path, _read_doc_id(scope)) if path is not None else None
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind in CONTENT_KINDS:
            await asyncio.sleep(fault.seconds)
            await self._app({**scope, "edoc_fault": fault}, receive, send)
        else:
            await self._fail_request(fault, scope, receive, send)

    async def _fail_request(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind == "delay" and not fault.acts:
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
            return
        answer: list[Message] = []
        if fault.acts:
            answer = await self._perform(scope, receive)
        else:
            await _drain_body(receive, fault.after_bytes)
        await asyncio.sleep(fault.seconds)
        await _ENDING_BY_KIND[fault.kind](_FailingExchange(fault, answer, scope, receive, send))

    async def _perform(self, scope: Scope, receive: Receive) -> list[Message]:
        answer: list[Message] = []

        async def collect(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, collect)
        return answer


@dataclass(frozen=True, slots=True)
class _FailingExchange:
    """The request that fails, the answer that the client will not get as it is, and the way to the client."""

    fault: Fault
    answer: list[Message]
    scope: Scope
    receive: Receive
    send: Send

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.answer)

    async def hang_up(self, method: str) -> None:
        """Close the connection and wait until it is: a server that sees no answer before that would make one up."""
        getattr(self.scope["extensions"][CONNECTION_EXTENSION], method)()
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def send_answer(
        self, status: int, body: bytes, *headers: tuple[bytes, bytes], announce: int | None = None
    ) -> None:
        length = len(body) if announce is None else announce
        headers = (*headers, (b"content-length", str(length).encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": list(headers)})
        await self.send({"type": "http.response.body", "body": body, "more_body": length > len(body)})


async def _send_late(line: _FailingExchange) -> None:
    for message in line.answer:
        await line.send(message)


async def _drop_connection(line: _FailingExchange) -> None:
    await line.hang_up("abort")


async def _send_error(line: _FailingExchange) -> None:
    after = line.fault.retry_after
    headers = [] if after is None else [(b"retry-after", after.encode("latin-1"))]
    await line.send_answer(line.fault.status, b"busy", (b"content-type", b"text/plain"), *headers)


async def _send_html(line: _FailingExchange) -> None:
    await line.send_answer(200, PROXY_PAGE, (b"content-type", b"text/html; charset=utf-8"))


async def _send_truncated(line: _FailingExchange) -> None:
    body = line.body
    await line.send_answer(
        200, body[: len(body) // 2], (b"content-type", b"application/json"), announce=max(len(body), 1)
    )
    await line.hang_up("close")


async def _send_other_answer(line: _FailingExchange) -> None:
    fault = line.fault
    headers = [(b"content-type", fault.media_type.encode("latin-1"))] if fault.media_type else []
    headers += [] if fault.retry_after is None else [(b"retry-after", fault.retry_after.encode("latin-1"))]
    await line.send_answer(fault.status, fault.body.encode("latin-1"), *headers)


async def _send_half(line: _FailingExchange) -> None:
    await line.send_answer(200, line.body[: len(line.body) // 2], (b"content-type", b"application/octet-stream"))


async def _send_cut(line: _FailingExchange) -> None:
    """Write the answer past the server, which would give it a length or chunks."""
    connection = line.scope["extensions"][CONNECTION_EXTENSION]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n"
    connection.write(head + line.body[: len(line.body) // 2])
    await line.hang_up("close")


async def _send_empty(line: _FailingExchange) -> None:
    await line.send_answer(200, b"", (b"content-type", b"application/json"))


_ENDING_BY_KIND: Final[Mapping[str, Callable[[_FailingExchange], Awaitable[None]]]] = {
    "delay": _send_late,
    "drop-before-accepting": _drop_connection,
    "drop-after-accepting": _drop_connection,
    "error": _send_error,
    "html": _send_html,
    "truncated": _send_truncated,
    "empty": _send_empty,
    "answer": _send_other_answer,
    "half": _send_half,
    "cut": _send_cut,
}


def _read_doc_id(scope: Scope) -> str:
    """Read the docId of a request; empty where it is about none."""
    names = (b"xroadvnpt-docid", b"docid")
    found = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() in names), "")
    return found or dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("docId", "")


async def _drain_body(receive: Receive, limit: int | None) -> None:
    """Read the body to its end, or as far as a limit, so that the client's view of what was sent is a sure one."""
    size = 0
    while limit is None or size < limit:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
