"""Texts of the errors of the VXP dialect, in English and Vietnamese."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ..._core import Text
from ...errors import AttachmentError, EdocError, ProtocolError, describe_system_error_vi
from ..fields import as_printable

E = TypeVar("E", bound=EdocError)

UNUSABLE_ENDPOINT = Text(
    "The hub's endpoint must be a URL such as https://hub.example.gov.vn/path, "
    "without user, password, query or fragment.",
    "Địa chỉ trục (endpoint) phải là URL dạng https://truc.example.gov.vn/duong-dan, "
    "không có tên người dùng, mật khẩu, phần truy vấn (?) hoặc phần neo (#).",
)
EMPTY_SECRET = Text(
    "The hub's secret is empty; give the one the hub's operator issued for this system id.",
    "Khóa bí mật của trục đang để trống; hãy nhập khóa do đơn vị vận hành trục cấp cho mã hệ thống này.",
)
UNUSABLE_USER_AGENT = Text(
    "user_agent can hold printable ASCII only; write it without accents.",
    "user_agent chỉ nhận ký tự ASCII in được; hãy viết không dấu.",
)
UNKNOWN_FETCH_CALL = Text(
    "fetch_with can be 'downloadEdoc' or 'getEdoc'.",
    "fetch_with chỉ nhận 'downloadEdoc' hoặc 'getEdoc'.",
)
TIME_WITHOUT_ZONE = Text(
    "The clock given to the hub dialect returns a time without a zone; use datetime.now(timezone.utc).",
    "Đồng hồ cấp cho giao thức trục trả về thời gian không có múi giờ; hãy dùng datetime.now(timezone.utc).",
)


def build_protocol_error(call: str, why: str) -> ProtocolError:
    """Build the error for an answer that is not the interface's.

    Args:
        call: name of the call.
        why: what is wrong with the answer.
    """
    why = as_printable(why)
    return ProtocolError(
        f"The answer to {call} is not the hub's: {why}. "
        "Check the endpoint and any proxy in between; nothing was concluded from it.",
        vi=f"Câu trả lời cho {call} không đúng giao thức của trục: {why}. "
        "Hãy kiểm tra địa chỉ trục (endpoint) và proxy ở giữa; câu trả lời này không được sử dụng.",
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


def build_unreadable_packet_error(path: Path, error: OSError) -> AttachmentError:
    """Build the error for a packet that the disk does not give."""
    return AttachmentError(
        f"The packet {path} cannot be read: {error.strerror}. Put it back, or build it again, and send again.",
        vi=f"Không đọc được gói tin {path}: {describe_system_error_vi(error)}. "
        "Hãy khôi phục hoặc tạo lại gói tin rồi gửi lại.",
    )


def build_empty_packet_error(path: Path) -> AttachmentError:
    """Build the error for a packet without bytes."""
    return AttachmentError(
        f"The packet {path} is empty. Build it again and send again.",
        vi=f"Gói tin {path} rỗng. Hãy tạo lại gói tin rồi gửi lại.",
    )


def build_large_packet_error(path: Path, limit: int) -> AttachmentError:
    """Build the error for a packet of more than `limit` bytes."""
    return AttachmentError(
        f"The packet {path} is larger than the {limit} bytes that max_packet allows. Send the attachments in "
        "several documents, or raise max_packet if the hub takes more.",
        vi=f"Gói tin {path} lớn hơn giới hạn {limit} byte của max_packet. Hãy chia tệp đính kèm ra nhiều văn bản, "
        "hoặc tăng max_packet nếu trục nhận được nhiều hơn.",
    )
