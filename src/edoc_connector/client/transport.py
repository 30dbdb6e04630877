"""What lies between the clients and httpx: settings, TLS, time limits, and one table of what went wrong.

The clients use transports of httpx's kind (`client.pool`). What httpx's clients put on top (cookies, redirects,
its environment, headers merged and normalised) is not wanted here, and costs half as much again as the exchange itself.

What an exchange means when it fails:

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

import ssl
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpcore
import httpx

from edoc_connector.client.bodies import Upload
from edoc_connector.client.pool import AwaitedTransport, BlockingTransport, split_url
from edoc_connector.errors import (
    ConfigError,
    NotSent,
    OutcomeUnknown,
    TransportError,
    describe_system_error,
    describe_system_error_vi,
)
from edoc_connector.hubs.fields import as_printable
from edoc_connector.hubs.wire import WireRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How to reach a hub. Times are in seconds.

    Args:
        connect: to establish a connection, TLS included.
        read: between two pieces of an answer.
        write: between two pieces of a request.
        pool: to wait for a free connection.
        total: for one exchange as a whole, in addition to what its bodies need at `slowest`.
        slowest: bytes per second; a transfer slower than that is given up in the end.
        connections: most connections at a time, kept open between calls.
        keep_alive: how long an unused one is kept. Hubs and proxies drop unused connections without a word; a packet
            sent over one that was dropped at that moment has an unknown outcome, so this should be less than theirs.
        attempts: how often a call is tried in all, where trying again is safe.
        backoff: longest wait before the second attempt; it doubles each time, and the wait is a random part of it.
        backoff_cap: what it grows to at most.
        retry_after_cap: longest wait that a hub's Retry-After is obeyed for.
        ca_bundle: PEM file of the authorities to trust, instead of those of httpx and of the operating system.
        client_certificate: PEM file of our certificate and its chain (mTLS).
        client_key: PEM file of its key, where that is not in the same file.
        client_key_password: of the key.
        proxy: ``http://`` or ``https://`` URL of a proxy; may hold a user and password.
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
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    client_key_password: str | None = field(default=None, repr=False)
    proxy: str | None = field(default=None, repr=False)

    def compute_transfer_seconds(self, size: int | None) -> float:
        """What a body of `size` bytes adds to the time of an exchange."""
        return (size or 0) / self.slowest


def build_blocking_transport(settings: ClientSettings) -> BlockingTransport:
    """One pool of connections, bounded by the time limit of the thread that uses it.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """
    kind = httpcore.ConnectionPool if settings.proxy is None else httpcore.HTTPProxy
    return BlockingTransport(kind(**_pool_options(settings), network_backend=TimedBackend(httpcore.SyncBackend())))


def build_async_transport(settings: ClientSettings) -> AwaitedTransport:
    """One pool of connections for an event loop.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """
    kind = httpcore.AsyncConnectionPool if settings.proxy is None else httpcore.AsyncHTTPProxy
    return AwaitedTransport(kind(**_pool_options(settings)))


def build_timeout_extensions(settings: ClientSettings) -> dict[str, Any]:
    """The time-outs of the phases, as httpx's transports take them with each request."""
    phases = {"connect": settings.connect, "read": settings.read, "write": settings.write, "pool": settings.pool}
    return {"timeout": phases}


@lru_cache(maxsize=256)
def parse_address(url: str) -> httpx.URL:
    """Where a URL leads.

    Raises:
        httpx.InvalidURL: it is none that HTTP could use.
    """
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise httpx.InvalidURL("no http:// or https:// URL with a host")
    return parsed


class RequestBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, as httpx's transports take it.

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


def build_request_headers(request: WireRequest, host: bytes, length: int) -> list[tuple[bytes, bytes]]:
    """The headers that go out: the request's own, the length of its body, and no invitation to compress."""
    headers = [(b"Host", host)]
    headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers.items()]
    if length or request.method != "GET":
        headers.append((b"Content-Length", b"%d" % length))
    return [*headers, (b"Accept", b"*/*"), (b"Accept-Encoding", b"identity")]


def parse_answer_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of an answer: names in lower case, the values of a repeated one joined."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _pool_options(settings: ClientSettings) -> dict[str, Any]:
    context = _build_tls_context(settings)
    return {
        "ssl_context": context,
        "max_connections": settings.connections,
        "max_keepalive_connections": settings.connections,
        "keepalive_expiry": settings.keep_alive,
        **({} if settings.proxy is None else _proxy_options(settings.proxy, context)),
    }


