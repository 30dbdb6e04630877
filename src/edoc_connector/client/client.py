"""Clients for a hub: `HubClient` blocks, `AsyncHubClient` awaits. Both drive a dialect's flows over httpx.

Each of their methods is declared once, from the dialect's own: same parameters, and the result instead of the flow.
The exchanges below are those of `edoc_connector.client.transport`; `edoc_connector.client.messages` says what their
failures mean.
"""

from __future__ import annotations

import functools
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeAlias, TypeVar, cast

import anyio
import httpx
import tenacity

from .._core import Text, get_logger, release_frames
from ..errors import EdocError, HubError, NotSent
from ..hubs import Authenticator, Dialect, FileBody, Flow, Vxp, WireRequest, WireResponse, arun, run
from .bodies import AnswerSink, Upload
from .messages import EXCHANGE_ERRORS, build_missing_call_error, build_transport_error, is_tls_failure
from .pacing import Pace
from .sessions import LoginWait, adrive, drive, open_session
from .shared_transports import SharedTransports
from .threads import run_in_thread
from .tls_failures import explain_tls_failure
from .transport import (
    ClientSettings,
    RequestBody,
    TimeLimit,
    build_async_transport,
    build_blocking_transport,
    build_request_headers,
    build_timeout_extensions,
    parse_address,
    parse_answer_headers,
)

__all__ = ["AsyncHubClient", "ClientSettings", "HubClient"]

P = ParamSpec("P")
R = TypeVar("R")
_FlowMethod: TypeAlias = Callable[Concatenate[Any, P], Flow[R]]

_log = get_logger("edoc_connector.client")


