"""What a worker calls: signals, each in a transaction, with connections that are closed as in a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import close_old_connections, transaction
from django.dispatch import Signal

from ...connector import Delivery, Handlers, Receipt
from ...edxml import BusinessType, StatusMessage
from ...store import Authority
from .signals import change_requested, delivery_expired, document_received, status_received


def build_handlers() -> Handlers:
    """Build the handlers that send signals; without a receiver of `document_received`, what came in waits."""
    handlers = Handlers()
    if document_received.has_listeners():
        handlers.on_receipt(_tell_receipt)
    if status_received.has_listeners():
        handlers.on_status(_tell_status)
    if delivery_expired.has_listeners():
        handlers.on_expired(_tell_expired)
    return handlers


@contextmanager
def lend_connections() -> Iterator[None]:
    """Let a thread that Django knows nothing of use its databases, as a request does."""
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


def _tell_receipt(receipt: Receipt) -> None:
    is_document = receipt.business not in (None, BusinessType.RECALL)
    is_change = receipt.business is not BusinessType.NEW
    signals = [document_received] * is_document + [change_requested] * is_change
    _send(signals, Receipt, receipt=receipt)


def _tell_status(delivery: Delivery, status: StatusMessage, authority: Authority | None) -> None:
    _send([status_received], Delivery, delivery=delivery, status=status, authority=authority)


def _tell_expired(delivery: Delivery) -> None:
    _send([delivery_expired], Delivery, delivery=delivery)


def _send(signals: list[Signal], sender: Callable[..., object], **values: Any) -> None:
    with lend_connections(), transaction.atomic():
        for signal in signals:
            signal.send(sender, **values)
