"""Settings, TLS and time limits of the exchanges between the clients and httpx.

The clients use transports of httpx's kind (`client.pool`). The additions of httpx's own clients (cookies, redirects,
settings from the environment, headers merged and normalised) are not wanted here, and cost half as much again as the
exchange itself.

The meaning of a failed exchange:

- A failure before the connection stood, or while a packet's own bytes were not all handed to the transport, is NotSent:
  the hub cannot have the whole packet.
- A failure of a sending request after that is OutcomeUnknown, whatever the phase: bytes handed to the operating system
  may arrive although we are told of an error. It is never retried here; the hub has to be asked first.
- A request that only reads, or may be repeated, is NotSent in any case: doing it again is safe.

Proxies, client certificates and credentials come from `ClientSettings` alone. ``HTTPS_PROXY``, ``NO_PROXY`` and
``.netrc`` are not consulted: a connector must reach the same hub from a shell and from a service. Redirects are not
followed, cookies not kept.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpcore
import httpx

from ..errors import ConfigError
from ..hubs import WireRequest, is_header_value, require_settings
from .messages import UNUSABLE_HEADERS, UNUSABLE_PROXY
from .pool import AwaitedTransport, BlockingTransport, split_url
from .tls import build_tls_context, build_unverifying_context, warn_if_weakened

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "host", "keep-alive"}
    | {"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Names that the connection, the body or the proxy's own settings decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Settings of a client. Times are in seconds.

    Args:
        connect: time to establish a connection, TLS included.
        read: time between two pieces of an answer.
        write: time between two pieces of a request.
        pool: time to wait for a free connection.
        total: time for one exchange as a whole, beside the time at `slowest` of the bytes that went and came so far.
        slowest: bytes per second; a transfer slower than that is given up in the end, a drip after `total`.
        connections: most connections at a time, kept open between calls.
        keep_alive: how long an unused one is kept. Hubs and proxies drop unused connections without a word; a packet
            sent over one that was dropped at that moment has an unknown outcome, so this should be less than theirs.
        attempts: how often a call is tried in all, where trying again is safe.
        backoff: longest wait before the second attempt. It doubles each time; the wait is a random part of it.
        backoff_cap: upper end of that doubling.
        retry_after_cap: longest wait that a hub's Retry-After is obeyed for.
        calls_a_minute: how many calls go to the hub in a minute, for all clients of the process together; as many as
            its dialect knows that it takes where left out (`HubCapabilities.calls_a_minute`); 0 for any number.
        tls: ``modern``, or ``legacy`` for a hub whose server is too old for that: TLS 1.0 and up, short keys, SHA-1 and
            renegotiation without RFC 5746. Certificates are verified in any case. Each use is a warning in the log.
        ca_bundle: file of the authorities to trust, instead of those of httpx and of the operating system: PEM, DER or
            .p7b, any number in it.
        client_certificate: PEM file of our certificate and its chain (mTLS).
        client_key: PEM file of its key, where that is not in the same file.
        client_key_password: password of the key.
        proxy: ``http://`` or ``https://`` URL of a proxy; may hold a user and password.
        headers: further headers of every request, logins included; where a request has one of the name, that counts.

    Raises:
        ConfigError: no request can carry the headers.
    """

    connect: float = 10.0
    read: float = 120.0
    write: float = 60.0
    pool: float = 30.0
    total: float = 300.0
    slowest: int = 32 * 1024
    connections: int = 10
    keep_alive: float = 5.0
    attempts: int = 4
    backoff: float = 1.0
    backoff_cap: float = 30.0
    retry_after_cap: float = 10.0
    calls_a_minute: float | None = None
    tls: Literal["modern", "legacy"] = "modern"
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    client_key_password: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        require_settings(((is_usable_header(name, value), UNUSABLE_HEADERS) for name, value in self.headers))

    def compute_transfer_seconds(self, size: int) -> float:
        """Compute the seconds that `size` bytes of a body add to the time of an exchange."""
        return size / self.slowest


