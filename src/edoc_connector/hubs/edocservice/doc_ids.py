"""DocIds: the hub numbers documents and statuses apart, so that a number alone names two packets."""

from __future__ import annotations

from typing import Any

from ...errors import HubError
from ..fields import as_printable
from ..results import MessageType

STATUS_PREFIX = "status-"
"""Begins the docIds of statuses, as this library has them; what follows is the hub's number."""
_MAX_DIGITS = 19


def parse_number(value: Any) -> str | None:
    """Parse a number of the hub: a positive integer, or its digits as a text; None for any other value."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    digits = str(value)
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= _MAX_DIGITS
    return (str(int(digits)) if int(digits) else None) if is_number else None


def build_doc_id(number: str, message_type: MessageType) -> str:
    """Build the docId of a packet: the number of a document, with a prefix that of a status."""
    return f"{STATUS_PREFIX}{number}" if message_type is MessageType.STATUS else number


def split_doc_id(doc_id: str) -> tuple[MessageType, str]:
    """Split a docId into the kind and the number.

    Raises:
        HubError: it is none of this hub's.
    """
    number = doc_id.removeprefix(STATUS_PREFIX)
    if parse_number(number) != number:
        shown = as_printable(doc_id, 60)
        raise HubError(
            f"docId {shown!r} is none of this hub's, whose packets have numbers. List the waiting packets again.",
            vi=f"docId {shown!r} không phải của trục này, vì gói tin ở đây được đánh số. "
            "Hãy lấy lại danh sách gói tin chờ nhận.",
            code="",
        )
    return (MessageType.EDOC if number == doc_id else MessageType.STATUS), number
