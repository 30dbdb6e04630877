"""httpcore's pools of connections as transports of httpx, and one table of the errors of both.

httpx's own transports make their pool themselves and keep it private. Ours take one, so that it can lie over a network
of ours: that is how an exchange gets a limit as a whole (`edoc_connector.client.transport.TimedBackend`).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import cast

import httpcore
import httpx

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


class BlockingTransport(httpx.BaseTransport):
    """Send requests over a blocking pool.

    Args:
        pool: the connections; closed with the transport.
    """

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its answer, whose body is read from the network as it is iterated.

        Raises:
            httpx.TransportError: no answer came.
        """
        try:
            answer = self._pool.handle_request(_translate_request(request))
        except _CAUGHT as error:
            raise translate_error(error) from error
        return _make_response(answer, _BlockingBody(answer))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class AwaitedTransport(httpx.AsyncBaseTransport):
    """Send requests over a pool of an event loop.

    Args:
        pool: the connections; closed with the transport.
    """

    def __init__(self, pool: httpcore.AsyncConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its answer, as `BlockingTransport.handle_request` does.

        Raises:
            httpx.TransportError: no answer came.
        """
        try:
            answer = await self._pool.handle_async_request(_translate_request(request))
        except _CAUGHT as error:
            raise translate_error(error) from error
        return _make_response(answer, _AwaitedBody(answer))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


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
