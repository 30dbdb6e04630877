"""The asynchronous receipt: the methods of `Receipt`, run in worker threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar

import anyio

from .._core import ForkAware, watch_forks
from ..client import finish_in_thread, run_in_thread
from ..errors import EdocError
from .inbound import Receipt, attach_observation, detach_observation

P = ParamSpec("P")
R = TypeVar("R")

_HANDLER_THREADS = 4  # calls of one receipt at a time


class ThreadRunner(ForkAware):
    """Runs calls in worker threads, a limited number at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._limiter: anyio.CapacityLimiter | None = None
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin with nobody at work."""
        self._limiter = None

    async def run(self, work: Callable[[], R], *, hurry: Callable[[], object] | None = None) -> R:
        """Run a call; a cancelled caller waits for it, so that nothing is left half done.

        Args:
            work: the call.
            hurry: has the call end soon, where the caller is cancelled.
        """
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._limit)
        return await run_in_thread(work, limiter=self._limiter, hurry=hurry)


def _as_receipt_coroutine(
    method: Callable[Concatenate[Receipt, P], R],
) -> Callable[Concatenate[AsyncReceipt, P], Coroutine[Any, Any, R]]:
    """Make a method of `Receipt` awaited."""

    @functools.wraps(method)
    async def call(self: AsyncReceipt, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._threads.run(functools.partial(method, self.blocking, *args, **kwargs))

    return call


class _ReceiptProperty(Generic[R]):
    """A property of `Receipt`, as it is."""

    def __init__(self, read: Callable[[Receipt], R]) -> None:
        self._read = read

    def __get__(self, instance: AsyncReceipt, owner: type[AsyncReceipt]) -> R:
        return self._read(instance.blocking)


class AsyncReceipt:
    """A packet that came in, for asynchronous code: see `Receipt`. ``async with`` handles it.

    Args:
        receipt: the blocking receipt. Those that `AsyncConnector.receive` hands out are loaded; of others, await `load`
            before using what is in the packet.
        threads: where its methods run.

    Attributes:
        blocking: the blocking receipt.
    """

    accept = _as_receipt_coroutine(Receipt.accept)
    reject = _as_receipt_coroutine(Receipt.reject)
    assign = _as_receipt_coroutine(Receipt.assign)
    processing = _as_receipt_coroutine(Receipt.processing)
    complete = _as_receipt_coroutine(Receipt.complete)
    agree_change = _as_receipt_coroutine(Receipt.agree_change)
    refuse_change = _as_receipt_coroutine(Receipt.refuse_change)
    load = _as_receipt_coroutine(Receipt.load)

    agency = _ReceiptProperty(lambda receipt: receipt.agency)
    id = _ReceiptProperty(lambda receipt: receipt.id)
    hub_doc_id = _ReceiptProperty(lambda receipt: receipt.hub_doc_id)
    state = _ReceiptProperty(lambda receipt: receipt.state)
    kind = _ReceiptProperty(lambda receipt: receipt.kind)
    business = _ReceiptProperty(lambda receipt: receipt.business)
    sender = _ReceiptProperty(lambda receipt: receipt.sender)
    code = _ReceiptProperty(lambda receipt: receipt.code)
    issued_on = _ReceiptProperty(lambda receipt: receipt.issued_on)
    subject = _ReceiptProperty(lambda receipt: receipt.subject)
    received_at = _ReceiptProperty(lambda receipt: receipt.received_at)
    status = _ReceiptProperty(lambda receipt: receipt.status)
    change_requested = _ReceiptProperty(lambda receipt: receipt.change_requested)
    withdrawn = _ReceiptProperty(lambda receipt: receipt.withdrawn)
    authority = _ReceiptProperty(lambda receipt: receipt.authority)
    authority_findings = _ReceiptProperty(lambda receipt: receipt.authority_findings)
    took_effect = _ReceiptProperty(lambda receipt: receipt.took_effect)
    error = _ReceiptProperty(lambda receipt: receipt.error)
    error_vi = _ReceiptProperty(lambda receipt: receipt.error_vi)
    traceback = _ReceiptProperty(lambda receipt: receipt.traceback)
    document = _ReceiptProperty(lambda receipt: receipt.document)
    attachments = _ReceiptProperty(lambda receipt: receipt.attachments)
    status_message = _ReceiptProperty(lambda receipt: receipt.status_message)
    verification = _ReceiptProperty(lambda receipt: receipt.verification)
    findings = _ReceiptProperty(lambda receipt: receipt.findings)

    def __init__(self, receipt: Receipt, threads: ThreadRunner) -> None:
        self.blocking = receipt
        self._threads = threads

    def __repr__(self) -> str:
        return f"<Async{repr(self.blocking)[1:]}"

    async def __aenter__(self) -> Self:
        try:
            await self._threads.run(self.blocking.__enter__)
        except anyio.get_cancelled_exc_class() as cancelled:  # it was entered all the same, and nobody will leave it
            await self._leave(cancelled)
            raise
        attach_observation(self.blocking)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        detach_observation(self.blocking)
        # A cancelled block still gives its packet back.
        await finish_in_thread(functools.partial(self.blocking.__exit__, kind, error, trace))

    async def _leave(self, error: BaseException) -> None:
        if self.blocking.inside:
            await finish_in_thread(functools.partial(self.blocking.__exit__, type(error), error, error.__traceback__))


def load_for_handler(receipt: Receipt) -> AsyncReceipt:
    """Load a receipt for a coroutine function, as far as it can be read. Blocking."""
    try_load(receipt)
    return AsyncReceipt(receipt, ThreadRunner(_HANDLER_THREADS))


def try_load(receipt: Receipt) -> None:
    """Load a receipt, as far as it can be read: what is wrong with its file shows when the caller uses it."""
    with suppress(EdocError):
        receipt.load()
