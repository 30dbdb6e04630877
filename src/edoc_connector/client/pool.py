"""httpcore's pools of connections as transports of httpx, and one table of the errors of both.

httpx's own transports make their pool themselves and keep it private. Ours take one, so that it can lie over a network
of ours: that is how an exchange gets a limit as a whole (`edoc_connector.client.transport.TimedBackend`). Each scheme
has a pool, made when it is needed: who speaks plain HTTP only reads no authorities for TLS.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import cast

import httpcore
import httpx

from .._core import ForkAware, make_lock, notice_fork, watch_forks

_AS_HTTPX: Mapping[type[Exception], type[httpx.TransportError]] = {
    httpcore.TimeoutException: httpx.TimeoutException,
    httpcore.PoolTimeout: httpx.PoolTimeout,
    httpcore.ConnectTimeout: httpx.ConnectTimeout,
    httpcore.ReadTimeout: httpx.ReadTimeout,
    httpcore.WriteTimeout: httpx.WriteTimeout,
    httpcore.NetworkError: httpx.NetworkError,
    httpcore.ConnectError: httpx.ConnectError,
    httpcore.ReadError: httpx.ReadError,
    httpcore.WriteError: httpx.WriteError,
    httpcore.ProxyError: httpx.ProxyError,
    httpcore.ProtocolError: httpx.ProtocolError,
    httpcore.LocalProtocolError: httpx.LocalProtocolError,
    httpcore.RemoteProtocolError: httpx.RemoteProtocolError,
    httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol,
}
_CAUGHT = tuple(_AS_HTTPX)
_PARENT_POOLS: list[httpcore.AsyncConnectionPool] = []


class BlockingTransport(httpx.BaseTransport, ForkAware):
    """Send requests over blocking pools. Safe to share between threads, and between clients.

    Args:
        make_pool: makes the pool for a scheme, ``http`` or ``https``, when it is first needed; it is closed with the
            transport, and made again after a fork.
    """

    def __init__(self, make_pool: Callable[[str], httpcore.ConnectionPool]) -> None:
        self._make_pool = make_pool
        self._pools: dict[str, httpcore.ConnectionPool] = {}
        self._lock = make_lock()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin with pools of its own: on the parent's sockets two processes would mix their packets."""
        parent_pools, self._pools = self._pools, {}
        for connection in [one for pool in parent_pools.values() for one in pool.connections]:
            with suppress(Exception):  # one that was in use may be in any state; what counts is that it is let go of
                connection.close()  # this process' end only: nothing is said on the wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its answer, whose body is read from the network as it is iterated.

        Raises:
            httpx.TransportError: no answer came.
        """
        notice_fork()
        pool = self._find_pool(request.url.scheme)
        try:
            answer = pool.handle_request(_translate_request(request))
        except _CAUGHT as error:
            raise translate_error(error) from error
        return _make_response(answer, _BlockingBody(answer))

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            pool.close()

    def _find_pool(self, scheme: str) -> httpcore.ConnectionPool:
        with self._lock:
            pool = self._pools.get(scheme)
            if pool is None:
                pool = self._pools[scheme] = self._make_pool(scheme)
            return pool


class AwaitedTransport(httpx.AsyncBaseTransport, ForkAware):
    """Send requests over pools of an event loop.

    Args:
        make_pool: as for `BlockingTransport`.
    """

    def __init__(self, make_pool: Callable[[str], httpcore.AsyncConnectionPool]) -> None:
        self._make_pool = make_pool
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin with pools of its own; the parent's are kept and never closed: its event loop is the parent's."""
        _PARENT_POOLS.extend(self._pools.values())
        self._pools = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its answer, as `BlockingTransport.handle_request` does.

        Raises:
            httpx.TransportError: no answer came.
        """
        notice_fork()
        scheme = request.url.scheme
        pool = self._pools.get(scheme)
        if pool is None:
            pool = self._pools[scheme] = self._make_pool(scheme)
        try:
            answer = await pool.handle_async_request(_translate_request(request))
        except _CAUGHT as error:
            raise translate_error(error) from error
        return _make_response(answer, _AwaitedBody(answer))

    async def aclose(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            await pool.aclose()


def translate_error(error: Exception) -> httpx.TransportError:
    """Translate an error of httpcore by its nearest class in the table; the words are kept."""
    kind = next(kind for kind in type(error).__mro__ if kind in _AS_HTTPX)
    return _AS_HTTPX[kind](str(error))


def _translate_request(request: httpx.Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        split_url(request.url),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def split_url(url: httpx.URL) -> httpcore.URL:
    """Split a URL for httpcore; a user and password in it are left out."""
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _make_response(answer: httpcore.Response, body: httpx.SyncByteStream | httpx.AsyncByteStream) -> httpx.Response:
    return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)


class _BlockingBody(httpx.SyncByteStream):
    """The body of an answer. Closing it before its end closes the connection, whose rest nobody reads."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from cast(Iterable[bytes], self._answer.stream)
        except _CAUGHT as error:
            raise translate_error(error) from error

    def close(self) -> None:
        self._answer.close()


class _AwaitedBody(httpx.AsyncByteStream):
    """The body of an answer, awaited; closing works as for `_BlockingBody`."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in cast(AsyncIterable[bytes], self._answer.stream):
                yield piece
        except _CAUGHT as error:
            raise translate_error(error) from error

    async def aclose(self) -> None:
        await self._answer.aclose()
