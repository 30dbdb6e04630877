"""Registration of the application's handlers, which a worker calls for receipts and statuses.

A worker's threads block, and a coroutine needs a loop that outlives its call: connections and pools that the
application opened in one call belong to the loop of that call. So one event loop, in a thread of its own, runs all of
the application's coroutine functions.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from .._core import ForkAware, get_logger, make_lock, watch_forks
from ..edxml import StatusMessage
from ..store import Authority
from .async_receipt import AsyncReceipt, load_for_handler
from .delivery import Delivery
from .inbound import Receipt

ReceiptHandler: TypeAlias = Callable[[Receipt], object] | Callable[[AsyncReceipt], object]
StatusHandler: TypeAlias = (
    Callable[[Delivery, StatusMessage], object] | Callable[[Delivery, StatusMessage, Authority | None], object]
)

ExpiryHandler: TypeAlias = Callable[[Delivery], object]

R = TypeVar("R", bound=ReceiptHandler)
S = TypeVar("S", bound=StatusHandler)
E = TypeVar("E", bound=ExpiryHandler)

log = get_logger("edoc_connector.connector.coroutines")

CLOSE_TIMEOUT_SECONDS = 5.0
_parent_loops: list[asyncio.AbstractEventLoop] = []


class Handlers:
    """Functions that a worker calls.

    Use the methods as decorators::

        handlers = Handlers()

        @handlers.on_receipt
        def register(receipt):
            dms.save(receipt.document, receipt.attachments)
            receipt.accept()

        @handlers.on_status
        async def note(delivery, status, authority):
            await dms.note(delivery.id, status.code, authority)

    Functions run in the worker's threads. Coroutine functions run side by side on one event loop, the same one for all
    of them, in a thread of its own, and get an `AsyncReceipt`.
    """

    def __init__(self) -> None:
        self.receipts: list[Callable[[Receipt], None]] = []
        self.statuses: list[Callable[[Delivery, StatusMessage, Authority | None], None]] = []
        self.expiries: list[Callable[[Delivery], None]] = []
        self._loop = HandlerLoop()

    def on_receipt(self, handler: R) -> R:
        """Call a function with each packet that waits to be handled, as inside ``with receipt:``.

        When every such function returned, the packet is handled: it is confirmed and 01 goes out. An exception leaves
        it waiting with a back-off, and its traceback is kept (`Receipt.traceback`); after ``worker.tries`` it is set
        aside. A function may be called again for a packet if the worker dies before its success is stored: let it look
        for the DocumentId first.
        """
        is_coroutine = _is_coroutine_function(handler)
        self.receipts.append(self._as_blocking(handler, load_for_handler if is_coroutine else _as_is))
        return handler

    def on_status(self, handler: S) -> S:
        """Call a function with each status that a recipient sent, and the delivery it is about as it is by then.

        A function that takes a third argument gets who vouches that the status is the recipient's (`Authority`, or
        None). Those that may not count are not told. Statuses about one document come in their order. Exceptions and
        repetitions as for `on_receipt`.
        """
        call = self._as_blocking(handler, _as_is)
        takes_authority = _takes_authority(handler)

        def tell(delivery: Delivery, message: StatusMessage, authority: Authority | None) -> None:
            call(delivery, message, *([authority] if takes_authority else []))

        self.statuses.append(tell)
        return handler

    def on_expired(self, handler: E) -> E:
        """Call a function with each delivery whose deadline ran out before it was with every recipient.

        Nothing is sent again by itself. After an exception, which is logged, it is called again with the next poll.
        """
        self.expiries.append(self._as_blocking(handler, _as_is))
        return handler

    def close(self) -> None:
        """End the event loop of coroutine functions, where one was needed; those still running are cancelled."""
        self._loop.close()

    def _as_blocking(self, handler: Callable[..., object], convert: Callable[[Any], Any]) -> Callable[..., None]:
        """Make a handler a function that returns when it is done."""

        @functools.wraps(handler)
        def call(first: Any, *others: Any) -> None:
            result = handler(convert(first), *others)
            if inspect.isawaitable(result):
                self._loop.run(result)

        return call


def _is_coroutine_function(handler: object) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def _takes_authority(handler: Callable[..., object]) -> bool:
    """Whether a handler of statuses can be called with three arguments."""
    try:
        inspect.signature(handler).bind(None, None, None)
    except (TypeError, ValueError):  # ValueError: a callable of C that does not say
        return False
    return True


def _as_is(value: Any) -> Any:
    return value


class HandlerRegistration:
    """A connector's handlers, which ``edoc worker --handlers module:connector`` calls.

    Attributes:
        handlers: they.
    """

    handlers: Handlers

    def on_receipt(self, handler: R) -> R:
        """Register a handler as `Handlers.on_receipt` does."""
        return self.handlers.on_receipt(handler)

    def on_status(self, handler: S) -> S:
        """Register a handler as `Handlers.on_status` does."""
        return self.handlers.on_status(handler)

    def on_expired(self, handler: E) -> E:
        """Register a handler as `Handlers.on_expired` does."""
        return self.handlers.on_expired(handler)


class HandlerLoop(ForkAware):
    """Runs awaitables for threads that wait for them. The loop is started when it is first needed."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Begin without a loop; the parent's is kept and never closed, which would take its files from its selector."""
        if self._loop is not None:
            _parent_loops.append(self._loop)
        self._thread = self._loop = self._closing = None

    def run(self, awaitable: Awaitable[object]) -> None:
        """Run an awaitable on the loop, until it is done.

        Raises:
            BaseException: what it raised.
            concurrent.futures.CancelledError: the loop was closed meanwhile.
        """
        error = asyncio.run_coroutine_threadsafe(_catch_exit(awaitable), self._ensure_loop()).result()
        if error is not None:
            raise error

    def close(self) -> None:
        """Cancel running coroutines and end the loop; the next `run` starts another.

        A coroutine that blocks the loop, or will not be cancelled, is left behind after `CLOSE_TIMEOUT_SECONDS`.
        """
        with self._lock:
            thread, loop, closing = self._thread, self._loop, self._closing
            self._thread = self._loop = self._closing = None
        if thread is not None and loop is not None and closing is not None and thread.is_alive():
            loop.call_soon_threadsafe(closing.set)
            thread.join(CLOSE_TIMEOUT_SECONDS)
            if thread.is_alive():
                log.warning("a coroutine function of the application does not end; its thread is left behind")

    def _ensure_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                ready = threading.Event()
                self._thread = threading.Thread(target=self._serve, args=(ready,), name="edoc-handlers", daemon=True)
                self._thread.start()
                ready.wait()
            if self._loop is None:
                raise RuntimeError("the event loop of the handlers did not start")
            return self._loop

    def _serve(self, ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            self._loop, self._closing = runner.get_loop(), asyncio.Event()
            closing = self._closing
            self._loop.call_soon(ready.set)
            runner.run(closing.wait())


async def _catch_exit(awaitable: Awaitable[object]) -> BaseException | None:
    """Await something, and return an exception that would end the loop and with it what others run there."""
    try:
        await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        return error
    return None