def _as_blocking_call(method: _FlowMethod[P, R]) -> Callable[Concatenate[HubClient, P], R]:
    @functools.wraps(method)
    def call(self: HubClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.call(_find_dialect_method(self.dialect, method), *args, **kwargs)

    return call


def _as_awaited_call(method: _FlowMethod[P, R]) -> Callable[Concatenate[AsyncHubClient, P], Coroutine[Any, Any, R]]:
    @functools.wraps(method)
    async def call(self: AsyncHubClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self.call(_find_dialect_method(self.dialect, method), *args, **kwargs)

    return call


def _find_dialect_method(dialect: Dialect, method: _FlowMethod[P, R]) -> Callable[P, Flow[R]]:
    """Find the dialect's own method of a name; the given one only lends its signature."""
    name = method.__name__
    dialect_method: Callable[P, Flow[R]] | None = getattr(dialect, name, None)
    if dialect_method is None:
        raise build_missing_call_error(type(dialect).__name__, name)
    return dialect_method


class HubClient:
    """A client that blocks. It holds one pool of connections and may be used from several threads.

    Methods are those of the dialect. Calls that fail in a way that makes another attempt safe are repeated, each time
    as a fresh flow with new time stamps.

    Args:
        dialect: the hub and its protocol.
        settings: time-outs, attempts, TLS, proxy.
        authenticator: lets requests pass what stands in front of the hub; the dialect's own where it is left out.
        transports: connections that clients of other agencies use too; left out, they are this client's alone.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """

    send = _as_blocking_call(Dialect.send)
    list_waiting = _as_blocking_call(Dialect.list_waiting)
    fetch = _as_blocking_call(Dialect.fetch)
    confirm = _as_blocking_call(Dialect.confirm)
    sent_state = _as_blocking_call(Dialect.sent_state)
    agencies = _as_blocking_call(Dialect.agencies)

    download_edoc = _as_blocking_call(Vxp.download_edoc)
    get_edoc = _as_blocking_call(Vxp.get_edoc)
    agencies_qd20 = _as_blocking_call(Vxp.agencies_qd20)
    agency_changes = _as_blocking_call(Vxp.agency_changes)
    register_agency = _as_blocking_call(Vxp.register_agency)
    delete_agency = _as_blocking_call(Vxp.delete_agency)
    count_received_edoc = _as_blocking_call(Vxp.count_received_edoc)
    count_received_status = _as_blocking_call(Vxp.count_received_status)

    def __init__(
        self,
        dialect: Dialect,
        settings: ClientSettings | None = None,
        *,
        authenticator: Authenticator | None = None,
        transports: SharedTransports | None = None,
    ) -> None:
        self.dialect = dialect
        self.settings = settings or ClientSettings()
        self._session = open_session(dialect, authenticator)
        self._transport: httpx.BaseTransport = (
            build_blocking_transport(self.settings)
            if transports is None
            else transports.lend(str(getattr(dialect, "endpoint", "")), self.settings)
        )
        self._retrying = tenacity.Retrying(sleep=time.sleep, **_build_retry_options(self.settings))
        self._extensions = build_timeout_extensions(self.settings)
        self._pace = Pace.of_hub(dialect, self.settings.calls_a_minute)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def call(self, make: Callable[P, Flow[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make any call of any dialect, repeated where that is safe.

        Args:
            make: method that makes the flow, such as ``client.dialect.list_waiting``; called anew for each attempt.
            args: its arguments.
            kwargs: its arguments by name.
        """
        try:
            return self.run(make(*args, **kwargs))
        except EdocError as error:
            first_error = [error]

        def attempt() -> R:
            if first_error:  # the first attempt is over; only the later ones need the machinery of retrying
                raise first_error.pop()
            return self.run(make(*args, **kwargs))

        try:
            return self._retrying(attempt)
        except EdocError as error:
            release_frames(error)
            raise

    def run(self, flow: Flow[R]) -> R:
        """Drive one flow, once, with a token where there is an authenticator.

        Before it, wait for its place where the hub takes so many calls a minute.
        """
        if seconds := self._pace.reserve():  # before the flow puts its time stamp into a request
            time.sleep(seconds)
        session = self._session
        if session is None:
            return run(flow, self._perform)
        wait = self.settings.total
        return run(flow, lambda request: drive(session.exchange(request), self._perform, longest_wait=wait))

    def _perform(self, request: WireRequest) -> WireResponse:
        with Upload(request) as upload:
            try:
                with TimeLimit(_compute_first_seconds(self.settings, request)) as limit:
                    return self._exchange(request, upload, limit)
            except EXCHANGE_ERRORS as error:
                tls = explain_tls_failure(error, request.url, self.settings) if is_tls_failure(error) else None
                transport_error = build_transport_error(error, request, handed_over=upload.handed_over, tls=tls)
        raise transport_error  # outside of the handler: what httpx raised refers to the request and its signed headers

    def _exchange(self, request: WireRequest, upload: Upload, limit: TimeLimit) -> WireResponse:
        body = RequestBody(self._read_upload(upload, limit))
        answer = self._transport.handle_request(_build_request(request, upload, body, self))
        try:
            with AnswerSink(request, answer.status_code, parse_answer_headers(answer.headers.raw)) as sink:
                _log_exchange(request, answer.status_code)
                for chunk in cast(httpx.SyncByteStream, answer.stream):
                    limit.deadline += self.settings.compute_transfer_seconds(len(chunk))
                    sink.write(chunk)
                return sink.finish()
        finally:
            answer.close()

    def _read_upload(self, upload: Upload, limit: TimeLimit) -> Iterator[bytes]:
        for piece in upload:
            limit.deadline += self.settings.compute_transfer_seconds(len(piece))
            yield piece


class AsyncHubClient:
    """A client that awaits. Methods, arguments and errors are those of `HubClient`.

    Work on files, hashing included, is done in worker threads, and `on_progress` is called there.

    Args:
        dialect: the hub and its protocol.
        settings: time-outs, attempts, TLS, proxy.
        authenticator: lets requests pass what stands in front of the hub; the dialect's own where it is left out.

    Raises:
        ConfigError: a certificate, key or proxy in the settings cannot be used.
    """

    send = _as_awaited_call(Dialect.send)
    list_waiting = _as_awaited_call(Dialect.list_waiting)
    fetch = _as_awaited_call(Dialect.fetch)
    confirm = _as_awaited_call(Dialect.confirm)
    sent_state = _as_awaited_call(Dialect.sent_state)
    agencies = _as_awaited_call(Dialect.agencies)

    download_edoc = _as_awaited_call(Vxp.download_edoc)
    get_edoc = _as_awaited_call(Vxp.get_edoc)
    agencies_qd20 = _as_awaited_call(Vxp.agencies_qd20)
    agency_changes = _as_awaited_call(Vxp.agency_changes)
    register_agency = _as_awaited_call(Vxp.register_agency)
    delete_agency = _as_awaited_call(Vxp.delete_agency)
    count_received_edoc = _as_awaited_call(Vxp.count_received_edoc)
    count_received_status = _as_awaited_call(Vxp.count_received_status)

    def __init__(
        self,
        dialect: Dialect,
        settings: ClientSettings | None = None,
        *,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.dialect = dialect
        self.settings = settings or ClientSettings()
        self._session = open_session(dialect, authenticator)
        self._transport = build_async_transport(self.settings)
        self._extensions = build_timeout_extensions(self.settings)
        self._pace = Pace.of_hub(dialect, self.settings.calls_a_minute)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def call(self, make: Callable[P, Flow[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make any call of any dialect, repeated where that is safe. See `HubClient.call`."""

        async def attempt() -> R:
            return await self.run(make(*args, **kwargs))

        try:
            return await tenacity.AsyncRetrying(sleep=anyio.sleep, **_build_retry_options(self.settings))(attempt)
        except EdocError as error:
            release_frames(error)
            raise

    async def run(self, flow: Flow[R]) -> R:
        """Drive one flow, once, as `HubClient` does."""
        if seconds := self._pace.reserve():
            await anyio.sleep(seconds)
        session = self._session
        if session is None:
            return await arun(flow, self._perform, offload=run_in_thread)
        return await arun(
            flow,
            lambda request: adrive(session.exchange(request), self._perform, self._wait_for_login),
            offload=run_in_thread,
        )

    async def _wait_for_login(self, wait: LoginWait) -> None:
        await run_in_thread(functools.partial(wait.wait, self.settings.total), hurry=wait.done.set)

    async def _perform(self, request: WireRequest) -> WireResponse:
        with await _open_upload(request) as upload:
            try:
                with anyio.fail_after(_compute_first_seconds(self.settings, request)) as scope:
                    return await self._exchange(request, upload, scope)
            except EXCHANGE_ERRORS as error:
                tls = await _explain_in_thread(error, request.url, self.settings) if is_tls_failure(error) else None
                transport_error = build_transport_error(error, request, handed_over=upload.handed_over, tls=tls)
        raise transport_error  # outside of the handler, as in HubClient

    async def _exchange(self, request: WireRequest, upload: Upload, scope: anyio.CancelScope) -> WireResponse:
        body = RequestBody(async_pieces=self._read_upload(upload, scope))
        answer = await self._transport.handle_async_request(_build_request(request, upload, body, self))
        try:
            with AnswerSink(request, answer.status_code, parse_answer_headers(answer.headers.raw)) as sink:
                _log_exchange(request, answer.status_code)
                async for chunk in cast(httpx.AsyncByteStream, answer.stream):
                    scope.deadline += self.settings.compute_transfer_seconds(len(chunk))
                    await _write_chunk(sink, chunk)
                return sink.finish()
        finally:
            with anyio.CancelScope(shield=True):  # a connection that was cut short is closed in any case
                await answer.aclose()

    async def _read_upload(self, upload: Upload, scope: anyio.CancelScope) -> AsyncIterator[bytes]:
        async for piece in _read_in_threads(upload):
            scope.deadline += self.settings.compute_transfer_seconds(len(piece))
            yield piece


def _compute_first_seconds(settings: ClientSettings, request: WireRequest) -> float:
    """Compute the seconds that an exchange begins with.

    Each piece of a body adds its own when it goes out or comes in: what is only announced adds none, or a hub that
    announces gigabytes and lets bytes drip would hold a thread for days.
    """
    in_one_piece = len(request.body) if isinstance(request.body, bytes) else 0
    return settings.total + settings.compute_transfer_seconds(in_one_piece)


async def _explain_in_thread(error: Exception, url: str, settings: ClientSettings) -> Text | None:
    return await anyio.to_thread.run_sync(explain_tls_failure, error, url, settings)


def _log_exchange(request: WireRequest, status: int) -> None:
    """Log an exchange: method, address and status; no parameters, headers or bodies, which may hold secrets."""
    _log.debug("%s %s: %d", request.method, request.url.partition("?")[0], status)


def _build_request(
    request: WireRequest, upload: Upload, body: RequestBody, client: HubClient | AsyncHubClient
) -> httpx.Request:
    """Build the request for httpx's transports; a body in memory goes out in one piece."""
    target = parse_address(request.url)
    return httpx.Request(
        request.method,
        target,
        headers=build_request_headers(request, target.netloc, upload.length, client.settings.headers),
        stream=httpx.ByteStream(request.body) if isinstance(request.body, bytes) else body,
        extensions=client._extensions,
    )


async def _open_upload(request: WireRequest) -> Upload:
    if isinstance(request.body, FileBody) and request.body.content is None:
        return await run_in_thread(functools.partial(Upload, request))
    return Upload(request)


async def _read_in_threads(upload: Upload) -> AsyncIterator[bytes]:
    chunks = iter(upload)
    if not upload.may_block:
        for piece in chunks:
            yield piece
        return
    while (chunk := await run_in_thread(functools.partial(next, chunks, None))) is not None:
        yield chunk


async def _write_chunk(sink: AnswerSink, chunk: bytes) -> None:
    if sink.on_disk:
        await run_in_thread(functools.partial(sink.write, chunk))
    else:
        sink.write(chunk)


def _build_retry_options(settings: ClientSettings) -> dict[str, Any]:
    return {
        "stop": tenacity.stop_after_attempt(settings.attempts),
        "wait": functools.partial(_compute_wait, settings),
        "retry": tenacity.retry_if_exception(is_safe_to_retry),
        "before_sleep": _log_failed_attempt,
        "reraise": True,
    }


def is_safe_to_retry(error: BaseException) -> bool:
    """Tell whether a call may be made again at once: it never left, or the hub answered that it may.

    That is about one call, in the same thread. What becomes of a *message* whose calls failed, and when it is sent
    again, is decided in `connector/_retry`.
    """
    return isinstance(error, NotSent) or (isinstance(error, HubError) and error.retryable)


def _compute_wait(settings: ClientSettings, state: tenacity.RetryCallState) -> float:
    """Compute a wait: the hub's Retry-After up to the cap, and a random time that keeps clients from coming in step."""
    error = state.outcome.exception() if state.outcome is not None else None
    hub_wait = error.retry_after if isinstance(error, HubError) and error.retry_after is not None else 0.0
    backoff = min(settings.backoff_cap, settings.backoff * 2.0 ** (state.attempt_number - 1))
    return min(hub_wait, settings.retry_after_cap) + random.uniform(0.0, backoff)  # noqa: S311 - no secret, only spread


def _log_failed_attempt(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    _log.warning("attempt %d failed: %s; again in %.1f s", state.attempt_number, error, state.upcoming_sleep)
