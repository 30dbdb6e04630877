"""A record of the hub's calls, for assertions: who asked what, and how it was answered.

No header and no body is kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from edoc_connector.mockhub.faults.asgi import Message, Receive, Send

MOST_REQUESTS: Final = 2000
"""Requests that are kept; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """A call as it came, and its end.

    Args:
        method: HTTP method.
        path: by which faults name the call, e.g. ``/sendEdoc`` or ``/v1/getEdoc``.
        callers: the agency and the system that ask, as far as the request names them.
        doc_id: docId that it is about; empty for none.
        kind: ``edoc``, ``status`` or nothing.
        size: bytes of its body that were read.
        sha256: of these, in hex.
        status: HTTP status of the answer; 0 where there was none.
        fault: kind of the fault that it met; empty for none.
    """

    method: str
    path: str
    callers: frozenset[str]
    doc_id: str
    kind: str
    size: int = 0
    sha256: str = ""
    status: int = 0
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as values of JSON."""
        return asdict(self) | {"callers": sorted(self.callers)}


@dataclass(slots=True)
class RequestLog:
    """The calls that came last. May be used from any thread."""

    _numbers: deque[int] = field(default_factory=lambda: deque(maxlen=MOST_REQUESTS))
    _seen: dict[int, SeenRequest] = field(default_factory=dict)
    _next: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def list_seen(self, path: str = "*", agency: str = "") -> list[SeenRequest]:
        """List the calls in the order they came: all, or those of one path, or one agency or system."""
        with self._lock:
            seen = [self._seen[number] for number in self._numbers]
        return [one for one in seen if path in ("*", one.path) and (not agency or agency in one.callers)]

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._numbers.clear()
            self._seen.clear()

    def record(self, seen: SeenRequest, receive: Receive, send: Send) -> RecordedExchange:
        """Record a call; gives what it is to be received and answered through."""
        with self._lock:
            if len(self._numbers) == MOST_REQUESTS:
                del self._seen[self._numbers[0]]
            number = self._next
            self._next += 1
            self._numbers.append(number)
            self._seen[number] = seen
        return RecordedExchange(self, number, receive, send)

    def update(self, number: int, **changes: Any) -> None:
        """Note more of a call, unless it is forgotten."""
        with self._lock:
            if number in self._seen:
                self._seen[number] = replace(self._seen[number], **changes)


class RecordedExchange:
    """A request and its answer, noted as they pass.

    Args:
        log: where they are noted.
        number: of the request there.
        receive: brings the request.
        send: takes the answer.
    """

    def __init__(self, log: RequestLog, number: int, receive: Receive, send: Send) -> None:
        self._log, self._number = log, number
        self._receive, self._send = receive, send
        self._digest, self._size = hashlib.sha256(), 0

    async def receive(self) -> Message:
        """Receive a piece of the request."""
        message = await self._receive()
        body = message.get("body", b"")
        self._digest.update(body)
        self._size += len(body)
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._log.update(self._number, size=self._size, sha256=self._digest.hexdigest())
        return message

    async def send(self, message: Message) -> None:
        """Send a piece of the answer."""
        if message["type"] == "http.response.start":
            self._log.update(self._number, status=message["status"])
        await self._send(message)
