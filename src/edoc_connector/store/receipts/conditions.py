"""Conditions on packets that came in, for every query that has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, exists, literal_column, or_

from .._sql import TABLES, UNANSWERED
from ..rows import EDOC, STATUS
from ..state_machine import ReceiptState
from ..status_rules import Change

TABLE = TABLES["receipts"]
_EARLIER = TABLE.alias("earlier")

# A packet in one of these is the one copy of its document that counts.
EFFECTIVE_STATES = (ReceiptState.WAITING, ReceiptState.HANDLING, ReceiptState.HANDLED, ReceiptState.CONFIRMED)

# A status in one of these was entered in the delivery it is about.
ENTERED_STATES = (ReceiptState.HANDLED, ReceiptState.CONFIRMED)

_WAITED_FOR = timedelta(days=366)  # for an answer to a document
_HOLDS_UP_TRIES = 2  # downloads of a packet for which statuses behind it wait


def build_downloadable_condition() -> ColumnElement[bool]:
    """Build the condition that a packet may be downloaded.

    A status is taken in after what its sender offered before it: 01 before 03, a document before its taking back. What
    failed by itself a second time holds up nothing any more.
    """
    before = and_(
        _EARLIER.c.agency == TABLE.c.agency,
        _EARLIER.c.state == ReceiptState.LISTED,
        _EARLIER.c.offered_by == TABLE.c.offered_by,
        _EARLIER.c.id < TABLE.c.id,
        _EARLIER.c.attempts <= _HOLDS_UP_TRIES,
    )
    return or_(TABLE.c.message_type == EDOC, ~exists().where(before))


def build_unnoticed_condition() -> ColumnElement[bool]:
    """Build the condition that a status is the first about its document that the application was not told of."""
    unnoticed_before = and_(
        _EARLIER.c.agency == TABLE.c.agency,
        _EARLIER.c.document_id == TABLE.c.document_id,
        _EARLIER.c.id < TABLE.c.id,
        _EARLIER.c.message_type == STATUS,
        _EARLIER.c.state.in_(ENTERED_STATES),
        _EARLIER.c.noticed_at.is_(None),
    )
    is_unnoticed = (TABLE.c.message_type == STATUS, TABLE.c.noticed_at.is_(None), TABLE.c.business.is_(None))
    return and_(*is_unnoticed, ~exists().where(unnoticed_before))


def match_unanswered(received_before: datetime) -> tuple[ColumnElement[bool], ...]:
    """Build the conditions that a document came before a time, and that nobody accepted or rejected it.

    Args:
        received_before: UTC. What came more than a year earlier is left out: nobody waits for it any more.
    """
    return build_unanswered_conditions(find_earliest_unanswered(received_before), received_before)


def build_unanswered_conditions(received_after: Any, received_before: Any) -> tuple[ColumnElement[bool], ...]:
    """Build the conditions of `match_unanswered` for two times, or for what will be bound to them."""
    is_withdrawn = and_(TABLE.c.change.is_not(None), TABLE.c.change == Change.AGREED)
    is_here = TABLE.c.state.in_((ReceiptState.HANDLED, ReceiptState.CONFIRMED))
    came_then = (TABLE.c.created_at > received_after, TABLE.c.created_at < received_before)
    return (literal_column(UNANSWERED, Boolean), *came_then, is_here, ~is_withdrawn)  # the text is that of the index


def find_earliest_unanswered(received_before: datetime) -> datetime:
    """Find the time after which a document came for whose answer somebody still waits."""
    return received_before - _WAITED_FOR
