"""The order of the business status codes (Decision 28/2018/QĐ-TTg; business rules, "Allowed order for one receiver").

Two tables: one for a document, one for a packet that asks to recall, update or replace a document. A request to take a
document back (13) does not replace the last code, it lies beside it until it is answered, once, by 15 or 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from .._core import Labelled, Text, label_members
from ..edxml import StatusCode
from ..errors import StatusNotAllowed


@label_members(
    {
        "asked": Text("has to answer 15 or 16", "chờ trả lời 15 hoặc 16"),
        "agreed": Text("withdrawn", "đã đồng ý thu hồi, thay thế hoặc trả lại"),
        "refused": Text("refused the change", "không đồng ý thay đổi"),
    }
)
class Change(Labelled, StrEnum):
    """Where a request to take a document back, or to recall or replace it, stands."""

    ASKED = "asked"
    AGREED = "agreed"
    REFUSED = "refused"


@label_members(
    {
        "authenticated": Text("authenticated", "đã xác thực bằng chữ ký"),
        "hub-announced": Text("hub-announced", "theo thông báo của trục"),
        "contradicted": Text("contradicted", "mâu thuẫn nơi gửi"),
    }
)
class Authority(Labelled, StrEnum):
    """Who vouches that a packet is its sender's."""

    AUTHENTICATED = "authenticated"
    """A signature by a certificate that is bound to the sender; the hub says nothing else."""
    HUB_ANNOUNCED = "hub-announced"
    """The hub, which announced it as the sender's; nothing that is signed proves it."""
    CONTRADICTED = "contradicted"
    """Nobody: the signature does not hold or is another's, or the hub announced another sender."""


TAKE_BACK_CODE = "13"
CHANGE_BY_ANSWER: Mapping[str, Change] = {"15": Change.AGREED, "16": Change.REFUSED}

_REQUEST_WORDS: Mapping[Change, Text] = {
    Change.ASKED: Text(", take-back requested", ", đang có yêu cầu thu hồi hoặc lấy lại"),
    Change.AGREED: Text(", withdrawn", ", đã thu hồi"),
}

_WITHDRAWN_CURE = Text(
    " Enter it as withdrawn and say nothing about it: a handler asks receipt.withdrawn first.",
    " Hãy vào sổ là đã thu hồi và không báo trạng thái nữa: trong hàm xử lý, hãy xem receipt.withdrawn trước.",
)

_KNOWN_CODES = frozenset(code.value for code in StatusCode)

_CodeOrder = Mapping[str | None, tuple[str, ...]]

# Codes that may follow each code of one receiver; None is "nothing yet".
DOCUMENT_ORDER: _CodeOrder = {
    None: ("01",),
    "01": ("02", "03"),
    "02": (),
    "03": ("04", "05", "06"),
    "04": ("04", "05", "06"),
    "05": ("05", "06"),
    "06": (),
}
CHANGE_PACKET_ORDER: _CodeOrder = {None: ("01",), "01": ("15", "16"), "15": (), "16": ()}

# How far a document is with one receiver: a code that comes late does not turn it back.
_PROGRESS: Mapping[str | None, int] = {"01": 1, "03": 2, "04": 3, "05": 4, "02": 5, "06": 5, "15": 5, "16": 5}

# A document that was turned away or is finished cannot be taken back any more.
_TAKE_BACK_AFTER = frozenset({None, "01", "03", "04", "05"})


def list_allowed_codes(
    last_code: str | None, *, change: str | None = None, is_change_packet: bool = False
) -> tuple[str, ...]:
    """List the codes that a receiver may send next.

    Args:
        last_code: the last code of that receiver, without 13, 15 and 16 where the packet is an ordinary document.
        change: where a request to take the document back stands (`Change`).
        is_change_packet: whether the packet itself asks for a recall, an update or a replacement.
    """
    if change == Change.AGREED:
        return ()
    order = CHANGE_PACKET_ORDER if is_change_packet else DOCUMENT_ORDER
    answers = tuple(CHANGE_BY_ANSWER) if change == Change.ASKED and not is_change_packet else ()
    return order.get(last_code, ()) + answers


def is_not_further(last_code: str | None, code: str) -> bool:
    """Whether a code that comes out of order is no further than the last one, which then goes on to count.

    A code that the standard does not have is further than none of its codes: after it, any other would be further.
    """
    return last_code in _PROGRESS and _PROGRESS.get(code, 0) <= _PROGRESS[last_code]


def can_take_back(last_code: str | None, *, change: str | None = None) -> bool:
    """Whether the sender may still ask one receiver to give the document back (13)."""
    return last_code in _TAKE_BACK_AFTER and change not in {Change.ASKED, Change.AGREED}


def require_allowed_code(
    code: str, last_code: str | None, *, change: str | None = None, is_change_packet: bool = False
) -> None:
    """Require that our side may send the code now.

    Raises:
        StatusNotAllowed: names the current state and the codes that are allowed.
    """
    allowed_codes = list_allowed_codes(last_code, change=change, is_change_packet=is_change_packet)
    if code in allowed_codes:
        return
    standing = _describe_standing(last_code, change)
    cure = _WITHDRAWN_CURE if change == Change.AGREED and not is_change_packet else Text("", "")
    raise StatusNotAllowed(
        f"status {describe_code(code)} may not be sent now: the document is {standing.en}; allowed: "
        f"{_join_codes(allowed_codes).en or 'none'}.{cure.en}",
        vi=f"Không được gửi trạng thái {describe_code(code, vi=True)}: văn bản đang ở {standing.vi}; "
        + (f"chỉ được gửi: {_join_codes(allowed_codes).vi}." if allowed_codes else "không còn trạng thái nào được gửi.")
        + cure.vi,
    )


def require_take_back(organ_id: str, last_code: str | None, *, change: str | None = None) -> None:
    """Require that our side may ask this receiver to give the document back (13).

    Raises:
        StatusNotAllowed: names the receiver and where the document stands there.
    """
    if can_take_back(last_code, change=change):
        return
    standing = _describe_standing(last_code, change)
    raise StatusNotAllowed(
        f"the document cannot be taken back from {organ_id}: it is {standing.en}; "
        "ask before it is rejected, completed or given back.",
        vi=f"Không thể lấy lại văn bản từ {organ_id}: văn bản đang ở {standing.vi}; "
        "chỉ lấy lại được khi nơi nhận chưa từ chối, chưa hoàn thành và chưa có yêu cầu đang chờ.",
    )


def describe_code(code: str, *, vi: bool = False) -> str:
    """Describe a code with its name, ``03 accepted`` or ``03 Đã tiếp nhận``."""
    if code not in _KNOWN_CODES:
        return code
    status_code = StatusCode(code)
    return f"{code} {status_code.vi if vi else status_code.en}"


def _describe_standing(last_code: str | None, change: str | None) -> Text:
    request = _REQUEST_WORDS.get(Change(change) if change else Change.REFUSED, Text("", ""))
    if last_code is None:
        return Text(f"not reported on yet{request.en}", f"trạng thái chưa có thông báo nào{request.vi}")
    return Text(
        f"at {describe_code(last_code)}{request.en}", f"trạng thái {describe_code(last_code, vi=True)}{request.vi}"
    )


def _join_codes(codes: tuple[str, ...]) -> Text:
    return Text(
        ", ".join(describe_code(code) for code in codes), ", ".join(describe_code(code, vi=True) for code in codes)
    )
