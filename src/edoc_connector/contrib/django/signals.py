"""Signals that ``manage.py edoc_worker`` sends, in the worker's threads.

Each runs in a transaction of Django's default database. An exception in a receiver rolls it back, and leaves what came
waiting: it is told again, after a back-off, as `Handlers` describes. So a receiver may be called twice for a document
(the process may die between the two commits): let it look for the DocumentId first, as `IncomingDocument.take_in` does.
"""

from __future__ import annotations

from django.dispatch import Signal

document_received = Signal()
"""A document came in: a new one, an update or a replacement. `sender` is the class `Receipt`.

Args:
    receipt: the `Receipt`, inside its ``with`` block. When all receivers returned, 01 goes out, together with what
        they said (``receipt.accept()``).
"""

change_requested = Signal()
"""A sender asks for a change, and waits for `agree_change` or `refuse_change`. `sender` is the class `Receipt`.

Args:
    receipt: as above; `Receipt.kind` is ``recall`` or ``take_back``, or ``update`` or ``replace``, which come with
        a document and are told by `document_received` before. Without a receiver the request waits for an answer.
"""

status_received = Signal()
"""A recipient reported a status, and it was entered in the delivery. `sender` is the class `Delivery`.

Args:
    delivery: the `Delivery`.
    status: the `StatusMessage`.
    authority: who vouches for it, an `Authority` or None.
"""

delivery_expired = Signal()
"""The deadline of a document ran out before it was with every recipient. `sender` is the class `Delivery`.

Args:
    delivery: the `Delivery`. Nothing is sent again by itself. After an exception it is told again with the next poll.
"""