def is_usable_header(name: str, value: str) -> bool:
    """Tell whether a request can carry a further header (RFC 9110, 5.6.2); the value has no spaces at the ends."""
    is_name = bool(_HEADER_NAME.fullmatch(name)) and name.lower() not in _RESERVED_HEADERS
    return is_name and is_header_value(value)


def build_blocking_transport(settings: ClientSettings, *, max_connections: int | None = None) -> BlockingTransport:
    """Build a transport over pools of connections, bounded by the time limit of the thread that uses it.

    Args:
        settings: how the connections are made.
        max_connections: most connections at a time, where not as many as are kept.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """
    kind = httpcore.ConnectionPool if settings.proxy is None else httpcore.HTTPProxy
    backend = TimedBackend(httpcore.SyncBackend())
    make_options = _prepare_pools(settings)
    bound = {} if max_connections is None else {"max_connections": max_connections}
    return BlockingTransport(lambda scheme: kind(**{**make_options(scheme), **bound}, network_backend=backend))


def build_async_transport(settings: ClientSettings) -> AwaitedTransport:
    """Build a transport over pools of connections for an event loop.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """
    kind = httpcore.AsyncConnectionPool if settings.proxy is None else httpcore.AsyncHTTPProxy
    make_options = _prepare_pools(settings)
    return AwaitedTransport(lambda scheme: kind(**make_options(scheme)))


def _prepare_pools(settings: ClientSettings) -> Callable[[str], dict[str, Any]]:
    """Prepare the options of the pools for ``http`` and ``https``: the TLS context is built for the latter only.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """
    warn_if_weakened(settings)
    find_context = cache(partial(build_tls_context, settings))
    if settings.ca_bundle is not None or settings.client_certificate is not None:
        find_context()  # a mistake in the settings is told now, not with the first document
    needs_always = False if settings.proxy is None else _parse_proxy(settings.proxy).scheme == "https"

    def make_options(scheme: str) -> dict[str, Any]:
        return _build_pool_options(settings, find_context() if scheme == "https" or needs_always else None)

    return make_options


def build_probing_pool(settings: ClientSettings) -> httpcore.ConnectionPool:
    """Build a pool whose connections verify no certificate, to see which ones a server sends. No request may use it."""
    kind = httpcore.ConnectionPool if settings.proxy is None else httpcore.HTTPProxy
    return kind(**_build_pool_options(settings, build_unverifying_context(settings)))


def build_verifying_pool(settings: ClientSettings) -> httpcore.ConnectionPool:
    """Build a pool of the same connections for a survey of them.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """
    kind = httpcore.ConnectionPool if settings.proxy is None else httpcore.HTTPProxy
    return kind(**_pool_options(settings))


def build_timeout_extensions(settings: ClientSettings) -> dict[str, Any]:
    """Build the extensions that give each request the time-outs of its phases."""
    phases = {"connect": settings.connect, "read": settings.read, "write": settings.write, "pool": settings.pool}
    return {"timeout": phases}


@lru_cache(maxsize=256)
def parse_address(url: str) -> httpx.URL:
    """Parse the URL of a request.

    Raises:
        httpx.InvalidURL: HTTP cannot use it.
    """
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise httpx.InvalidURL("no http:// or https:// URL with a host")
    return parsed


def split_address(url: str) -> httpcore.URL:
    """Split the URL of a request for httpcore.

    Raises:
        httpx.InvalidURL: HTTP cannot use it.
    """
    return split_url(parse_address(url))


class RequestBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, for httpx's transports.

    Args:
        pieces: for a blocking transport.
        async_pieces: for one of an event loop.
    """

    def __init__(self, pieces: Iterable[bytes] = (), async_pieces: AsyncIterator[bytes] | None = None) -> None:
        self._pieces = pieces
        self._async_pieces = async_pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        if self._async_pieces is None:
            raise TypeError("this body is for a blocking transport")
        return self._async_pieces


def build_request_headers(
    request: WireRequest, host: bytes, length: int, further: Iterable[tuple[str, str]] = ()
) -> list[tuple[bytes, bytes]]:
    """Build the headers of a request: its own, the length of its body, and no invitation to compress.

    Args:
        request: the request.
        host: name and port of the server.
        length: of its body, bytes.
        further: headers of the settings.
    """
    headers = [(b"Host", host)]
    headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers.items()]
    if further:
        own = {name.lower() for name in request.headers}
        headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in further if name.lower() not in own]
    if length or request.method != "GET":
        headers.append((b"Content-Length", b"%d" % length))
    return [*headers, (b"Accept", b"*/*"), (b"Accept-Encoding", b"identity")]


def parse_answer_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Parse the headers of an answer: names in lower case, the values of a repeated one joined."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _pool_options(settings: ClientSettings) -> dict[str, Any]:
    return _build_pool_options(settings, build_tls_context(settings))


def _build_pool_options(settings: ClientSettings, context: ssl.SSLContext | None) -> dict[str, Any]:
    return {
        "ssl_context": context,
        "max_connections": settings.connections,
        "max_keepalive_connections": settings.connections,
        "keepalive_expiry": settings.keep_alive,
        **({} if settings.proxy is None else _proxy_options(_parse_proxy(settings.proxy), context)),
    }


def _parse_proxy(url: str) -> httpx.URL:
    try:
        parts, parsed = urlsplit(url), httpx.URL(url)  # httpx lets an unfinished [IPv6] address through
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ConfigError(UNUSABLE_PROXY.en, vi=UNUSABLE_PROXY.vi)
    return parsed


def _proxy_options(url: httpx.URL, context: ssl.SSLContext | None) -> dict[str, Any]:
    user = url.username.encode(), url.password.encode()
    return {
        "proxy_url": split_url(url),
        "proxy_auth": user if any(user) else None,
        "proxy_ssl_context": context if url.scheme == "https" else None,
    }


# --- A time limit on a blocking exchange as a whole. httpx limits each read, which a slow drip outlives. ---


class TimeLimit:
    """The end of an exchange on the monotonic clock; `deadline` may be moved.

    A context manager: inside the block it limits this thread's network operations over a `TimedBackend`.

    Args:
        seconds: time left from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self._token = _current_limit.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _current_limit.reset(self._token)


_current_limit: ContextVar[TimeLimit | None] = ContextVar("edoc_connector_time_limit", default=None)


def _cap_timeout(timeout: float | None, timeout_error: type[Exception]) -> float | None:
    """Shorten a time-out to the time that is left of this thread's limit, where there is one.

    Args:
        timeout: seconds; None for none.
        timeout_error: class to raise when no time is left.
    """
    limit = _current_limit.get()
    if limit is None:
        return timeout
    remaining = limit.deadline - time.monotonic()
    if remaining <= 0:
        raise timeout_error("the time for the whole exchange is over")
    return remaining if timeout is None else min(timeout, remaining)


class TimedBackend(httpcore.NetworkBackend):
    """A network backend under the time limit of the thread that uses it."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        timeout = _cap_timeout(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


_MAX_READ_BYTES = 1024 * 1024
_WRITE_BYTES = 64 * 1024


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._next_size = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read more at a time than the 64 KiB httpcore asks for, while the other side has more: each piece costs."""
        size = max(max_bytes, self._next_size)
        data = self._inner.read(size, _cap_timeout(timeout, httpcore.ReadTimeout))
        self._next_size = min(2 * size, _MAX_READ_BYTES) if 2 * len(data) > size else 0
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write in slices: the time-out inside is that of each time the other side takes a few bytes."""
        for start in range(0, len(buffer), _WRITE_BYTES):
            self._inner.write(buffer[start : start + _WRITE_BYTES], _cap_timeout(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _cap_timeout(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
