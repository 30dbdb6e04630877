"""Texts of the errors of the VXP dialect, in English and Vietnamese."""

from __future__ import annotations

from typing import TypeVar

from ..._core import Text
from ...errors import EdocError

E = TypeVar("E", bound=EdocError)

EMPTY_SECRET = Text(
    "The hub's secret is empty; give the one the hub's operator issued for this system id.",
    "Mã bí mật của trục đang để trống; hãy nhập mã do đơn vị vận hành trục cấp cho mã hệ thống này.",
)
UNKNOWN_FETCH_CALL = Text(
    "fetch_with can be 'downloadEdoc' or 'getEdoc'.",
    "fetch_with chỉ nhận 'downloadEdoc' hoặc 'getEdoc'.",
)
TIME_WITHOUT_ZONE = Text(
    "The clock given to the hub dialect returns a time without a zone; use datetime.now(timezone.utc).",
    "Đồng hồ cấp cho giao thức trục trả về thời gian không có múi giờ; hãy dùng datetime.now(timezone.utc).",
)


def build_length_error(kind: type[E], name: str, *, size: int, limit: int) -> E:
    """Build the error for a parameter that is empty or too long.

    Args:
        kind: class of the error.
        name: of the parameter.
        size: its length in characters.
        limit: the most that it may have.
    """
    return kind(
        f"The parameter {name!r} of a hub call must have 1 to {limit} characters, not {size}. "
        "Leave an optional one out; the recipients stand in the packet as well.",
        vi=f"Tham số {name!r} của lời gọi trục phải dài từ 1 đến {limit} ký tự, không phải {size}. "
        "Tham số tùy chọn thì bỏ đi; danh sách nơi nhận đã có trong gói tin.",
    )


def build_character_error(kind: type[E], name: str, character: str) -> E:
    """Build the error for a parameter with a character that no signed header carries.

    Args:
        kind: class of the error.
        name: of the parameter.
        character: as ``U+0022``.
    """
    return kind(
        f"The parameter {name!r} of a hub call holds {character}, which a signed header cannot carry. "
        "Use the code or id as the hub's directory writes it: printable ASCII, no quote, no semicolon, "
        "no space at the ends.",
        vi=f"Tham số {name!r} của lời gọi trục có ký tự {character} mà header được ký không mang được. "
        "Hãy dùng mã đúng như trong danh bạ của trục: ký tự ASCII in được, không có dấu nháy kép, dấu chấm phẩy, "
        "không có dấu cách ở hai đầu.",
    )
