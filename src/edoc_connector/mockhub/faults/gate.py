"""ASGI middleware that records the hub's calls, and makes planned faults happen to them."""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from edoc_connector.mockhub.faults.asgi import (
    CLOCK_EXTENSION,
    CONNECTION_EXTENSION,
    FAULT_EXTENSION,
    App,
    Message,
    Receive,
    Scope,
    Send,
)
from edoc_connector.mockhub.faults.plan import CONTENT_KINDS, Fault, FaultPlan
from edoc_connector.mockhub.faults.requests import RequestLog, SeenRequest

_LIST_KINDS: Final = frozenset({"duplicate", "out-of-order"})
_DROPS: Final = 20  # pieces of an answer that drips
PROXY_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Proxy</h1><p>Please log in.</p></body></html>"


class FaultGate:
    """ASGI middleware that makes planned faults happen to the hub's calls.

    Args:
        app: the hub.
        plan: what is to happen.
        log: keeps a record of every call.
        find_call: finds the path by which faults name the call of a request's path; None for one that passes
            untouched.
    """

    def __init__(self, app: App, *, plan: FaultPlan, log: RequestLog, find_call: Callable[[str], str | None]) -> None:
        self._app = app
        self._plan = plan
        self._log = log
        self._find_call = find_call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or fail it as planned."""
        path = self._find_call(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await self._app(scope, receive, send)
            return
        doc_id, callers = _read_doc_id(scope), _read_callers(scope)
        fault = self._plan.take(path, doc_id, callers)
        seen = SeenRequest(
            method=scope["method"], path=path, callers=callers, doc_id=doc_id, kind=_read_kind(scope),
            fault="" if fault is None else fault.kind,
        )  # fmt: skip
        recorded = self._log.record(seen, receive, send)
        await self._answer(fault, scope, recorded.receive, recorded.send)

    async def _answer(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind in CONTENT_KINDS and not (fault.kind in _LIST_KINDS and _is_other_dialect(scope)):
            await asyncio.sleep(fault.seconds)
            if fault.kind == "clock-skew":
                scope[CLOCK_EXTENSION] = fault.offset
            await self._app({**scope, FAULT_EXTENSION: fault}, receive, send)
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
        if fault.kind != "drip":
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


async def _send_dripping(line: _FailingExchange) -> None:
    body = line.body
    await line.send(line.answer[0])
    size = max(1, -(-len(body) // _DROPS))
    for start in range(0, len(body), size):
        await asyncio.sleep(line.fault.seconds / _DROPS)
        await line.send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
    await line.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_wrong_doc_id(line: _FailingExchange) -> None:
    start = line.answer[0]
    try:
        body = json.dumps(_replace_doc_ids(json.loads(line.body)), ensure_ascii=False).encode()
    except ValueError:
        body = line.body  # a packet, which names no docId
    await line.send_answer(start["status"], body, (b"content-type", b"application/json"))


def _replace_doc_ids(value: Any) -> Any:
    """Replace every docId by one that the hub never gave: a number by another, a text by another."""
    if isinstance(value, list):
        return [_replace_doc_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    replaced = {name: _replace_doc_ids(one) for name, one in value.items()}
    return replaced | {name: _replace_doc_id(one) for name, one in value.items() if name.lower() == "docid"}


def _replace_doc_id(value: Any) -> Any:
    return value + 900_000 if isinstance(value, int) else str(uuid.uuid5(uuid.NAMESPACE_OID, str(value)))


async def _send_other_list(line: _FailingExchange) -> None:
    """Send a list with each row twice, or backwards."""

    def change(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return value[::-1] if line.fault.kind == "out-of-order" else [row for row in value for _ in range(2)]

    content = json.loads(line.body)
    await _send_json(line, line.answer[0]["status"], {name: change(value) for name, value in content.items()})


def _is_other_dialect(scope: Scope) -> bool:
    """Tell whether a call is of a dialect that does not make lists wrong by itself."""
    return "/v1/" in scope["path"] or "/EdocService/" in scope["path"]


async def _send_expired(line: _FailingExchange) -> None:
    """Say that the credentials are good no more, as the dialect of the path says it."""
    path = line.scope["path"]
    if "/v1/" in path:
        await line.send_answer(401, b"licenseInfo:invalid", (b"content-type", b"text/plain"))
    elif "/EdocService/" in path:
        denied = {"code": "Invalid Credentials", "description": "the token is not this organisation's"}
        await _send_json(line, 401, {"docId": 0, "status": "False", "code": "9999", "errors": [denied]})
    else:
        await _send_json(line, 200, {"status": "FAIL", "ErrorCode": "15", "ErrorDesc": "secret expired", "DocId": ""})


async def _send_json(line: _FailingExchange, status: int, content: Mapping[str, Any]) -> None:
    await line.send_answer(status, json.dumps(content).encode(), (b"content-type", b"application/json"))


async def _send_proxy_demand(line: _FailingExchange) -> None:
    demand = (b"proxy-authenticate", b'Basic realm="proxy"')
    await line.send_answer(407, PROXY_PAGE, (b"content-type", b"text/html; charset=utf-8"), demand)


async def _break_protocol(line: _FailingExchange) -> None:
    """Write bytes past the server and past TLS, which the client can take for nothing."""
    connection = line.scope["extensions"][CONNECTION_EXTENSION]
    os.write(connection.get_extra_info("socket").fileno(), b"\0" * 64)
    await asyncio.sleep(0.05)  # abort throws away what was not sent
    await line.hang_up("abort")


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
    "drip": _send_dripping,
    "duplicate": _send_other_list,
    "out-of-order": _send_other_list,
    "wrong-doc-id": _send_wrong_doc_id,
    "expired-token": _send_expired,
    "proxy-407": _send_proxy_demand,
    "tls-failure": _break_protocol,
}


def _read_doc_id(scope: Scope) -> str:
    """Read the docId of a request; empty where it is about none."""
    names = (b"xroadvnpt-docid", b"docid")
    found = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() in names), "")
    return found or dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("docId", "")


def _read_callers(scope: Scope) -> frozenset[str]:
    """Read who asks: agency and system, as the headers of each dialect name them."""
    names = (b"xroadvnpt-from", b"xroadvnpt-systemid", b"x-systemid", b"organid")
    return frozenset(value.decode("latin-1") for name, value in scope["headers"] if name.lower() in names)


def _read_kind(scope: Scope) -> str:
    """Read whether a request is about documents or statuses: ``edoc``, ``status``, or nothing."""
    names = (b"xroadvnpt-messagetype", b"type")
    found = next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() in names), "")
    return (found or dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("messageType", "")).lower()


async def _drain_body(receive: Receive, limit: int | None) -> None:
    """Read the body to its end, or as far as a limit, so that the client's view of what was sent is a sure one."""
    size = 0
    while limit is None or size < limit:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
