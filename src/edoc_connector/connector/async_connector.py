"""The asynchronous connector: the methods of `Connector`, run in worker threads.

Signing, hashing, the database and files block anyway, so the blocking code is the code; nothing is written twice.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from contextlib import aclosing
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack

import anyio

from .._core import Page, Text, iterate_pages_async
from ..client import finish_in_thread
from ..config import Settings
from ..edxml import Document
from ..errors import HubError, StoreError, TransportError
from ..hubs import Progress
from ..signing import Signer
from ..store import MAX_LIMIT, DirectoryRow
from .async_receipt import AsyncReceipt, ThreadRunner, try_load
from .connector import WATCH_SECONDS, Connector, log_passing_error
from .delivery import Delivery
from .handlers import HandlerRegistration, Handlers
from .inbound import Receipt, ReceiveInterruption
from .lists import DeliveryFilters, ReceiptFilters
from .outbound import SendResult, send_each_async

P = ParamSpec("P")
R = TypeVar("R")


def _as_connector_coroutine(
    method: Callable[Concatenate[Connector, P], R],
) -> Callable[Concatenate[AsyncConnector, P], Coroutine[Any, Any, R]]:
    """Make a method of `Connector` awaited."""

    @functools.wraps(method)
    async def call(self: AsyncConnector, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._threads.run(functools.partial(method, self.blocking, *args, **kwargs))

    return call


class AsyncConnector(HandlerRegistration):
    """Sends and receives documents, for asynchronous code: see `Connector`. Use it with ``async with``.

    What is registered with `on_receipt`, `on_status` and `on_expired` is called by ``edoc worker --handlers
    module:connector``, for which the connector need not be open. Functions are called in threads; coroutine functions
    on one event loop, with an `AsyncReceipt`.

    Args:
        settings: see `Settings`.
        signer: the key, instead of the one in the settings.
        on_progress: told how far a packet is on the wire, from a worker thread.

    Attributes:
        handlers: the application, for a worker.
    """

    send = _as_connector_coroutine(Connector.send)
    queue = _as_connector_coroutine(Connector.queue)
    preview = _as_connector_coroutine(Connector.preview)
    recall = _as_connector_coroutine(Connector.recall)
    update = _as_connector_coroutine(Connector.update)
    replace = _as_connector_coroutine(Connector.replace)
    take_back = _as_connector_coroutine(Connector.take_back)
    reconcile = _as_connector_coroutine(Connector.reconcile)
    settle = _as_connector_coroutine(Connector.settle)
    resend = _as_connector_coroutine(Connector.resend)
    explain = _as_connector_coroutine(Connector.explain)
    evidence = _as_connector_coroutine(Connector.evidence)
    archive_evidence = _as_connector_coroutine(Connector.archive_evidence)
    restore_evidence = _as_connector_coroutine(Connector.restore_evidence)
    archive = _as_connector_coroutine(Connector.archive)
    hold = _as_connector_coroutine(Connector.hold)
    release_hold = _as_connector_coroutine(Connector.release_hold)
    holds = _as_connector_coroutine(Connector.holds)
    prune = _as_connector_coroutine(Connector.prune)
    fsck = _as_connector_coroutine(Connector.fsck)
    rewrite_spool = _as_connector_coroutine(Connector.rewrite_spool)
    backup = _as_connector_coroutine(Connector.backup)
    hubs = _as_connector_coroutine(Connector.hubs)
    switch_hub = _as_connector_coroutine(Connector.switch_hub)
    drain_hub = _as_connector_coroutine(Connector.drain_hub)
    find_other_store = _as_connector_coroutine(Connector.find_other_store)
    restored = _as_connector_coroutine(Connector.restored)
    begin_restore = _as_connector_coroutine(Connector.begin_restore)
    finish_restore = _as_connector_coroutine(Connector.finish_restore)
    delivery = _as_connector_coroutine(Connector.delivery)
    deliveries = _as_connector_coroutine(Connector.deliveries)
    register = _as_connector_coroutine(Connector.register)
    checks = _as_connector_coroutine(Connector.checks)
    flush = _as_connector_coroutine(Connector.flush)
    sync_directory = _as_connector_coroutine(Connector.sync_directory)
    sync_agencies = _as_connector_coroutine(Connector.sync_agencies)
    find_agencies = _as_connector_coroutine(Connector.find_agencies)
    agency = _as_connector_coroutine(Connector.agency)
    import_agencies = _as_connector_coroutine(Connector.import_agencies)
    import_documents = _as_connector_coroutine(Connector.import_documents)
    find_import = _as_connector_coroutine(Connector.find_import)
    undo_import = _as_connector_coroutine(Connector.undo_import)
    check_recipients = _as_connector_coroutine(Connector.check_recipients)
    directory = _as_connector_coroutine(Connector.directory)

    def __init__(
        self, settings: Settings, *, signer: Signer | None = None, on_progress: Progress | None = None
    ) -> None:
        self.settings = settings
        self.handlers = Handlers()
        self._open_blocking = functools.partial(Connector, settings, signer=signer, on_progress=on_progress)
        self._threads = ThreadRunner(settings.limits.threads)
        self._blocking: Connector | None = None

    @classmethod
    def open(
        cls, settings: Settings | str | Path, *, signer: Signer | None = None, on_progress: Progress | None = None
    ) -> Self:
        """Make a connector for ``async with``, which opens it. Arguments and errors as for `Connector.open`."""
        loaded_settings = settings if isinstance(settings, Settings) else Settings.load(settings)
        return cls(loaded_settings, signer=signer, on_progress=on_progress)

    @property
    def blocking(self) -> Connector:
        """The blocking connector behind it.

        Raises:
            StoreError: it is not open; also a RuntimeError.
        """
        if self._blocking is None:
            raise _NotOpen(
                "the connector is not open: use it in `async with`",
                vi="kết nối chưa mở: hãy dùng trong khối `async with`",
            )
        return self._blocking

    async def __aenter__(self) -> Self:
        try:
            await self._threads.run(self._open)
        except anyio.get_cancelled_exc_class():  # it was opened all the same, and nobody will close it
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for what `send_many` began, give back what was handed out and not handled, and close all connections."""
        connector, self._blocking = self._blocking, None
        if connector is not None:
            await finish_in_thread(connector.close)

    def _open(self) -> None:
        self._blocking = self._open_blocking()

    def send_many(
        self,
        documents: Iterable[Document] | AsyncIterable[Document],
        *,
        at_once: int | None = None,
        deadline: datetime | timedelta | None = None,
        use_successors: bool = False,
        queue: bool = False,
    ) -> AsyncGenerator[SendResult]:
        """Send many documents, several at a time; see `Connector.send_many`.

        A task that is cancelled while it waits for a result ends when everything that was begun has. Where the loop is
        left otherwise, by ``break`` or while its body runs, `close` waits for that; to wait sooner, wrap the loop in
        `contextlib.aclosing`.

        Args:
            documents: the documents; taken on the event loop, by ``async for`` where that is possible.
            at_once: how many are worked on at a time, as for `Connector.send_many`.
            deadline: as for `Connector.send`, of each.
            use_successors: as for `Connector.send`.
            queue: whether to store and sign only, as `Connector.queue` does.

        Raises:
            InvalidQuery: `at_once` is out of bounds.
        """
        batch = self.blocking._begin_batch(at_once, deadline=deadline, use_successors=use_successors, queue=queue)
        return send_each_async(batch, documents, self._threads.run)

    async def receive(self) -> AsyncGenerator[AsyncReceipt]:
        """Poll the hub once; see `Connector.receive`. Each packet is loaded before it is handed out.

        A task that is cancelled in it (`asyncio.Task.cancel`, `asyncio.timeout`) ends with `asyncio.CancelledError` as
        soon as the threads have: what was claimed and not handed out is given back before.
        """
        reception = _Reception(self.blocking)
        try:
            while (receipt := await self._threads.run(reception.load_next, hurry=reception.stop)) is not None:
                yield AsyncReceipt(receipt, self._threads)
        finally:
            # Whoever leaves early leaves threads that are at the hub: they are waited for elsewhere than on the loop.
            await finish_in_thread(reception.close)

    async def watch(self, *, every: float = WATCH_SECONDS) -> AsyncGenerator[AsyncReceipt]:
        """Receive again and again, until the loop is left or its task is cancelled; see `Connector.watch`.

        Cancelling gives back what was not handled, as with `receive`. Where the loop is left by ``break`` and the
        task goes on, wrap it in `contextlib.aclosing`.

        Args:
            every: seconds between the end of a poll's packets and the next poll.
        """
        while True:
            try:
                async with aclosing(self.receive()) as received:
                    async for receipt in received:
                        yield receipt
            except (HubError, TransportError) as error:
                log_passing_error(error, every)
            await anyio.sleep(every)

    async def receipt(self, document_id: str, *, sender: str | None = None) -> AsyncReceipt:
        """Find a document that came in; see `Connector.receipt`."""
        return AsyncReceipt(
            await self._threads.run(functools.partial(self.blocking.receipt, document_id, sender=sender)), self._threads
        )

    def iter_deliveries(self, **filters: Unpack[DeliveryFilters]) -> AsyncIterator[Delivery]:
        """Walk through all deliveries; see `Connector.iter_deliveries`."""
        return iterate_pages_async(lambda after: self.deliveries(limit=MAX_LIMIT, after=after, **filters))

    async def receipts(
        self, *, limit: int | None = None, after: str | None = None, **filters: Unpack[ReceiptFilters]
    ) -> Page[AsyncReceipt]:
        """List a page of the packets that came in; see `Connector.receipts`."""
        work = functools.partial(self.blocking.receipts, limit=limit, after=after, **filters)
        page = await self._threads.run(work)
        return Page((AsyncReceipt(receipt, self._threads) for receipt in page), next=page.next)

    async def unanswered(self, *, limit: int = 100) -> list[AsyncReceipt]:
        """List the documents that nobody accepted or rejected in time; see `Connector.unanswered`."""
        found = await self._threads.run(functools.partial(self.blocking.unanswered, limit=limit))
        return [AsyncReceipt(receipt, self._threads) for receipt in found]

    def iter_receipts(self, **filters: Unpack[ReceiptFilters]) -> AsyncIterator[AsyncReceipt]:
        """Walk through all packets that came in; see `Connector.iter_receipts`."""
        return iterate_pages_async(lambda after: self.receipts(limit=MAX_LIMIT, after=after, **filters))

    def iter_directory(self, *, active: bool | None = None) -> AsyncIterator[DirectoryRow]:
        """Walk through the whole directory; see `Connector.iter_directory`."""
        return iterate_pages_async(lambda after: self.directory(active=active, limit=MAX_LIMIT, after=after))

    async def recheck(self, hub_doc_id: str) -> AsyncReceipt:
        """Verify a packet once more; see `Connector.recheck`."""
        receipt = await self._threads.run(functools.partial(self.blocking.recheck, hub_doc_id))
        return AsyncReceipt(receipt, self._threads)


class _NotOpen(StoreError, RuntimeError):
    """The connector is not open, or was closed."""


class _Reception:
    """A call of `Connector.receive` that may be stopped while it runs in a thread.

    Args:
        connector: the connector.
    """

    def __init__(self, connector: Connector) -> None:
        self._interruption = ReceiveInterruption()
        self._iterator = connector._receive_until(self._interruption)
        self._loaded: Receipt | None = None

    def load_next(self) -> Receipt | None:
        """Take the next receipt and load it, as far as it can be read; None where there is none, or nobody waits."""
        self._loaded = receipt = next(self._iterator, None)
        if receipt is not None:
            try_load(receipt)
        return receipt

    def stop(self) -> None:
        """Have `load_next` return soon. Does not wait."""
        self._interruption.set()

    def close(self) -> None:
        """End the call; what was claimed and not handed out is given back."""
        self._iterator.close()
        if self._interruption.is_set() and self._loaded is not None:  # nobody was there to take it
            self._loaded.give_back(Text("not handed out", "chưa giao"))
