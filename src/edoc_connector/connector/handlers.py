"""What a document-management system has a worker call: on what came in, and on what its recipients report."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from .coroutines import HandlerLoop

if TYPE_CHECKING:
    from ..edxml import StatusMessage
    from .async_connector import AsyncReceipt
    from .delivery import Delivery
    from .inbound.receipt import Receipt

ReceiptHandler: TypeAlias = "Callable[[Receipt], object] | Callable[[AsyncReceipt], object]"
StatusHandler: TypeAlias = "Callable[[Delivery, StatusMessage], object]"

R = TypeVar("R", bound="ReceiptHandler")
S = TypeVar("S", bound="StatusHandler")


class Handlers:
    """Functions that a worker calls.

    Use the methods as decorators::

        handlers = Handlers()

        @handlers.on_receipt
        def register(receipt):
            dms.save(receipt.document, receipt.attachments)
            receipt.accept()

        @handlers.on_status
        async def note(delivery, status):
            await dms.note(delivery.id, status.code)

    Functions run in the worker's threads. Coroutine functions run side by side on one event loop, the same one for all
    of them, in a thread of its own, and get an `AsyncReceipt`.
    """

    def __init__(self) -> None:
        self.receipts: list[Callable[[Receipt], None]] = []
        self.statuses: list[Callable[[Delivery, StatusMessage], None]] = []
        self._loop = HandlerLoop()

    def on_receipt(self, handler: R) -> R:
        """Call a function with each packet that waits to be handled, as inside ``with receipt:``.

        When every such function returned, the packet is handled: it is confirmed and 01 goes out. An exception leaves
        it waiting with a back-off, and its traceback is kept (`Receipt.traceback`); after ``worker.tries`` it is set
        aside. A function may be called again for a packet if the worker dies before its success is stored: let it look
        for the DocumentId first.
        """
        is_coroutine = _is_coroutine_function(handler)
        self.receipts.append(self._as_blocking(handler, _as_async if is_coroutine else _as_is))
        return handler

    def on_status(self, handler: S) -> S:
        """Call a function with each status that a recipient sent, and the delivery it is about as it is by then.

        Statuses about one document come in their order. Exceptions and repetitions as for `on_receipt`.
        """
        self.statuses.append(self._as_blocking(handler, _as_is))
        return handler

    def close(self) -> None:
        """End the event loop of coroutine functions, where one was needed; those still running are cancelled."""
        self._loop.close()

    def _as_blocking(self, handler: Callable[..., object], convert: Callable[[Any], Any]) -> Callable[..., None]:
        """A handler as a function that returns when it is done."""

        @functools.wraps(handler)
        def call(first: Any, *others: Any) -> None:
            result = handler(convert(first), *others)
            if inspect.isawaitable(result):
                self._loop.run(result)

        return call


def _is_coroutine_function(handler: object) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004


def _as_is(value: Any) -> Any:
    return value


def _as_async(receipt: Receipt) -> AsyncReceipt:
    from .async_connector import load_for_handler  # which imports the connector, and that its handlers

    return load_for_handler(receipt)


class HandlerRegistration:
    """A connector's handlers, which ``edoc worker --handlers module:connector`` calls.

    Attributes:
        handlers: they.
    """

    handlers: Handlers

    def on_receipt(self, handler: R) -> R:
        """As `Handlers.on_receipt`."""
        return self.handlers.on_receipt(handler)

    def on_status(self, handler: S) -> S:
        """As `Handlers.on_status`."""
        return self.handlers.on_status(handler)
