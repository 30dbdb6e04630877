"""The numbered codes of the standard and of Decision 28/2018/QĐ-TTg, with their names in both languages."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class StatusCode(StrEnum):
    """Business status codes (Decision 28/2018/QĐ-TTg)."""

    ARRIVED = "01"
    REJECTED = "02"
    ACCEPTED = "03"
    ASSIGNED = "04"
    PROCESSING = "05"
    COMPLETED = "06"
    TAKE_BACK = "13"
    CHANGE_AGREED = "15"
    CHANGE_REFUSED = "16"

    @property
    def vi(self) -> str:
        """The name in Vietnamese, as clerks know it."""
        return _STATUS_NAMES[self][0]

    @property
    def en(self) -> str:
        """The name in English."""
        return _STATUS_NAMES[self][1]


_STATUS_NAMES = {
    StatusCode.ARRIVED: ("Đã đến", "arrived"),
    StatusCode.REJECTED: ("Từ chối tiếp nhận", "rejected"),
    StatusCode.ACCEPTED: ("Đã tiếp nhận", "accepted"),
    StatusCode.ASSIGNED: ("Phân công", "assigned"),
    StatusCode.PROCESSING: ("Đang xử lý", "processing"),
    StatusCode.COMPLETED: ("Hoàn thành", "completed"),
    StatusCode.TAKE_BACK: ("Lấy lại", "take-back requested"),
    StatusCode.CHANGE_AGREED: ("Đồng ý", "change agreed"),
    StatusCode.CHANGE_REFUSED: ("Từ chối", "change refused"),
}


class BusinessType(IntEnum):
    """Kinds of document packet: a new document, or a change of an earlier one (BussinessDocType)."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3

    @property
    def vi(self) -> str:
        """The name in Vietnamese, as clerks know it."""
        return ("Văn bản mới", "Thu hồi", "Cập nhật", "Thay thế")[self]

    @property
    def asks_answer(self) -> bool:
        """Whether each receiver answers it with 15 (agreed) or 16 (refused)."""
        return self is not BusinessType.NEW

    @property
    def withdraws(self) -> bool:
        """Whether a receiver that agrees to it no longer counts the documents acted on as valid."""
        return self in (BusinessType.RECALL, BusinessType.REPLACE)


class DocumentType(IntEnum):
    """Kinds of document (DocumentType/Type)."""

    LEGAL = 1
    ADMINISTRATIVE = 2


class Priority(IntEnum):
    """Urgency (OtherInfo/Priority)."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4

    @property
    def vi(self) -> str:
        """The name in Vietnamese, as printed on the document."""
        return ("Thường", "Khẩn", "Thượng khẩn", "Hỏa tốc", "Hỏa tốc hẹn giờ")[self]
