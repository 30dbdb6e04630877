"""Labels of states and kinds, and timelines in words, as a clerk reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from .._core import Text
from ..errors import choose_words, get_language

if TYPE_CHECKING:
    from ..connector import Delivery, RecipientState, TimelineEntry

KIND: Mapping[str, Text] = {
    "new": Text("document", "văn bản mới"),
    "recall": Text("recall", "thu hồi"),
    "update": Text("update", "cập nhật"),
    "replace": Text("replacement", "thay thế"),
    "take_back": Text("asked back", "yêu cầu lấy lại"),
    "status": Text("status", "trạng thái"),
    "expired": Text("deadline over", "quá hạn"),
    "undelivered": Text("undelivered", "chưa đến"),
    "refused_later": Text("refused after it was sent", "bị từ chối sau khi gửi"),
}
NO_EFFECT = Text("it moves nothing", "không có hiệu lực")
NOT_OURS = Text("about no document sent from here", "không phải văn bản đã gửi từ đây")
# A state of a delivery, as an entry of its timeline.
_STATE_EVENTS: Mapping[str, Text] = {
    "ready": Text("stored, to be sent", "Đã lưu, chờ gửi"),
    "sending": Text("being sent", "Đang gửi"),
    "sent": Text("the hub has it", "Trục đã nhận"),
}


def format_kind(key: str) -> str:
    """Format the kind of a packet; one without a label stays as it is."""
    return str(KIND[key]) if key in KIND else key


def format_delivery_state(state: str) -> str:
    """Format the state of a delivery."""
    from ..connector import DeliveryState

    return str(DeliveryState(state).text)


def format_receipt_state(state: str) -> str:
    """Format the state of a packet that came in."""
    from ..connector import ReceiptState

    return str(ReceiptState(state).text)


def format_authority(authority: str | None) -> str:
    """Format who vouches for the sender."""
    from ..connector import Authority

    return str(Authority(authority).text if authority else Text("not known", "chưa xác định"))


def format_status_code(text: str | None) -> str:
    """Format a status code with its name."""
    from ..edxml import StatusCode

    if text not in set(StatusCode):
        return text or ""
    status_code = StatusCode(text)
    return f"{status_code} {status_code.text}"


def format_recipients(delivery: Delivery, speak: Callable[[Text], str] = str) -> str:
    """Format the status of each recipient of a delivery, in one line.

    Args:
        delivery: the delivery.
        speak: chooses the language of each word; by default that of this process.
    """
    deadline = [f"({speak(KIND['expired'])})"] if delivery.expired_at is not None else []
    return "; ".join([*(_format_recipient(one, speak) for one in delivery.recipients), *deadline])


def _format_recipient(recipient: RecipientState, speak: Callable[[Text], str]) -> str:
    change = f" ({speak(recipient.change.text)})" if recipient.change is not None else ""
    authority = f" ({speak(recipient.authority.text)})" if recipient.authority is not None else ""
    mark = f" ({speak(KIND['undelivered'])})" if recipient.undelivered else ""
    mark += f" ({speak(KIND['refused_later'])})" if recipient.refused_at is not None else ""
    from .output import format_local_time

    time = f" {format_local_time(recipient.time)}" if recipient.time else ""
    return f"{recipient.organ_id} {recipient.status or '–'}{time}{authority}{mark}{change}"


def format_entry(entry: TimelineEntry) -> str:
    """Format an entry of a timeline, the Vietnamese words first where there are both."""
    from ..connector import DeliveryState
    from ..edxml import StatusCode

    if entry.to in set(StatusCode):
        status_code = StatusCode(entry.to)
        name = _format_vi_first(status_code.text)
        words = f": {entry.detail if get_language() == 'en' else entry.detail_vi}" if entry.detail else ""
        return f"{status_code} {name}{_format_voucher(entry)}{words}{_format_stated(entry)}"
    if entry.to in _STATE_EVENTS and entry.from_ != entry.to:
        return _format_vi_first(_STATE_EVENTS[entry.to])
    detail = _format_vi_first(Text(entry.detail, entry.detail_vi))
    if entry.to in set(DeliveryState):
        return detail + _format_voucher(entry) + _format_stated(entry)
    return f"{_format_vi_first(KIND[entry.to]) if entry.to in KIND else entry.to}: {detail}"


def _format_stated(entry: TimelineEntry) -> str:
    """Format the time that a status gives itself, beside the time at which it came in."""
    from .output import format_local_time

    label = _format_vi_first(Text("its own time", "giờ nơi gửi"))
    return f" [{label}: {format_local_time(entry.stated_at)}]" if entry.stated_at else ""


def _format_voucher(entry: TimelineEntry) -> str:
    return f" ({_format_vi_first(entry.authority.text)})" if entry.authority is not None else ""


def _format_vi_first(text: Text) -> str:
    return choose_words(text.vi, text.en, between=" / ") if get_language() == "both" else str(text)


def format_actor(entry: TimelineEntry) -> str:
    """Format the actor of an entry: a recipient, or one of us with the recipient that was asked."""
    if entry.recipient is None or entry.recipient == entry.actor:
        return entry.actor
    if entry.to in ("13", *KIND):
        return f"{entry.actor} → {entry.recipient}"
    return entry.recipient
