"""Words for states and kinds, as a clerk reads them: English, Vietnamese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..connector import Delivery, RecipientState, TimelineEntry

DELIVERY: Mapping[str, tuple[str, str]] = {
    "ready": ("to be sent", "chờ gửi"),
    "sending": ("being sent", "đang gửi"),
    "sent": ("sent", "đã gửi"),
    "unknown": ("outcome unknown", "chưa rõ kết quả"),
    "failed": ("failed", "không gửi được"),
}
RECEIPT: Mapping[str, tuple[str, str]] = {
    "listed": ("to be downloaded", "chờ tải về"),
    "waiting": ("to be handled", "chờ xử lý"),
    "handling": ("being handled", "đang xử lý"),
    "handled": ("handled", "đã xử lý"),
    "confirmed": ("confirmed", "đã xác nhận với trục"),
    "duplicate": ("came twice", "bản trùng"),
    "quarantined": ("set aside", "đã cách ly"),
}
KIND: Mapping[str, tuple[str, str]] = {
    "new": ("document", "văn bản mới"),
    "recall": ("recall", "thu hồi"),
    "update": ("update", "cập nhật"),
    "replace": ("replacement", "thay thế"),
    "take_back": ("asked back", "yêu cầu lấy lại"),
    "status": ("status", "trạng thái"),
}
_CHANGE: Mapping[str, tuple[str, str]] = {
    "asked": ("has to answer 15 or 16", "chờ trả lời 15 hoặc 16"),
    "agreed": ("withdrawn", "đã đồng ý thu hồi, thay thế hoặc trả lại"),
    "refused": ("refused the change", "không đồng ý thay đổi"),
}

# What a state of a delivery means, as an entry of its timeline.
_STATE_EVENTS: Mapping[str, tuple[str, str]] = {
    "ready": ("Đã lưu, chờ gửi", "stored, to be sent"),
    "sending": ("Đang gửi", "being sent"),
    "sent": ("Trục đã nhận", "the hub has it"),
}


def format_both(words: Mapping[str, tuple[str, str]], key: str) -> str:
    """A state or kind in both languages; one without words as it is."""
    return " / ".join(words[key]) if key in words else key


def format_status_code(text: str | None) -> str:
    """A status code with its name in both languages."""
    from ..edxml import StatusCode

    if text not in set(StatusCode):
        return text or ""
    status_code = StatusCode(text)
    return f"{status_code} {status_code.en} / {status_code.vi}"


def format_recipients(delivery: Delivery) -> str:
    """Where a delivery stands with each recipient, in a line."""
    return "; ".join(map(_format_recipient, delivery.recipients))


def _format_recipient(recipient: RecipientState) -> str:
    change = f" ({' / '.join(_CHANGE[recipient.change])})" if recipient.change is not None else ""
    return f"{recipient.organ_id} {recipient.status or '–'}{' !' if recipient.undelivered else ''}{change}"


def format_entry(entry: TimelineEntry) -> str:
    """One entry of a timeline in words."""
    from ..edxml import StatusCode

    if entry.to in set(StatusCode):
        status_code = StatusCode(entry.to)
        return f"{status_code} {status_code.vi} / {status_code.en}" + (f": {entry.detail_vi}" if entry.detail else "")
    if entry.to in _STATE_EVENTS:
        return " / ".join(_STATE_EVENTS[entry.to])
    detail = f"{entry.detail_vi} / {entry.detail}"
    return detail if entry.to in DELIVERY else f"{' / '.join(reversed(KIND.get(entry.to, (entry.to,))))}: {detail}"


def format_actor(entry: TimelineEntry) -> str:
    """Who did what an entry tells: a recipient, or one of us, and whom it asked."""
    if entry.recipient is None or entry.recipient == entry.actor:
        return entry.actor
    if entry.to in ("13", *KIND):
        return f"{entry.actor} → {entry.recipient}"
    return entry.recipient
