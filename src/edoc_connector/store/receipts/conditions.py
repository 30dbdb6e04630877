"""Conditions on packets that came in, for every query that has them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_

from .._sql import TABLES
from ..rows import EDOC, STATUS
from ..state_machine import ReceiptState

TABLE = TABLES["receipts"]

# A packet in one of these is the one copy of its document that counts.
EFFECTIVE_STATES = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)

# A status in one of these was entered in the delivery it is about.
ENTERED_STATES = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)

_HOLDS_UP_TRIES = 2  # downloads of a packet for which statuses behind it wait


def build_downloadable_condition() -> ColumnElement[bool]:
    """Build the condition that a packet may be downloaded.

    A status is taken in after what its sender offered before it: 01 before 03, a document before its taking back. What
    failed by itself a second time holds up nothing any more.
    """
    earlier = TABLE.alias("earlier")
    before = and_(
        earlier.c.agency == TABLE.c.agency,
        earlier.c.state == ReceiptState.LISTED,
        earlier.c.offered_by == TABLE.c.offered_by,
        earlier.c.id < TABLE.c.id,
        earlier.c.attempts <= _HOLDS_UP_TRIES,
    )
    return or_(TABLE.c.message_type == EDOC, ~exists().where(before))


def build_unnoticed_condition() -> ColumnElement[bool]:
    """Build the condition that a status is the first about its document that the application was not told of."""
    earlier = TABLE.alias("earlier")
    unnoticed_before = and_(
        earlier.c.agency == TABLE.c.agency,
        earlier.c.document_id == TABLE.c.document_id,
        earlier.c.id < TABLE.c.id,
        earlier.c.message_type == STATUS,
        earlier.c.state.in_(ENTERED_STATES),
        earlier.c.noticed_at.is_(None),
    )
    is_unnoticed = (TABLE.c.message_type == STATUS, TABLE.c.noticed_at.is_(None), TABLE.c.business.is_(None))
    return and_(*is_unnoticed, ~exists().where(unnoticed_before))
