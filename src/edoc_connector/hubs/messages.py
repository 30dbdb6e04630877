"""Texts of the errors that all dialects have in common, in English and Vietnamese."""

from __future__ import annotations

from pathlib import Path

from ..errors import AttachmentError, ProtocolError, describe_system_error_vi
from .fields import as_printable


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
