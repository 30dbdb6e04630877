"""The order of the business status codes (Decision 28/2018/QĐ-TTg; business rules, "Allowed order for one receiver").

Two tables: one for a document, one for a packet that asks to recall, update or replace a document. A request to take a
document back (13) does not replace the last code, it lies beside it until it is answered, once, by 15 or 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ..edxml.message.codes import StatusCode
from ..errors import StatusNotAllowed


class Change(StrEnum):
    """Where a request to take a document back, or to recall or replace it, stands."""

    ASKED = "asked"
    AGREED = "agreed"
    REFUSED = "refused"


TAKE_BACK = "13"
ANSWERS: Mapping[str, Change] = {"15": Change.AGREED, "16": Change.REFUSED}

_KNOWN = frozenset(code.value for code in StatusCode)

_Order = Mapping[str | None, tuple[str, ...]]

# What may follow which code of one receiver; None is "nothing yet".
DOCUMENT: _Order = {
    None: ("01",),
    "01": ("02", "03"),
    "02": (),
    "03": ("04", "05", "06"),
    "04": ("04", "05", "06"),
    "05": ("05", "06"),
    "06": (),
}
CHANGE_PACKET: _Order = {None: ("01",), "01": ("15", "16"), "15": (), "16": ()}

# How far a document is with one receiver: a code that comes late does not turn it back.
_FAR: Mapping[str | None, int] = {"01": 1, "03": 2, "04": 3, "05": 4, "02": 5, "06": 5, "15": 5, "16": 5}

# A document that was turned away or is finished cannot be taken back any more.
_TAKE_BACK_AFTER = frozenset({None, "01", "03", "04", "05"})


def allowed(last: str | None, *, change: str | None = None, change_packet: bool = False) -> tuple[str, ...]:
    """The codes that a receiver may send next.

    Args:
        last: the last code of that receiver, without 13, 15 and 16 where the packet is an ordinary document.
        change: where a request to take the document back stands (`Change`).
        change_packet: whether the packet itself asks for a recall, an update or a replacement.
    """
    if change == Change.AGREED:
        return ()
    order = CHANGE_PACKET if change_packet else DOCUMENT
    answers = tuple(ANSWERS) if change == Change.ASKED and not change_packet else ()
    return order.get(last, ()) + answers


def stays(last: str | None, code: str) -> bool:
    """Whether the last code goes on to count where another one comes out of order: that one is not further."""
    return last in _FAR and code in _FAR and _FAR[code] <= _FAR[last]


def may_take_back(last: str | None, *, change: str | None = None) -> bool:
    """Whether the sender may still ask one receiver to give the document back (13)."""
    return last in _TAKE_BACK_AFTER and change not in {Change.ASKED, Change.AGREED}


def require(code: str, last: str | None, *, change: str | None = None, change_packet: bool = False) -> None:
    """Raise unless our side may send the code now.

    Raises:
        StatusNotAllowed: names the current state and the codes that are allowed.
    """
    codes = allowed(last, change=change, change_packet=change_packet)
    if code in codes:
        return
    now, now_vi = _where(last, change)
    raise StatusNotAllowed(
        f"status {describe(code)} may not be sent now: the document is {now}; allowed: {_list(codes, 0) or 'none'}.",
        vi=f"Chưa được gửi trạng thái {describe(code, vi=True)}: văn bản đang ở {now_vi}; "
        + (f"chỉ được gửi: {_list(codes, 1)}." if codes else "không còn trạng thái nào được gửi."),
    )


def require_take_back(organ_id: str, last: str | None, *, change: str | None = None) -> None:
    """Raise unless our side may ask this receiver to give the document back (13).

    Raises:
        StatusNotAllowed: names the receiver and where the document stands there.
    """
    if may_take_back(last, change=change):
        return
    now, now_vi = _where(last, change)
    raise StatusNotAllowed(
        f"the document cannot be taken back from {organ_id}: it is {now}; "
        "ask before it is rejected, completed or given back.",
        vi=f"Không thể lấy lại văn bản từ {organ_id}: văn bản đang ở {now_vi}; "
        "chỉ lấy lại được khi nơi nhận chưa từ chối, chưa hoàn thành và chưa có yêu cầu đang chờ.",
    )


def describe(code: str, *, vi: bool = False) -> str:
    """A code with its name, ``03 accepted`` or ``03 Đã tiếp nhận``."""
    if code not in _KNOWN:
        return code
    known = StatusCode(code)
    return f"{code} {known.vi if vi else known.en}"


def _where(last: str | None, change: str | None) -> tuple[str, str]:
    beside = {
        Change.ASKED: (", take-back requested", ", đang có yêu cầu thu hồi hoặc lấy lại"),
        Change.AGREED: (", withdrawn", ", đã thu hồi"),
    }.get(Change(change) if change else Change.REFUSED, ("", ""))
    if last is None:
        return f"not reported on yet{beside[0]}", f"trạng thái chưa có thông báo nào{beside[1]}"
    return f"at {describe(last)}{beside[0]}", f"trạng thái {describe(last, vi=True)}{beside[1]}"


def _list(codes: tuple[str, ...], language: int) -> str:
    return ", ".join(describe(code, vi=bool(language)) for code in codes)
