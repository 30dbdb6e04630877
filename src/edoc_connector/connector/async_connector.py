"""The connector for asynchronous code: the same methods, run in worker threads.

Signing, hashing, the database and files block anyway, so the blocking code is the code; nothing is written twice.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

import anyio
import anyio.to_thread

from ..config import Settings
from ..errors import EdocError
from ..hubs import Progress
from ..signing import Signer
from ..store import ReceiptState
from .connector import Connector
from .handlers import Handlers, Handling
from .inbound.receipt import Receipt

P = ParamSpec("P")
R = TypeVar("R")

_FOR_A_HANDLER = 4  # calls of one receipt at a time


class _Threads:
    """Runs calls in worker threads, a limited number at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, work: Callable[[], R]) -> R:
        """Run a call; a cancelled caller waits for it, so that nothing is left half done."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._limit)
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)


def _awaited(
    method: Callable[Concatenate[Connector, P], R],
) -> Callable[Concatenate[AsyncConnector, P], Coroutine[Any, Any, R]]:
    """A method of `Connector`, awaited."""

    @functools.wraps(method)
    async def call(self: AsyncConnector, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._threads.run(functools.partial(method, self.blocking, *args, **kwargs))

    return call


def _answered(
    method: Callable[Concatenate[Receipt, P], R],
) -> Callable[Concatenate[AsyncReceipt, P], Coroutine[Any, Any, R]]:
    """A method of `Receipt`, awaited."""

    @functools.wraps(method)
    async def call(self: AsyncReceipt, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._threads.run(functools.partial(method, self.blocking, *args, **kwargs))

    return call


class _Shown(Generic[R]):
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

    accept = _answered(Receipt.accept)
    reject = _answered(Receipt.reject)
    assign = _answered(Receipt.assign)
    processing = _answered(Receipt.processing)
    complete = _answered(Receipt.complete)
    agree_change = _answered(Receipt.agree_change)
    refuse_change = _answered(Receipt.refuse_change)
    load = _answered(Receipt.load)

    agency = _Shown(lambda receipt: receipt.agency)
    id = _Shown(lambda receipt: receipt.id)
    hub_doc_id = _Shown(lambda receipt: receipt.hub_doc_id)
    state = _Shown(lambda receipt: receipt.state)
    kind = _Shown(lambda receipt: receipt.kind)
    business = _Shown(lambda receipt: receipt.business)
    sender = _Shown(lambda receipt: receipt.sender)
    code = _Shown(lambda receipt: receipt.code)
    issued_on = _Shown(lambda receipt: receipt.issued_on)
    subject = _Shown(lambda receipt: receipt.subject)
    received_at = _Shown(lambda receipt: receipt.received_at)
    status = _Shown(lambda receipt: receipt.status)
    change_requested = _Shown(lambda receipt: receipt.change_requested)
    withdrawn = _Shown(lambda receipt: receipt.withdrawn)
    error = _Shown(lambda receipt: receipt.error)
    error_vi = _Shown(lambda receipt: receipt.error_vi)
    traceback = _Shown(lambda receipt: receipt.traceback)
    document = _Shown(lambda receipt: receipt.document)
    attachments = _Shown(lambda receipt: receipt.attachments)
    status_message = _Shown(lambda receipt: receipt.status_message)
    verification = _Shown(lambda receipt: receipt.verification)
    findings = _Shown(lambda receipt: receipt.findings)

    def __init__(self, receipt: Receipt, threads: _Threads) -> None:
        self.blocking = receipt
        self._threads = threads

    def __repr__(self) -> str:
        return f"<Async{repr(self.blocking)[1:]}"

    async def __aenter__(self) -> Self:
        await self._threads.run(self.blocking.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A cancelled block still gives its packet back.
        with anyio.CancelScope(shield=True):
            await self._threads.run(functools.partial(self.blocking.__exit__, kind, error, trace))


class AsyncConnector(Handling):
    """Sends and receives documents, for asynchronous code: see `Connector`. Use it with ``async with``.

    What is registered with `on_receipt` and `on_status` is called by ``edoc worker --handlers module:connector``, for
    which the connector need not be open. Functions are called in threads; coroutine functions on one event loop, with
    an `AsyncReceipt`.

    Args:
        settings: see `Settings`.
        signer: the key, instead of the one in the settings.
        on_progress: told how far a packet is on the wire, from a worker thread.

    Attributes:
        handlers: the application, for a worker.
    """

    send = _awaited(Connector.send)
    recall = _awaited(Connector.recall)
    update = _awaited(Connector.update)
    replace = _awaited(Connector.replace)
    take_back = _awaited(Connector.take_back)
    reconcile = _awaited(Connector.reconcile)
    settle = _awaited(Connector.settle)
    explain = _awaited(Connector.explain)
    evidence = _awaited(Connector.evidence)
    prune = _awaited(Connector.prune)
    fsck = _awaited(Connector.fsck)
    delivery = _awaited(Connector.delivery)
    deliveries = _awaited(Connector.deliveries)
    flush = _awaited(Connector.flush)
    sync_directory = _awaited(Connector.sync_directory)
    directory = _awaited(Connector.directory)

    def __init__(
        self, settings: Settings, *, signer: Signer | None = None, on_progress: Progress | None = None
    ) -> None:
        self.settings = settings
        self.handlers = Handlers()
        self._open = functools.partial(Connector, settings, signer=signer, on_progress=on_progress)
        self._threads = _Threads(settings.limits.threads)
        self._blocking: Connector | None = None

    @classmethod
    def open(
        cls, settings: Settings | str | Path, *, signer: Signer | None = None, on_progress: Progress | None = None
    ) -> Self:
        """A connector to be used with ``async with``, which opens it. Arguments and errors as for `Connector.open`."""
        loaded = settings if isinstance(settings, Settings) else Settings.load(settings)
        return cls(loaded, signer=signer, on_progress=on_progress)

    @property
    def blocking(self) -> Connector:
        """The blocking connector behind it.

        Raises:
            RuntimeError: it is not open.
        """
        if self._blocking is None:
            raise RuntimeError("the connector is not open: use it in `async with`")
        return self._blocking

    async def __aenter__(self) -> Self:
        self._blocking = await self._threads.run(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.close()

    async def close(self) -> None:
        """Give back what was handed out and not handled, and close every connection."""
        if self._blocking is not None:
            await self._threads.run(self._blocking.close)
            self._blocking = None

    async def receive(self) -> AsyncIterator[AsyncReceipt]:
        """Poll the hub once; see `Connector.receive`. Each packet is loaded before it is handed out."""
        iterator = cast("Generator[Receipt]", self.blocking.receive())
        try:
            while (receipt := await self._threads.run(functools.partial(_next_loaded, iterator))) is not None:
                yield AsyncReceipt(receipt, self._threads)
        finally:
            # Whoever leaves early leaves threads that are at the hub: they are waited for elsewhere than on the loop.
            with anyio.CancelScope(shield=True):
                await self._threads.run(iterator.close)

    async def receipt(self, document_id: str) -> AsyncReceipt:
        """A document that came in; see `Connector.receipt`."""
        return AsyncReceipt(
            await self._threads.run(functools.partial(self.blocking.receipt, document_id)), self._threads
        )

    async def receipts(
        self, *, state: ReceiptState | None = None, kind: str | None = None, limit: int | None = None
    ) -> list[AsyncReceipt]:
        """Packets that came in; see `Connector.receipts`."""
        work = functools.partial(self.blocking.receipts, state=state, kind=kind, limit=limit)
        return [AsyncReceipt(one, self._threads) for one in await self._threads.run(work)]

    async def recheck(self, hub_doc_id: str) -> AsyncReceipt:
        """Judge a packet once more; see `Connector.recheck`."""
        found = await self._threads.run(functools.partial(self.blocking.recheck, hub_doc_id))
        return AsyncReceipt(found, self._threads)


def _next_loaded(iterator: Iterator[Receipt]) -> Receipt | None:
    """The next receipt, read as far as it can be: what is wrong with its file shows when the caller uses it."""
    receipt = next(iterator, None)
    if receipt is not None:
        _load(receipt)
    return receipt


def loaded(receipt: Receipt) -> AsyncReceipt:
    """A receipt for a coroutine function, read as far as it can be. Blocking."""
    _load(receipt)
    return AsyncReceipt(receipt, _Threads(_FOR_A_HANDLER))


def _load(receipt: Receipt) -> None:
    with suppress(EdocError):
        receipt.load()
