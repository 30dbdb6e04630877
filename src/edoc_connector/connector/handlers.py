"""What a document-management system has a worker call: on what came in, and on what its recipients report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ..edxml import StatusMessage
    from .receipt import Receipt
    from .views import Delivery

ReceiptHandler: TypeAlias = "Callable[[Receipt], object]"
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
    """

    def __init__(self) -> None:
        self.receipts: list[ReceiptHandler] = []
        self.statuses: list[StatusHandler] = []

    def on_receipt(self, handler: R) -> R:
        """Call a function with each packet that waits to be handled, as inside ``with receipt:``.

        When every such function returned, the packet is handled: it is confirmed and 01 goes out. An exception leaves
        it waiting with a back-off, and its traceback is kept (`Receipt.traceback`); after ``worker.tries`` it is set
        aside. A function may be called again for a packet if the worker dies before its success is stored: let it look
        for the DocumentId first.
        """
        self.receipts.append(handler)
        return handler

    def on_status(self, handler: S) -> S:
        """Call a function with each status that a recipient sent, and the delivery it is about as it is by then.

        Statuses about one document come in their order. Exceptions and repetitions as for `on_receipt`.
        """
        self.statuses.append(handler)
        return handler


class Handling:
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
