"""Transports over httpcore's pools: their errors, and the life of a connection."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

import httpcore
import httpx
import pytest

from edoc_connector.client import ClientSettings
from edoc_connector.client.pool import translate_error
from edoc_connector.client.transport import TimeLimit, build_async_transport, build_blocking_transport

KINDS = [kind for kind in vars(httpcore).values() if isinstance(kind, type) and issubclass(kind, Exception)]
INNER = httpcore.ConnectionNotAvailable  # from a connection to its pool, which takes another one
SECONDS = 5.0


class Driver(Protocol):
    """Drive a transport step by step."""

    def ask(self, request: httpx.Request) -> httpx.Response: ...
    def pieces(self, answer: httpx.Response) -> Iterator[bytes]: ...
    def close_answer(self, answer: httpx.Response) -> None: ...
    def close(self) -> None: ...


class Blocking:
    """The blocking transport."""

    def __init__(self, settings: ClientSettings, _: asyncio.Runner | None = None) -> None:
        self._transport = build_blocking_transport(settings)
        self.ask = self._transport.handle_request
        self.close = self._transport.close

    def pieces(self, answer: httpx.Response) -> Iterator[bytes]:
        return iter(cast(httpx.SyncByteStream, answer.stream))

    def close_answer(self, answer: httpx.Response) -> None:
        answer.close()


class Awaited:
    """The transport of an event loop, which runs for one step at a time."""

    def __init__(self, settings: ClientSettings, loop: asyncio.Runner) -> None:
        self._loop = loop
        self._transport = build_async_transport(settings)

    def ask(self, request: httpx.Request) -> httpx.Response:
        return self._loop.run(self._transport.handle_async_request(request))

    def pieces(self, answer: httpx.Response) -> Iterator[bytes]:
        pieces = aiter(cast(httpx.AsyncByteStream, answer.stream))
        while (piece := self._loop.run(self._next(pieces))) is not None:
            yield piece

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        return await anext(pieces, None)

    def close_answer(self, answer: httpx.Response) -> None:
        self._loop.run(answer.aclose())

    def close(self) -> None:
        self._loop.run(self._transport.aclose())


@pytest.fixture(params=[Blocking, Awaited], ids=["blocking", "awaited"])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """Either transport, with one connection at most."""
    with asyncio.Runner() as loop:
        made: Driver = request.param(ClientSettings(connections=1, keep_alive=60.0), loop)
        yield made
        made.close()


def asked(url: str, *, headers: dict[str, str] | None = None, **seconds: float) -> httpx.Request:
    """Make a request without a body, with time-outs of the phases."""
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), SECONDS) | seconds
    return httpx.Request("GET", url, headers=headers, extensions={"timeout": timeout})


def read(driver: Driver, request: httpx.Request) -> tuple[int, bytes]:
    """Read the status and the body of a whole exchange."""
    answer = driver.ask(request)
    try:
        return answer.status_code, b"".join(driver.pieces(answer))
    finally:
        driver.close_answer(answer)


def ended(sock: socket.socket) -> bool:
    """Tell whether the other side closes the connection within a while, as a server sees it."""
    readable, _, _ = select.select([sock], [], [], SECONDS)
    with suppress(ConnectionResetError):
        return bool(readable) and sock.recv(1) == b""
    return True


# --- Errors. ---


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not INNER])
def test_every_error_has_its_namesake(kind: type[Exception]) -> None:
    """Every error of httpcore becomes httpx's of the same name, words kept (facts about httpx)."""
    made = translate_error(kind("some words"))
    assert type(made) is getattr(httpx, kind.__name__)
    assert str(made) == "some words"


def test_a_kind_of_an_error_becomes_what_is_nearest() -> None:
    """An error that a later httpcore derives from one of today's is translated as that (facts about httpx)."""

    class TooSlow(httpcore.ReadTimeout):
        pass

    assert type(translate_error(TooSlow())) is httpx.ReadTimeout


def sends(data: bytes, over: threading.Event | None = None) -> Callable[[socket.socket, Any], None]:
    """Answer with these bytes, and nothing more until the test is over."""

    def answer(sock: socket.socket, _: Any) -> None:
        sock.sendall(data)
        if over is not None:
            over.wait(SECONDS)

    return answer


