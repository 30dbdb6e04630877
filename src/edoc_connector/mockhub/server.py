"""The hub over HTTP: Starlette routes, and uvicorn to serve them."""

from __future__ import annotations

import base64
import json
import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import IO, Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from edoc_connector._core import create_private, get_logger, make_private_folder, protect_database
from edoc_connector.errors import ConfigError, describe_system_error_vi
from edoc_connector.mockhub import admin, edocservice, lgsp, wire
from edoc_connector.mockhub.calls import CALLS, Answer, Call, CallSpec, PacketAnswer, perform_call
from edoc_connector.mockhub.codes import ErrorCode, RefusedError
from edoc_connector.mockhub.config import LOOPBACK_NAMES, MockHubConfig, is_loopback
from edoc_connector.mockhub.faults import CONNECTION_EXTENSION, App, Fault, FaultGate, Message, Receive, Scope, Send
from edoc_connector.mockhub.hub import Hub

log = get_logger("edoc_connector.mockhub")

_MAX_SMALL_BODY = 1 << 20  # bytes of a body that is no packet
_MAX_HEADER_BYTES = 1 << 18  # bytes of all headers: a packet to every agency of a province lists them in two headers
_QUANTUM = 3 * (1 << 16)

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(config: MockHubConfig) -> Starlette:
    """Create a hub as an ASGI application; its `Hub` is ``app.state.hub``.

    The data directory is opened at once and closed when the application's lifespan ends. Faults that close connections
    need the server that `serve` starts.

    Args:
        config: how the hub behaves.
    """
    return _build_application(Hub(config))


def serve(
    config: MockHubConfig,
    *,
    host: str = "127.0.0.1",
    port: int = 8480,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Run a hub until SIGINT or SIGTERM.

    Args:
        config: how the hub behaves.
        host: address to bind; anything but loopback lets others on the network in, without TLS: `config.password` must
            be set, and `config.hosts` does not count then.
        port: TCP port; 0 takes a free one.
        on_ready: called with the hub's URL once it answers.

    Raises:
        ConfigError: the address cannot be bound, others could reach it and there is no password, or another hub keeps
            its data in that folder.
    """
    is_local = _is_local(host)
    if not is_local and not config.password:
        raise _build_password_error(host)
    with open_listener(host, port) as listener, _lock_folder(config.data):
        if not is_local:
            log.warning("the mock hub can be reached from other machines, without TLS, at %s", format_url(listener))
            config = replace(config, hosts=frozenset())  # under which names, nobody can know here
        build_server(config, listener, on_ready=on_ready).run(sockets=[listener])


def _is_local(host: str) -> bool:
    """Tell whether only this machine reaches what listens on a host, which may be a name of several addresses."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return host in LOOPBACK_NAMES  # it cannot be bound either, which says more
    return bool(host) and all(is_loopback(str(address[0])) for *_, address in found)


def _build_password_error(host: str) -> ConfigError:
    return ConfigError(
        f"The mock hub does not listen on {host or 'every address'} without a password: whoever reaches it could play "
        "every agency. Give one with --password env:NAME or file:PATH, or leave --host out.",
        vi=f"Trục giả lập không mở trên {host or 'mọi địa chỉ'} khi chưa có mật khẩu: ai truy cập được cũng có thể "
        "đóng vai mọi đơn vị. Hãy đặt --password env:TÊN hoặc file:ĐƯỜNG_DẪN, hoặc bỏ --host.",
    )


@contextmanager
def _lock_folder(data: Path) -> Iterator[None]:
    """Keep a second hub out of a folder: the two would take each other's packets for their own."""
    make_private_folder(data)
    protect_database(data / "in-use")
    # A lock of SQLite ends with the process, on every system.
    with closing(sqlite3.connect(data / "in-use", timeout=0, isolation_level=None)) as guard:
        try:
            guard.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"Another mock hub keeps its data in {data}: stop it, or give this one its own folder with --data.",
                vi=f"Trục giả lập khác đang dùng thư mục {data}: hãy dừng trục đó hoặc chọn thư mục khác bằng --data.",
            ) from error
        yield


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Raises:
        ConfigError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"The mock hub cannot listen on {host}, port {port}: {error.strerror}. "
            "Choose another port, or 0 for a free one.",
            vi=f"Trục giả lập không mở được cổng {port} trên {host}: {describe_system_error_vi(error)}. "
            "Hãy chọn cổng khác, hoặc 0 để lấy một cổng trống.",
        ) from error
    # asyncio leaves connections of such a listener to Nagle's algorithm: an answer of two writes would wait 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def format_url(listener: socket.socket) -> str:
    """Format the URL of a hub that serves this socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, telling when it answers.

    Args:
        config: uvicorn's settings.
        on_started: called in the event loop's thread.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        self._on_started()


def build_server(
    hub: Hub | MockHubConfig, listener: socket.socket, *, on_ready: Callable[[str], None] | None = None
) -> Server:
    """Build a server for a hub on a socket; `Server.run` with ``sockets=[listener]`` runs it.

    Args:
        hub: the hub, or the settings for one; closed when the server stops.
        listener: see `open_listener`.
        on_ready: called with the hub's URL once it answers.
    """

    def announce_ready() -> None:
        log.info("mock hub ready at %s", format_url(listener))
        if on_ready is not None:
            on_ready(format_url(listener))

    config = uvicorn.Config(
        _build_application(hub if isinstance(hub, Hub) else Hub(hub)),
        loop="asyncio",
        http=_ConnectionProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the hub's clock may be told to be off: see _DateMiddleware
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )
    return Server(config, announce_ready)


class _ConnectionProtocol(H11Protocol):
    """Lets the application close the connection: ASGI has no way to give no answer at all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner: Any = self.app

        async def app_with_connection(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope.setdefault("extensions", {})[CONNECTION_EXTENSION] = self.transport
            await inner(scope, receive, send)

        self.app = app_with_connection


class _DateMiddleware:
    """ASGI middleware that dates answers by the hub's clock, so that a client can learn how far off it is."""

    def __init__(self, app: App, *, hub: Hub) -> None:
        self._app = app
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_date(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(self._hub.now(), usegmt=True)
                message["headers"] = [*message.get("headers", []), (b"date", date.encode())]
            await send(message)

        await self._app(scope, receive, send_with_date)


def _build_application(hub: Hub) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        hub.close()

    app = Starlette(
        routes=[
            *(Route(f"/{name}", _build_endpoint(hub, name), methods=[row.method]) for name, row in CALLS.items()),
            *lgsp.build_routes(hub),
            *edocservice.build_routes(hub),
            *admin.build_routes(hub),
        ],
        middleware=[
            Middleware(_DateMiddleware, hub=hub),
            Middleware(FaultGate, plan=hub.faults, find_call=_find_call_path),
        ],
        exception_handlers={OSError: _answer_failure, sqlite3.Error: _answer_failure},
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app


def _find_call_path(path: str) -> str | None:
    """Find the path by which a fault names a call; None for a path that is no call's."""
    return path if path.removeprefix("/") in CALLS else edocservice.find_call_path(path) or lgsp.find_call_path(path)


async def _answer_failure(request: Request, error: Exception) -> Response:
    log.error("the hub failed inside", exc_info=error)
    row = CALLS.get(request.url.path.removeprefix("/"))
    return _build_refusal(RefusedError(ErrorCode.SYSTEM, "system error"), row)


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
                now=hub.now(),
                tolerance=hub.clock_tolerance,
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


def _get_planned_fault(request: Request) -> Fault | None:
    fault = request.scope.get("edoc_fault")
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
