"""Fetching revocation lists, OCSP answers and time-stamps over HTTP, only from addresses that the settings name.

Where a policy or a time-stamp setting names an address, a `Fetch` gets its answer; nothing else fetches. The one given
here is bounded in time and size, consults no environment for proxies and follows no redirect. A caller with a proxy or
TLS of its own passes another.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from ..._core import make_lock

MAX_BYTES = 64 << 20
"""Largest answer that is read: revocation lists of national authorities are megabytes."""
_CHUNK = 64 * 1024


class FetchFailed(Exception):
    """An address gave no usable answer. The error does not leave this package."""


class Fetch(Protocol):
    """A function that gets the body of an HTTP answer.

    Args:
        url: ``http`` or ``https`` address.
        body: the octets to POST; None to GET.
        content_type: media type of the body.
        timeout: seconds for the whole exchange.

    Raises:
        FetchFailed: there was no answer in time, or not one with status 200.
    """

    def __call__(self, url: str, *, body: bytes | None = None, content_type: str = "", timeout: float = 10.0) -> bytes:
        """Get the body."""
        ...


def is_plain_url(url: str) -> bool:
    """Tell whether an address can go into a request as it is: printable ASCII without spaces (RFC 3986, 2)."""
    return url.isascii() and url.isprintable() and " " not in url


def fetch_http(url: str, *, body: bytes | None = None, content_type: str = "", timeout: float = 10.0) -> bytes:
    """Get the body of an HTTP answer; see `Fetch`. Redirects are not followed: only named addresses are asked."""
    deadline = time.monotonic() + timeout
    connection, path = _open_connection(url, timeout)
    try:
        headers = {"Content-Type": content_type} if body is not None else {}
        connection.connect()
        with _enforce_deadline(connection.sock, deadline):
            connection.request("POST" if body is not None else "GET", path, body=body, headers=headers)
            sock = connection.sock
            with connection.getresponse() as answer:
                if answer.status != http.client.OK:
                    raise FetchFailed(f"{url}: HTTP {answer.status}")
                return _read_body(url, answer, sock, deadline)
    except (OSError, http.client.HTTPException) as error:
        late = time.monotonic() >= deadline
        raise FetchFailed(f"{url}: {'timed out' if late else error or type(error).__name__}") from error
    finally:
        connection.close()


@contextmanager
def _enforce_deadline(sock: socket.socket, deadline: float) -> Iterator[None]:
    """Shut a connection down at a moment: headers that drip outlive a time-out, which is per read."""

    def shut_down() -> None:
        with suppress(OSError):  # it was closed meanwhile
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _open_connection(url: str, timeout: float) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise FetchFailed(f"{url}: {error}") from None
    kinds: dict[str, Callable[..., http.client.HTTPConnection]] = {
        "http": http.client.HTTPConnection,
        "https": http.client.HTTPSConnection,
    }
    if parts.scheme not in kinds or not host or not is_plain_url(url):
        raise FetchFailed(f"{url}: not an http or https address")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return kinds[parts.scheme](host, port, timeout=timeout), path


def _read_body(url: str, answer: http.client.HTTPResponse, sock: socket.socket, deadline: float) -> bytes:
    pieces: list[bytes] = []
    size = 0
    # read1, and the time left at each turn: a time-out is per read, and a slow drip would outlive it
    while piece := answer.read1(_CHUNK):
        pieces.append(piece)
        size += len(piece)
        left = deadline - time.monotonic()
        if size > MAX_BYTES or left <= 0:
            raise FetchFailed(f"{url}: {'too large' if size > MAX_BYTES else 'timed out'}")
        if sock.fileno() >= 0:
            sock.settimeout(left)
    if time.monotonic() >= deadline:  # the seeming end may be `_enforce_deadline` cutting it off
        raise FetchFailed(f"{url}: timed out")
    if answer.length:
        raise FetchFailed(f"{url}: cut off")
    return b"".join(pieces)


@dataclass(slots=True, kw_only=True)
class CachedFetch:
    """A `Fetch` that remembers answers for a while, failures more shortly: one packet after another asks the same.

    Args:
        fetch: the function that gets the answers.
        answer_seconds: seconds for which an answer is used again.
        failure_seconds: seconds for which a failure is reported again.
    """

    fetch: Fetch = fetch_http
    answer_seconds: float = 600.0
    failure_seconds: float = 30.0
    _answers: dict[tuple[str, bytes | None], tuple[float, bytes | FetchFailed]] = field(
        default_factory=dict, init=False, repr=False
    )
    _lock: threading.Lock = field(default_factory=make_lock, init=False, repr=False)

    def __call__(self, url: str, *, body: bytes | None = None, content_type: str = "", timeout: float = 10.0) -> bytes:
        """Get the body, or the answer remembered."""
        with self._lock:
            now = time.monotonic()
            self._answers = {key: cached for key, cached in self._answers.items() if cached[0] > now}
            cached = self._answers.get((url, body))
        answer = cached[1] if cached else self._fetch_anew(url, body, content_type, timeout)
        if isinstance(answer, FetchFailed):
            raise FetchFailed(*answer.args)
        return answer

    def _fetch_anew(self, url: str, body: bytes | None, content_type: str, timeout: float) -> bytes | FetchFailed:
        answer: bytes | FetchFailed
        try:
            answer = self.fetch(url, body=body, content_type=content_type, timeout=timeout)
        except FetchFailed as error:
            answer = error
        lifetime = self.failure_seconds if isinstance(answer, FetchFailed) else self.answer_seconds
        with self._lock:
            self._answers[url, body] = (time.monotonic() + lifetime, answer)
        return answer
