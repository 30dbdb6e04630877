"""Labels of states and kinds, and timelines in words, as a clerk reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .._core import Text

if TYPE_CHECKING:
    from ..connector import Delivery, RecipientState, TimelineEntry

DELIVERY: Mapping[str, Text] = {
    "ready": Text("to be sent", "chờ gửi"),
    "sending": Text("being sent", "đang gửi"),
    "sent": Text("sent", "đã gửi"),
    "unknown": Text("outcome unknown", "chưa rõ kết quả"),
    "failed": Text("failed", "không gửi được"),
}
RECEIPT: Mapping[str, Text] = {
    "listed": Text("to be downloaded", "chờ tải về"),
    "waiting": Text("to be handled", "chờ xử lý"),
    "handling": Text("being handled", "đang xử lý"),
    "handled": Text("handled", "đã xử lý"),
    "confirmed": Text("confirmed", "đã xác nhận với trục"),
    "duplicate": Text("came twice", "bản trùng"),
    "quarantined": Text("set aside", "đã cách ly"),
}
KIND: Mapping[str, Text] = {
    "new": Text("document", "văn bản mới"),
    "recall": Text("recall", "thu hồi"),
    "update": Text("update", "cập nhật"),
    "replace": Text("replacement", "thay thế"),
    "take_back": Text("asked back", "yêu cầu lấy lại"),
    "status": Text("status", "trạng thái"),
}
_CHANGE: Mapping[str, Text] = {
    "asked": Text("has to answer 15 or 16", "chờ trả lời 15 hoặc 16"),
    "agreed": Text("withdrawn", "đã đồng ý thu hồi, thay thế hoặc trả lại"),
    "refused": Text("refused the change", "không đồng ý thay đổi"),
}

# A state of a delivery, as an entry of its timeline.
_STATE_EVENTS: Mapping[str, Text] = {
    "ready": Text("stored, to be sent", "Đã lưu, chờ gửi"),
    "sending": Text("being sent", "Đang gửi"),
    "sent": Text("the hub has it", "Trục đã nhận"),
}


def format_label(labels: Mapping[str, Text], key: str) -> str:
    """Format a state or kind in both languages; one without a label stays as it is."""
    return _join_languages(labels[key]) if key in labels else key


def format_authority(authority: str | None) -> str:
    """Format who vouches for the sender, in both languages."""
    from ..connector import Authority

    return _join_languages(Authority(authority).text) if authority else "not known / chưa xác định"


def _join_languages(text: Text) -> str:
    return f"{text.en} / {text.vi}"


def format_status_code(text: str | None) -> str:
    """Format a status code with its name in both languages."""
    from ..edxml import StatusCode

    if text not in set(StatusCode):
        return text or ""
    status_code = StatusCode(text)
    return f"{status_code} {status_code.en} / {status_code.vi}"


def format_recipients(delivery: Delivery) -> str:
    """Format the status of each recipient of a delivery, in one line."""
    return "; ".join(map(_format_recipient, delivery.recipients))


def _format_recipient(recipient: RecipientState) -> str:
    change = f" ({_join_languages(_CHANGE[recipient.change])})" if recipient.change is not None else ""
    authority = f" ({_join_languages(recipient.authority.text)})" if recipient.authority is not None else ""
    mark = " !" if recipient.undelivered else ""
    from .output import format_local_time

    time = f" {format_local_time(recipient.time)}" if recipient.time else ""
    return f"{recipient.organ_id} {recipient.status or '–'}{time}{authority}{mark}{change}"


def format_entry(entry: TimelineEntry) -> str:
    """Format an entry of a timeline, the Vietnamese words first."""
    from ..edxml import StatusCode

    if entry.to in set(StatusCode):
        status_code = StatusCode(entry.to)
        words = f": {entry.detail_vi}" if entry.detail else ""
        return (
            f"{status_code} {status_code.vi} / {status_code.en}{_format_voucher(entry)}{words}{_format_stated(entry)}"
        )
    if entry.to in _STATE_EVENTS and entry.from_ != entry.to:
        return _format_vi_first(_STATE_EVENTS[entry.to])
    detail = f"{entry.detail_vi} / {entry.detail}"
    if entry.to in DELIVERY:
        return detail + _format_voucher(entry) + _format_stated(entry)
    return f"{_format_vi_first(KIND[entry.to]) if entry.to in KIND else entry.to}: {detail}"


def _format_stated(entry: TimelineEntry) -> str:
    """Format the time that a status gives itself, beside the time at which it came in."""
    from .output import format_local_time

    return f" [giờ nơi gửi / its own time: {format_local_time(entry.stated_at)}]" if entry.stated_at else ""


def _format_voucher(entry: TimelineEntry) -> str:
    return f" ({_format_vi_first(entry.authority.text)})" if entry.authority is not None else ""


def _format_vi_first(text: Text) -> str:
    return f"{text.vi} / {text.en}"


def format_actor(entry: TimelineEntry) -> str:
    """Format the actor of an entry: a recipient, or one of us with the recipient that was asked."""
    if entry.recipient is None or entry.recipient == entry.actor:
        return entry.actor
    if entry.to in ("13", *KIND):
        return f"{entry.actor} → {entry.recipient}"
    return entry.recipient
