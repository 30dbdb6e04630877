"""The national hub's interface over HTTP: its calls, whose table is `calls`."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from edoc_connector._core import create_private
from edoc_connector.mockhub.codes import ErrorCode, RefusedError
from edoc_connector.mockhub.dialects import wire
from edoc_connector.mockhub.dialects.calls import CALLS, Answer, Call, CallSpec, PacketAnswer, perform_call
from edoc_connector.mockhub.faults import CLOCK_EXTENSION, FAULT_EXTENSION, Fault

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub

_MAX_SMALL_BODY: Final = 1 << 20  # bytes of a body that is no packet
_USUAL_TOLERANCE: Final = timedelta(minutes=5)
_QUANTUM: Final = 3 * (1 << 16)

Endpoint = Callable[[Request], Awaitable[Response]]


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of the calls."""
    return [Route(f"/{name}", _build_endpoint(hub, name), methods=[row.method]) for name, row in CALLS.items()]


def find_call_path(path: str) -> str | None:
    """Find the path by which a fault names a call; None for a path that is none of these."""
    return path if path.removeprefix("/") in CALLS else None


def answer_failure(path: str) -> Response:
    """Answer a request at which the hub failed inside."""
    return _build_refusal(RefusedError(ErrorCode.SYSTEM, "system error"), CALLS.get(path.removeprefix("/")))


def _build_refusal(error: RefusedError, row: CallSpec | None) -> Response:
    refusal = {} if row is None else row.refusal
    content = {"status": "FAIL", "ErrorCode": error.code.value, "ErrorDesc": error.text, **refusal}
    return _build_json(content, escaped=row is not None and row.escaped)


def _build_json(content: Mapping[str, Any], *, escaped: bool) -> Response:
    text = json.dumps(content, ensure_ascii=escaped, separators=(",", ":"))
    return Response(text.encode(), media_type="application/json")


def _build_endpoint(hub: Hub, name: str) -> Endpoint:
    """Build the endpoint of one call, which reads the body whatever the answer: a client that sends sees none."""
    row = CALLS[name]

    async def endpoint(request: Request) -> Response:
        body = request.stream()
        try:
            signed = wire.verify_request(
                wire.Headers(request.headers.raw),
                secrets=hub.secrets,
                now=hub.now() + timedelta(seconds=request.scope.get(CLOCK_EXTENSION, 0.0)),
                tolerance=_choose_tolerance(hub, request),
            )
            call = Call(signed=signed, fault=_get_planned_fault(request))
            return await (
                _answer_upload(hub, name, call, body) if row.upload else _answer_small_body(hub, name, call, body)
            )
        except RefusedError as refused:
            async for _ in body:
                pass
            return _build_refusal(refused, row)
        except ClientDisconnect:
            return Response(status_code=400)  # for nobody: the client is gone, and nothing was kept

    return endpoint


def _choose_tolerance(hub: Hub, request: Request) -> timedelta | None:
    """Choose how far a time stamp may be off: a hub whose clock is off by a fault looks, whatever its settings."""
    if CLOCK_EXTENSION not in request.scope:
        return hub.clock_tolerance
    return hub.clock_tolerance or _USUAL_TOLERANCE


def _get_planned_fault(request: Request) -> Fault | None:
    fault = request.scope.get(FAULT_EXTENSION)
    return fault if isinstance(fault, Fault) else None


async def _answer_small_body(hub: Hub, name: str, call: Call, body: AsyncIterator[bytes]) -> Response:
    data = b""
    async for chunk in body:
        data += chunk
        if len(data) > _MAX_SMALL_BODY:
            raise RefusedError(ErrorCode.MALFORMED, "the body is too long")
    answer = await run_in_threadpool(perform_call, hub, name, replace(call, body=data))
    return _build_response(answer, CALLS[name])


async def _answer_upload(hub: Hub, name: str, call: Call, body: AsyncIterator[bytes]) -> Response:
    path = hub.new_incoming_path()
    try:
        packet = await _receive_packet(hub, path, call.get_parameter("hash-file"), body)
        given = replace(call, upload=packet)
        # a small one takes less time than handing it to a thread and back, while the loop waits anyway
        small = isinstance(packet, bytes)
        answer = perform_call(hub, name, given) if small else await run_in_threadpool(perform_call, hub, name, given)
    finally:
        path.unlink(missing_ok=True)
    return _build_response(answer, CALLS[name])


async def _receive_packet(hub: Hub, path: Path, expected_hash: str, body: AsyncIterator[bytes]) -> Path | bytes:
    """Receive the packet in a body without what follows it there; a large one goes to a file."""
    digest, content = wire.FileHash(), bytearray()
    with ExitStack() as files:
        file: IO[bytes] | None = None
        async for chunk in body:  # written in the event loop's thread: into the page cache, a chunk at a time
            digest.update(chunk)
            if digest.size > hub.config.max_packet:
                raise RefusedError(ErrorCode.PROCESSING, f"the packet is larger than {hub.config.max_packet} bytes")
            if file is None and digest.size > _MAX_SMALL_BODY:
                file = files.enter_context(create_private(path))
                file.write(content)
            if file is None:
                content += chunk
            else:
                file.write(chunk)
        tail = digest.find_tail_length(expected_hash, hub.config.hash)
        if expected_hash and tail is None:
            raise RefusedError(ErrorCode.HASH, "hash-file is not the hash of the file that came")
        size = digest.size - (tail or 0)
        if file is None:
            return bytes(content[:size])
        file.truncate(size)
    return path


def _build_response(answer: Answer, row: CallSpec) -> Response:
    if not isinstance(answer, PacketAnswer):
        content = {"status": "OK", "ErrorCode": ErrorCode.OK.value, "ErrorDesc": "", **answer}
        return _build_json(content, escaped=row.escaped)
    if answer.wrapped:
        length, pieces = _wrap_packet(answer.content)
        return StreamingResponse(pieces, media_type="application/json", headers={"content-length": str(length)})
    if isinstance(answer.content, bytes):
        return Response(answer.content, media_type="application/octet-stream")
    return FileResponse(answer.content, media_type="application/octet-stream")


def _wrap_packet(content: bytes | Path) -> tuple[int, Iterator[bytes]]:
    """Give length and pieces of the JSON answer of getEdoc; a large packet is never in memory whole."""
    head, foot = json.dumps(
        {"status": "OK", "ErrorCode": ErrorCode.OK.value, "ErrorDesc": "", "data": "|"}, separators=(",", ":")
    ).split("|")
    size = len(content) if isinstance(content, bytes) else content.stat().st_size

    def iterate_pieces() -> Iterator[bytes]:
        yield head.encode()
        if isinstance(content, bytes):
            yield base64.b64encode(content)
        else:
            with content.open("rb") as file:
                while piece := file.read(_QUANTUM):
                    yield base64.b64encode(piece)
        yield foot.encode()

    return len(head) + (size + 2) // 3 * 4 + len(foot), iterate_pieces()
