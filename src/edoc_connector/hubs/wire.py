"""Requests and answers as plain values, and the two drivers of a flow.

A *flow* is a generator: it yields `WireRequest`, is sent the `WireResponse`, and returns a typed result. It touches no
network, so one flow serves a blocking client, an asynchronous one and a test with answers of its own. Packets are
files: a flow may read the one it sends and put the one it received in its place.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeAlias, TypeVar

from .._core import AnyFile

R = TypeVar("R")
T = TypeVar("T")

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes done and, where known, the bytes in all, from the thread that moves them."""


@dataclass(frozen=True, slots=True)
class FileBody:
    """A request body from a file.

    Args:
        path: the file; read when the request goes out.
        tail: bytes sent after those of the file.
        content: the file's bytes, where they were read already; the file is then not opened.
        head: bytes sent before those of the file.
    """

    path: AnyFile
    tail: bytes = b""
    content: bytes | None = field(default=None, repr=False)
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One HTTP request of a dialect.

    Args:
        method: ``GET``, ``POST``…
        url: absolute URL.
        headers: in the order to send.
        body: bytes, or a file; the driver sets Content-Length and never sends chunks.
        save_to: file for a successful (2xx) body, which is then not kept in memory.
        unwrap: member of a JSON answer whose string is a file as base64; below the outermost object by names joined
            with dots. That file is written to `save_to`, decoded as it arrives; the JSON with an empty string in its
            place is kept in memory.
        unwrap_rest: most bytes of that JSON, for answers that may hold the file in other forms too: a string that
            begins as XML does is kept there then. By default 1 MiB, and the string is base64.
        limit: most bytes of answer to accept, in memory or in the file, counted after decompression and decoding.
        sends: whether the hub may have acted on the request although no answer came; decides NotSent or OutcomeUnknown.
        on_progress: called with the bytes of a file body that went out, or of a download to `save_to` that came in.
        is_login: whether it asks for a token: request and answer hold secrets, and nothing of them is kept.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | FileBody = field(default=b"", repr=False)
    save_to: Path | None = None
    unwrap: str = ""
    unwrap_rest: int | None = None
    limit: int = 64 * 1024 * 1024
    sends: bool = False
    on_progress: Progress | None = field(default=None, repr=False, compare=False)
    is_login: bool = False


@dataclass(frozen=True, slots=True)
class WireResponse:
    """The answer to a request.

    Args:
        status: HTTP status code.
        headers: names in lower case.
        body: the body, empty when it was saved; of an unwrapped answer the JSON that remains.
        saved: the file the body was written to, if the request asked for it and the status was 2xx. Of an unwrapped
            answer only if the string was there and is base64.
        damaged: whether the string of an unwrapped answer is no base64.
        sha256: of the saved bytes, hex; computed as they arrived.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    saved: Path | None = None
    damaged: bool = False
    sha256: str = ""


Flow: TypeAlias = Generator[WireRequest, WireResponse, R]


@dataclass(frozen=True, slots=True)
class FinishedFlow(Generic[R]):
    """The end of a flow, as a value: a StopIteration cannot cross threads or futures.

    Args:
        result: what the flow returned.
    """

    result: R


def advance_flow(flow: Flow[R], answer: WireResponse | None = None) -> WireRequest | FinishedFlow[R]:
    """Take one step of a flow.

    Args:
        flow: the flow.
        answer: the answer to its last request; None for the first step.
    """
    try:
        return next(flow) if answer is None else flow.send(answer)
    except StopIteration as end:
        return FinishedFlow(end.value)


def run(flow: Flow[R], perform: Callable[[WireRequest], WireResponse]) -> R:
    """Drive a flow with a blocking transport and return its result.

    Args:
        flow: the flow.
        perform: sends one request and returns the answer.
    """
    answer = None
    try:
        while True:
            try:
                request = next(flow) if answer is None else flow.send(answer)
            except StopIteration as end:
                result: R = end.value
                return result
            answer = perform(request)
    finally:
        flow.close()  # a flow that was cut short takes its unfinished files away


async def arun(
    flow: Flow[R],
    perform: Callable[[WireRequest], Awaitable[WireResponse]],
    *,
    offload: Callable[[Callable[[], WireRequest | FinishedFlow[R]]], Awaitable[WireRequest | FinishedFlow[R]]]
    | None = None,
) -> R:
    """Drive a flow with an asynchronous transport and return its result.

    Args:
        flow: the flow.
        perform: sends one request and returns the answer.
        offload: runs one step of the flow away from the event loop. A step hashes and moves files, which takes long for
            large ones.
    """

    async def take_step(answer: WireResponse | None) -> WireRequest | FinishedFlow[R]:
        if offload is None:
            return advance_flow(flow, answer)
        return await offload(lambda: advance_flow(flow, answer))

    try:
        step = await take_step(None)
        while isinstance(step, WireRequest):
            step = await take_step(await perform(step))
        return step.result
    finally:
        flow.close()
