"""Send batch: work on many documents at once, a bounded number at a time, and tell what became of each as it ends.

Whoever feeds the batch takes results out of it again, so that no more documents are in memory than are worked on. Each
that was begun ends, and is in the store by then or nowhere: a feeder that fails or leaves waits for them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias
from weakref import WeakSet

from ..._core import ForkAware, get_logger, log_exception, make_lock, watch_forks
from ...client import finish_in_thread
from ...edxml import Document
from ...errors import EdocError, InvalidQuery
from ..delivery import Delivery

log = get_logger("edoc_connector.connector")

MAX_AT_ONCE = 256

RunInThread: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
_Begun: TypeAlias = tuple[int, Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of one document of `Connector.send_many`: a delivery or an error, never both.

    Args:
        position: its place in what was given, from 0.
        document: the document.
        delivery: its delivery, as `Connector.send` gives it; None where there was an error. Where somebody else was at
            the same document, a worker for one, it is as that one left it: ``sending``, say, or ``failed``.
        error: what `Connector.send` would have raised. What is stored all the same is in `Connector.delivery`.
    """

    position: int
    document: Document
    delivery: Delivery | None = None
    error: EdocError | None = None


class SendBatch(ForkAware):
    """Documents that are sent at once, in threads. For one thread at a time; use it as a context manager.

    Args:
        send: sends one document; called from any thread, in the context of the one that began it.
        at_once: how many documents are worked on at a time, 1 to `MAX_AT_ONCE`.

    Raises:
        InvalidQuery: no such number can be worked on.
    """

    def __init__(self, send: Callable[[Document], Delivery], *, at_once: int) -> None:
        if not 1 <= at_once <= MAX_AT_ONCE:
            raise InvalidQuery(
                f"{at_once} documents cannot be sent at once: give a number from 1 to {MAX_AT_ONCE}.",
                vi=f"Không thể gửi {at_once} văn bản cùng lúc: hãy ghi số từ 1 đến {MAX_AT_ONCE}.",
            )
        self._send = send
        self._at_once = at_once
        self._reset()
        self._count = 0
        self._failure: Exception | None = None
        watch_forks(self)

    def _reset(self) -> None:
        self._threads = ThreadPoolExecutor(self._at_once, thread_name_prefix="edoc-send")
        self._begun: dict[Future[Delivery], _Begun] = {}

    def renew_after_fork(self) -> None:
        """Have begun nothing: the parent goes on with what it began, in threads that are not here."""
        self._reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def has_work(self) -> bool:
        """Whether there are documents whose result was not taken."""
        return bool(self._begun)

    def begin(self, document: Document) -> None:
        """Begin to send a document; only where fewer than `at_once` are worked on."""
        future = self._threads.submit(copy_context().run, self._send, document)
        self._begun[future] = self._count, document
        self._count += 1

    @property
    def is_full(self) -> bool:
        """Whether a result has to be taken before another document can be begun."""
        return len(self._begun) >= self._at_once

    def wait_for_one(self) -> None:
        """Wait until a document has ended whose result was not taken."""
        wait(self._begun, return_when=FIRST_COMPLETED)

    def take_ended(self) -> Iterator[SendResult]:
        """Take the results of those that have ended; one with an error that `Connector.send` does not name has none."""
        for future in [future for future in self._begun if future.done()]:
            position, document = self._begun.pop(future)
            try:
                delivery = future.result()
            except EdocError as error:
                yield SendResult(position=position, document=document, error=error)
            except Exception as error:
                self.note_failure(error)
            else:
                yield SendResult(position=position, document=document, delivery=delivery)

    def note_failure(self, error: Exception) -> None:
        """Note what ends the batch: the first such error is raised in the end, the log tells of the others."""
        if self._failure is None:
            self._failure = error
        else:
            log_exception(log, logging.ERROR, "a further document could not be sent", error=error)

    @property
    def has_failed(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._failure is not None

    def raise_failure(self) -> None:
        """Raise what ended the batch, if anything did."""
        if self._failure is not None:
            raise self._failure

    def wait_for_all(self) -> None:
        """Wait until everything that was begun has ended; from any thread. Results can be taken all the same."""
        wait(list(self._begun))

    def close(self) -> None:
        """Wait until everything that was begun has ended; the log tells of errors that nobody took."""
        self._threads.shutdown()
        for future, (position, _) in self._begun.items():
            if (error := future.exception()) is not None:
                log.warning("document %d of those given was not sent, and nobody asked why: %s", position, error)
        self._begun.clear()


class SendBatches:
    """The batches of one connector, of which any may be at work when it is closed. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._batches: WeakSet[SendBatch] = WeakSet()

    def open(self, send: Callable[[Document], Delivery], *, at_once: int) -> SendBatch:
        """Open a batch; arguments and errors as for `SendBatch`."""
        batch = SendBatch(send, at_once=at_once)
        with self._lock:
            self._batches.add(batch)
        return batch

    def wait_for_all(self) -> None:
        """Wait until everything begun has ended: a loop that was left may be closed later than its connector."""
        with self._lock:
            batches = list(self._batches)
        for batch in batches:
            batch.wait_for_all()


def send_each(batch: SendBatch, documents: Iterable[Document]) -> Iterator[SendResult]:
    """Send documents as one batch; a failure of their source is raised once everything begun has ended.

    Args:
        batch: the batch, closed in the end.
        documents: the documents, taken one by one as there is room.

    Yields:
        what became of each.
    """
    with batch:
        try:
            for document in documents:
                batch.begin(document)
                if batch.is_full:
                    batch.wait_for_one()
                yield from batch.take_ended()
                if batch.has_failed:
                    break
        except Exception as error:
            batch.note_failure(error)
        while batch.has_work:
            batch.wait_for_one()
            yield from batch.take_ended()
    batch.raise_failure()


async def send_each_async(
    batch: SendBatch, documents: Iterable[Document] | AsyncIterable[Document], threads: RunInThread
) -> AsyncGenerator[SendResult]:
    """Send documents as `send_each` does; the event loop waits for nothing.

    Args:
        batch: the batch, closed in the end, also where the task is cancelled.
        documents: the documents.
        threads: runs what blocks.
    """
    try:
        try:
            async with aclosing(_iterate(documents)) as source:
                async for document in source:
                    batch.begin(document)
                    if batch.is_full:
                        await threads(batch.wait_for_one)
                    for result in batch.take_ended():
                        yield result
                    if batch.has_failed:
                        break
        except Exception as error:
            batch.note_failure(error)
        while batch.has_work:
            await threads(batch.wait_for_one)
            for result in batch.take_ended():
                yield result
    finally:
        await finish_in_thread(batch.close)
    batch.raise_failure()


async def _iterate(documents: Iterable[Document] | AsyncIterable[Document]) -> AsyncGenerator[Document]:
    if isinstance(documents, AsyncIterable):
        async for document in documents:
            yield document
    else:
        for document in documents:
            yield document