def _build_tls_context(settings: ClientSettings) -> ssl.SSLContext:
    try:
        if settings.ca_bundle is not None:
            context = ssl.create_default_context(cafile=settings.ca_bundle)
        else:
            context = httpx.create_ssl_context(trust_env=False)
            context.load_default_certs()  # agencies put the State's own authorities into the system's store
        if settings.client_certificate is not None:
            # An empty password instead of None: OpenSSL would ask for one at the terminal.
            password = settings.client_key_password or ""
            context.load_cert_chain(settings.client_certificate, settings.client_key, password)
    except OSError as error:  # ssl.SSLError is one
        why, why_vi = _explain_tls_error(settings, error)
        raise ConfigError(
            f"The TLS settings of the hub cannot be used: {why}. "
            "Check ca_bundle, client_certificate, client_key (PEM files) and the key's password.",
            vi=f"Không dùng được cấu hình TLS của trục: {why_vi}. "
            "Hãy kiểm tra ca_bundle, client_certificate, client_key (tệp PEM) và mật khẩu của khóa.",
        ) from error
    return context


def _explain_tls_error(settings: ClientSettings, error: OSError) -> tuple[str, str]:
    """Why: OpenSSL says neither which file nor, of a PEM file, what it misses there."""
    for file in (settings.ca_bundle, settings.client_certificate, settings.client_key):
        if file is not None and not file.exists():
            return f"{file} is not there", f"không có tệp {file}"
    if isinstance(error, ssl.SSLError) and "PEM" in str(error):
        return (
            "a PEM file lacks the certificate or the key that belongs to it (client_key is left out where it stands in "
            "client_certificate)",
            "tệp PEM thiếu chứng thư số hoặc khóa tương ứng (chỉ bỏ trống client_key khi khóa nằm trong "
            "client_certificate)",
        )
    return describe_system_error(error), describe_system_error_vi(error)


def _proxy_options(url: str, context: ssl.SSLContext) -> dict[str, Any]:
    try:
        parts, parsed = urlsplit(url), httpx.URL(url)  # httpx lets an unfinished [IPv6] address through
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ConfigError(
            "The proxy setting is no http:// or https:// URL, such as http://proxy.example.gov.vn:3128.",
            vi="Cấu hình proxy không phải là URL http:// hoặc https://, ví dụ http://proxy.example.gov.vn:3128.",
        )
    user = parsed.username.encode(), parsed.password.encode()
    return {
        "proxy_url": split_url(parsed),
        "proxy_auth": user if any(user) else None,
        "proxy_ssl_context": context if parsed.scheme == "https" else None,
    }


# --- What httpx raises, as errors of this library: one table. ---


@dataclass(frozen=True, slots=True)
class _Fault:
    """What an exception of httpx means: `before_sending` if it can only happen before any of the request left."""

    before_sending: bool
    en: str
    vi: str


_UNTRUSTED = _Fault(
    True,
    "TLS could not be established. Check the hub's name in the endpoint, ca_bundle, this machine's clock and, "
    "where the hub asks for one, the client certificate",
    "Không thiết lập được kết nối TLS. Hãy kiểm tra tên máy chủ trong endpoint, ca_bundle, đồng hồ của máy và "
    "chứng thư máy khách (nếu trục yêu cầu)",
)
_TOO_SLOW = _Fault(False, "The hub took longer than the time allowed", "Trục phản hồi quá thời gian cho phép")
_CONNECTION_BROKEN = _Fault(
    False,
    "The connection broke before the answer was complete",
    "Kết nối bị ngắt khi chưa nhận đủ câu trả lời",
)
_FAULTS: tuple[tuple[type[Exception], _Fault], ...] = (
    (
        httpx.ConnectTimeout,
        _Fault(
            True,
            "The hub does not answer the connection; check the network and the firewall",
            "Trục không phản hồi kết nối; hãy kiểm tra mạng và tường lửa",
        ),
    ),
    (
        httpx.PoolTimeout,
        _Fault(
            True,
            "All connections to the hub are busy; raise `connections` or send less at a time",
            "Mọi kết nối tới trục đều bận; hãy tăng `connections` hoặc gửi ít hơn cùng lúc",
        ),
    ),
    (
        httpx.ProxyError,
        _Fault(
            True,
            "The proxy does not let the connection through; check the proxy setting and its password",
            "Proxy không cho kết nối đi qua; hãy kiểm tra cấu hình proxy và mật khẩu",
        ),
    ),
    (
        httpx.ConnectError,
        _Fault(
            True,
            "The hub cannot be reached; check the endpoint, network, firewall and, if one is set, the proxy of [http]",
            "Không kết nối được tới trục; hãy kiểm tra endpoint, mạng, tường lửa và proxy ở [http] (nếu có)",
        ),
    ),
    (
        httpx.InvalidURL,
        _Fault(
            True,
            "The hub's endpoint is no usable URL; correct it in the configuration",
            "Địa chỉ trục (endpoint) không hợp lệ; hãy sửa trong cấu hình",
        ),
    ),
    (httpx.TimeoutException, _TOO_SLOW),
    (TimeoutError, _TOO_SLOW),  # of anyio, for an exchange as a whole
    (httpx.TransportError, _CONNECTION_BROKEN),
    (ssl.SSLError, _CONNECTION_BROKEN),  # httpx lets those of asynchronous reads through as they are
)
EXCHANGE_ERRORS = tuple(kind for kind, _ in _FAULTS)


