"""A program over HTTP: it listens when it is made, serves, and stops when it is told to."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import uvicorn

from .._core import StopFlag, Text, format_url, open_listener


class HttpServer(uvicorn.Server):
    """uvicorn, telling when it answers.

    Args:
        config: uvicorn's settings.
        on_started: called in the event loop's thread.
    """

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        self._on_started()


class _StoppedServer(HttpServer):
    """A server that is stopped by its program, and leaves signals to it.

    uvicorn's own way is to raise a signal once more when it has ended, which ends the process there and then.
    """

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # uvicorn's is a generator's
        """Capture none."""
        return nullcontext()


class HttpProgram:
    """A program that listens on a socket, and serves an application there until it is told to stop.

    Args:
        host: address to listen on.
        port: TCP port, 0 for a free one.
        name: what it is, for errors.
        certificate: PEM file of the server's TLS certificate; None serves plain HTTP.
        key: PEM file of its key.
        grace: seconds for calls that run when it is told to stop.

    Raises:
        ConfigError: the address cannot be bound.
    """

    def __init__(
        self, host: str, port: int, *, name: Text, certificate: Path | None, key: Path | None, grace: int
    ) -> None:
        self._certificate, self._key, self._grace = certificate, key, grace
        self._listener = open_listener(host, port, program=name)
        self._stopped = StopFlag()
        self._server: _StoppedServer | None = None

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return format_url(self._listener, tls=self._certificate is not None)

    def stop(self) -> None:
        """End `serve`; may be called from any thread, or a signal handler."""
        self._stopped.set()
        if self._server is not None:
            self._server.should_exit = True

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """Take SIGTERM and Ctrl-C as `stop`, in the block that opens what is served and closes it.

        In another thread than the main one signals are somebody else's.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, lambda *_: self.stop()) for number in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _run(self, app: Any, on_ready: Callable[[str], object]) -> None:
        """Serve an application until `stop`.

        Args:
            app: the ASGI application.
            on_ready: told the address when requests are answered.
        """
        self._server = _StoppedServer(self._build_config(app), lambda: on_ready(self.url))
        if not self._stopped.is_set():
            self._server.run(sockets=[self._listener])

    def _build_config(self, app: Any) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=self._grace,
            ssl_certfile=self._certificate,
            ssl_keyfile=self._key,
        )