@pytest.mark.parametrize(
    ("data", "stays", "kind"),
    [
        (b"", False, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX", False, httpx.RemoteProtocolError),
        (b"<html>", False, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", False, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf", False, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhalf", False, httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, False, httpx.RemoteProtocolError),
        (b"HTTP/1.1 103 X\r\n\r\n", True, httpx.ReadTimeout),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", True, httpx.ReadTimeout),
    ],
)
def test_answers_that_break_off(data: bytes, stays: bool, kind: type[Exception], hub: Any, driver: Driver) -> None:
    """In the head or in the body, cut or late: the error is httpx's, and its cause is kept (facts about httpx)."""
    over = threading.Event()
    hub.script = [sends(data, over if stays else None)]
    with pytest.raises(httpx.TransportError) as caught:
        read(driver, asked(hub.url, read=0.2 if stays else SECONDS))
    over.set()
    assert type(caught.value) is kind
    assert type(caught.value.__cause__) is getattr(httpcore, kind.__name__)


def test_requests_that_do_not_leave(hub: Any, driver: Driver) -> None:
    """An absent server, an unknown protocol and a bad header have an error each (facts about httpx)."""
    with pytest.raises(httpx.ConnectError):
        driver.ask(asked("http://127.0.0.1:9/"))
    with pytest.raises(httpx.UnsupportedProtocol):
        driver.ask(asked("ftp://127.0.0.1/"))
    with pytest.raises(httpx.LocalProtocolError):
        driver.ask(asked(hub.url, headers={"X": "a\nb"}))
    assert hub.seen == []


def test_no_connection_is_free(hub: Any, driver: Driver, reply: Any) -> None:
    """A request waits for a connection no longer than it may (facts about httpx)."""
    hub.script = [reply(b"whole")]
    first = driver.ask(asked(hub.url))
    with pytest.raises(httpx.PoolTimeout):
        driver.ask(asked(hub.url, pool=0.1))
    driver.close_answer(first)
    assert len(hub.seen) == 1


def test_time_is_up_before_the_connection(hub: Any) -> None:
    """An exchange whose time is over does not begin; on a kept connection it does not either (settings, total)."""
    kept = threading.Event()
    hub.script = [sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", kept)]
    driver = Blocking(ClientSettings(connections=1, keep_alive=60.0))
    with TimeLimit(0.0), pytest.raises(httpx.ConnectTimeout, match="whole exchange"):
        driver.ask(asked(hub.url))
    assert read(driver, asked(hub.url)) == (200, b"")
    with TimeLimit(0.0), pytest.raises(httpx.WriteTimeout, match="whole exchange"):
        driver.ask(asked(hub.url))
    kept.set()
    driver.close()
    assert len(hub.seen) == 1


# --- Answers. ---


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwh\r\n3;x=y\r\nole\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nwhole",
        b"HTTP/1.0 200 OK\r\n\r\nwhole",
        b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 103 X\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
    ],
    ids=["length", "chunked", "until the end", "HTTP/1.0", "after interim answers"],
)
def test_whole_answers(data: bytes, hub: Any, driver: Driver) -> None:
    """However a body is delimited, and whatever interim answers come before, it is read whole (facts about httpx)."""
    hub.script = [sends(data)]
    assert read(driver, asked(hub.url)) == (200, b"whole")


def test_interim_answers_without_end(hub: Any) -> None:
    """Interim answers keep no exchange alive beyond its time (settings, total)."""

    def drip(sock: socket.socket, _: Any) -> None:
        with suppress(OSError):
            for _ in range(100):
                sock.sendall(b"HTTP/1.1 102 X\r\n\r\n")
                time.sleep(0.05)

    hub.script = [drip]
    driver = Blocking(ClientSettings())
    with TimeLimit(0.5), pytest.raises(httpx.ReadTimeout):
        driver.ask(asked(hub.url))
    driver.close()


def test_a_body_comes_in_pieces(hub: Any, driver: Driver) -> None:
    """A body is handed on as it arrives, not when it is there as a whole (design, streaming)."""
    came = threading.Event()

    def answer(sock: socket.socket, _: Any) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert came.wait(SECONDS)
        sock.sendall(b"other")

    hub.script = [answer]
    response = driver.ask(asked(hub.url))
    pieces = driver.pieces(response)
    assert next(pieces) == b"first"
    came.set()
    assert list(pieces) == [b"other"]
    driver.close_answer(response)


# --- Connections. ---


@contextmanager
def watching(hub: Any, answers: list[bytes]) -> Iterator[list[bool]]:
    """Serve these answers on one connection, and note whether the client ended it after the last."""
    found: list[bool] = []
    known = threading.Event()

    def serve(sock: socket.socket, _: Any) -> None:
        for number, answer in enumerate(answers):
            if number:
                sock.recv(65536)
            sock.sendall(answer)
        found.append(ended(sock))
        known.set()

    hub.script = [serve]
    yield found
    assert known.wait(2 * SECONDS)


WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"


def test_a_connection_is_used_again(hub: Any, driver: Driver) -> None:
    """An answer read to its end leaves the connection to the next request; the transport ends it (settings)."""
    with watching(hub, [WHOLE, WHOLE]) as found:
        assert [read(driver, asked(hub.url)) for _ in range(2)] == [(200, b"whole")] * 2
        assert found == []
        driver.close()
    assert found == [True]
    assert len(hub.seen) == 1


def test_an_answer_that_is_not_read(hub: Any, driver: Driver, reply: Any) -> None:
    """An answer closed before its end closes the connection, once; the next request gets another (streaming)."""
    with watching(hub, [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nfirst"]) as found:
        response = driver.ask(asked(hub.url))
        assert next(driver.pieces(response)) == b"first"
        driver.close_answer(response)
        driver.close_answer(response)
    assert found == [True]
    hub.script = [reply(b"whole")]
    assert read(driver, asked(hub.url)) == (200, b"whole")


def test_a_connection_the_hub_ended(hub: Any, driver: Driver) -> None:
    """An unused connection that the hub ended is noticed before a request is lost on it (settings, keep_alive)."""
    closing = threading.Event()

    def answer(sock: socket.socket, _: Any) -> None:
        sock.sendall(WHOLE)
        sock.shutdown(socket.SHUT_WR)
        closing.set()

    hub.script = [answer]
    for _ in range(2):
        assert read(driver, asked(hub.url)) == (200, b"whole")
        assert closing.wait(SECONDS)
        closing.clear()
    assert len(hub.seen) == 2
