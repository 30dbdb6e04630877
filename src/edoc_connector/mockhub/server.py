"""The hub over HTTP: Starlette routes, and uvicorn to serve them."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from edoc_connector._core import Text, format_url, get_logger, make_private_folder, protect_database
from edoc_connector._core import open_listener as open_listener_of
from edoc_connector._serving import HttpServer
from edoc_connector.errors import ConfigError
from edoc_connector.mockhub import admin, dialects, page
from edoc_connector.mockhub.config import LOOPBACK_NAMES, MockHubConfig, is_loopback
from edoc_connector.mockhub.faults import (
    CLOCK_EXTENSION,
    CONNECTION_EXTENSION,
    App,
    FaultGate,
    Message,
    Receive,
    Scope,
    Send,
)
from edoc_connector.mockhub.hub import Hub
from edoc_connector.mockhub.tls import TlsFiles, make_tls_files

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
    tls: bool = False,
) -> None:
    """Run a hub until SIGINT or SIGTERM.

    Args:
        config: how the hub behaves.
        host: address to bind; anything but loopback lets others on the network in, without TLS: `config.password` must
            be set, and `config.hosts` does not count then.
        port: TCP port; 0 takes a free one.
        on_ready: called with the hub's URL once it answers.
        tls: whether it speaks HTTPS, with a certificate of a throwaway authority: ``tls/ca.pem`` in its folder.

    Raises:
        ConfigError: the address cannot be bound, others could reach it and there is no password, or another hub keeps
            its data in that folder.
    """
    is_local = _is_local(host)
    if not is_local and not config.password:
        raise _build_password_error(host)
    with open_listener(host, port) as listener, _lock_folder(config.data):
        if not is_local:
            log.warning(
                "the mock hub can be reached from other machines, %s TLS, at %s",
                "with" if tls else "without",
                format_url(listener, tls=tls),
            )
            config = replace(config, hosts=frozenset())  # under which names, nobody can know here
        files = make_tls_files(config.data / "tls", host) if tls else None
        build_server(config, listener, on_ready=on_ready, tls=files).run(sockets=[listener])


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
    """Open a listening socket for a hub.

    Raises:
        ConfigError: the address cannot be bound.
    """
    return open_listener_of(host, port, program=Text("The mock hub", "Trục giả lập"))


def build_server(
    hub: Hub | MockHubConfig,
    listener: socket.socket,
    *,
    on_ready: Callable[[str], None] | None = None,
    tls: TlsFiles | None = None,
) -> HttpServer:
    """Build a server for a hub on a socket; `HttpServer.run` with ``sockets=[listener]`` runs it.

    Args:
        hub: the hub, or the settings for one; closed when the server stops.
        listener: see `open_listener`.
        on_ready: called with the hub's URL once it answers.
        tls: key and certificate; None serves plain HTTP.
    """
    url = format_url(listener, tls=tls is not None)

    def announce_ready() -> None:
        log.info("mock hub ready at %s", url)
        if on_ready is not None:
            on_ready(url)

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
        ssl_certfile=None if tls is None else tls.chain,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
    )
    return HttpServer(config, announce_ready)


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
                ahead = timedelta(seconds=scope.get(CLOCK_EXTENSION, 0.0))
                date = format_datetime(self._hub.now() + ahead, usegmt=True)
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
            *dialects.build_routes(hub),
            *admin.build_routes(hub),
            *page.build_routes(hub),
        ],
        middleware=[
            Middleware(_DateMiddleware, hub=hub),
            Middleware(FaultGate, plan=hub.faults, log=hub.requests, find_call=dialects.find_call_path),
        ],
        exception_handlers={OSError: _answer_failure, sqlite3.Error: _answer_failure},
        lifespan=lifespan,
    )
    app.state.hub = hub
    return app


async def _answer_failure(request: Request, error: Exception) -> Response:
    log.error("the hub failed inside", exc_info=error)
    return dialects.answer_failure(request.url.path)
