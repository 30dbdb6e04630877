"""Transports that clients of one process share: one pool of connections for each hub, and each way to it.

A worker for hundreds of agencies keeps as few idle connections to their hub as one agency would. Nothing else is
shared: each request carries its own agency's headers and signature, cookies are kept by nobody, and clients with other
certificates, authorities or proxies have other connections. How many exchanges a client may have at a time stays its
own, so that one whose exchanges hang takes no other's place.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx

from .._core import ForkAware, make_lock, watch_forks
from .pool import BlockingTransport
from .transport import ClientSettings, build_blocking_transport

_ANY_NUMBER = 1 << 16
_SHAPING = ("tls", "ca_bundle", "client_certificate", "client_key", "client_key_password", "proxy", "keep_alive")
"""Settings in which connections differ."""
_FILES = ("ca_bundle", "client_certificate", "client_key")
"""Settings whose files are read when the transport is built: a file that was renewed makes another one."""


@dataclass(slots=True)
class _Shared:
    transport: BlockingTransport
    users: int = 0


class SharedTransports:
    """Blocking transports by hub and by the settings of their connections, each open as long as a client uses it.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = make_lock()
        self._open: dict[tuple[object, ...], _Shared] = {}

    def lend(self, endpoint: str, settings: ClientSettings) -> LentTransport:
        """Lend the transport to a hub; it is built for the first client.

        Args:
            endpoint: the hub's URL.
            settings: the client's; of clients that differ in nothing else, those of the first say how many
                connections are kept.

        Raises:
            ConfigError: a certificate, key or proxy in the settings cannot be used.
        """
        parts = urlsplit(endpoint)
        files = tuple(_identify_content(getattr(settings, name)) for name in _FILES)
        key = (parts.scheme.lower(), parts.netloc.lower(), *(getattr(settings, name) for name in _SHAPING), files)
        with self._lock:
            shared = self._open.get(key)
            if shared is None:
                shared = self._open[key] = _Shared(build_blocking_transport(settings, max_connections=_ANY_NUMBER))
            shared.users += 1
        return LentTransport(shared.transport, settings, give_back=lambda: self._give_back(key))

    def _give_back(self, key: tuple[object, ...]) -> None:
        with self._lock:
            shared = self._open[key]
            shared.users -= 1
            if shared.users:
                return
            del self._open[key]
        shared.transport.close()


def _identify_content(path: Path | None) -> bytes | None:
    """Identify what a file holds now; None where it cannot be read, which whoever builds the transport tells."""
    try:
        return None if path is None else hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return None


class LentTransport(httpx.BaseTransport, ForkAware):
    """A client's way over connections that others use too.

    Args:
        transport: theirs.
        settings: the client's: ``connections`` bounds its exchanges, ``pool`` the wait for one of them to end.
        give_back: called once, when it is closed.
    """

    def __init__(
        self, transport: BlockingTransport, settings: ClientSettings, *, give_back: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._settings = settings
        self._give_back = give_back
        self._is_closed = False
        self._places = threading.Semaphore(settings.connections)
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin with every place free: the exchanges are the parent's."""
        self._places = threading.Semaphore(self._settings.connections)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its answer, as `BlockingTransport.handle_request` does.

        Raises:
            httpx.TransportError: no answer came, or the client has as many exchanges under way as it may.
        """
        places = self._places
        if not places.acquire(timeout=self._settings.pool):
            raise httpx.PoolTimeout("no connection became free")
        try:
            answer = self._transport.handle_request(request)
        except BaseException:
            places.release()
            raise
        body = _LentBody(cast(httpx.SyncByteStream, answer.stream), places.release)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=body, extensions=answer.extensions)

    def close(self) -> None:
        """Give the connections back; they are closed with the last client."""
        if not self._is_closed:
            self._is_closed = True
            self._give_back()


class _LentBody(httpx.SyncByteStream):
    """The body of an answer, whose end frees a place for the client's next exchange."""

    def __init__(self, body: httpx.SyncByteStream, release: Callable[[], None]) -> None:
        self._body = body
        self._release: Callable[[], None] | None = release

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)

    def close(self) -> None:
        release, self._release = self._release, None
        try:
            self._body.close()
        finally:
            if release is not None:
                release()
