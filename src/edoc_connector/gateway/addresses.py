"""Addresses of things in the interface: ids of deliveries, which hold slashes and commas, as one part of a path."""

from __future__ import annotations

import base64
import binascii

from ..errors import NotFound


def encode_delivery_id(document_id: str) -> str:
    """Encode a DocumentId as the id of its delivery: base64url, without padding."""
    return base64.urlsafe_b64encode(document_id.encode()).decode().rstrip("=")


def decode_delivery_id(delivery_id: str) -> str:
    """Decode the id of a delivery.

    Raises:
        NotFound: it is none.
    """
    try:
        padded = delivery_id + "=" * (-len(delivery_id) % 4)
        document_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        document_id = ""
    if not document_id or "\0" in document_id or encode_delivery_id(document_id) != delivery_id:
        raise NotFound(
            "this is no id of a delivery: take the `id` of one from the list.",
            vi="Đây không phải mã (id) của văn bản đi: hãy lấy `id` trong danh sách.",
        )
    return document_id


def format_delivery_href(agency: str, document_id: str) -> str:
    """Format the address of a delivery."""
    return f"/v1/agencies/{agency}/deliveries/{encode_delivery_id(document_id)}"


def format_receipt_href(agency: str, receipt_id: int) -> str:
    """Format the address of a packet that came in."""
    return f"/v1/agencies/{agency}/receipts/{receipt_id}"