def build_transport_error(error: Exception, request: WireRequest, upload: Upload) -> TransportError:
    """The error for an exchange that got no answer. It keeps no reference to httpx's, which refers to the headers."""
    fault = _UNTRUSTED if _is_tls_failure(error) else next(fault for kind, fault in _FAULTS if isinstance(error, kind))
    exchange = f"{request.method} {request.url}, {_describe_exception(error)}"
    if request.sends and upload.handed_over and not fault.before_sending:
        return OutcomeUnknown(
            f"{fault.en}, and the hub may have taken the request ({exchange}). Ask the hub before sending again.",
            vi=f"{fault.vi}, có thể trục đã nhận được yêu cầu ({exchange}). Hãy hỏi trục trước khi gửi lại.",
        )
    return NotSent(
        f"{fault.en} ({exchange}). It is safe to try again.",
        vi=f"{fault.vi} ({exchange}). Có thể thử lại an toàn.",
    )


def _describe_exception(error: Exception) -> str:
    """The exception's kind and words; not those of h11 about our own request, which quote its headers."""
    words = "" if isinstance(error, httpx.LocalProtocolError) else as_printable(str(error), 200)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _is_tls_failure(error: BaseException) -> bool:
    """Whether the handshake failed.

    In TLS 1.3 a server judges our certificate after we have begun to send, but before it reads anything: its alert
    about certificates arrives as a read error and still means that nothing was done.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "reason", None) or ""  # set by OpenSSL only
            return isinstance(error, httpx.ConnectError) or "CERTIFICATE" in reason or "UNKNOWN_CA" in reason
        cause = cause.__cause__ or cause.__context__
    return False


# --- A time limit on a blocking exchange as a whole. httpx limits each read, which a slow drip outlives. ---


class TimeLimit:
    """When an exchange has to be over, on the monotonic clock; `deadline` may be moved.

    A context: it limits what this thread does over a `TimedBackend` inside the block.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds

    def __enter__(self) -> Self:
        self._token = _current_limit.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        _current_limit.reset(self._token)

    def cap_timeout(self, timeout: float | None, timeout_error: type[Exception]) -> float:
        """A time-out that does not reach beyond the end."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise timeout_error("the time for the whole exchange is over")
        return remaining if timeout is None else min(timeout, remaining)


_current_limit: ContextVar[TimeLimit | None] = ContextVar("edoc_connector_time_limit", default=None)


def _cap_timeout(timeout: float | None, timeout_error: type[Exception]) -> float | None:
    limit = _current_limit.get()
    return timeout if limit is None else limit.cap_timeout(timeout, timeout_error)


class TimedBackend(httpcore.NetworkBackend):
    """Another backend under the time limit of the thread that uses it."""

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


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._next_size = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Reads more at a time than the 64 KiB httpcore asks for, while the other side has more: each piece costs."""
        size = max(max_bytes, self._next_size)
        data = self._inner.read(size, _cap_timeout(timeout, httpcore.ReadTimeout))
        self._next_size = min(2 * size, _MAX_READ_BYTES) if 2 * len(data) > size else 0
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _cap_timeout(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _cap_timeout(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
