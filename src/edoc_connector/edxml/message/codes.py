"""The numbered codes of the standard and of Decision 28/2018/QĐ-TTg, with their names in both languages."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from ..._core import Labelled, Text, label_members


@label_members(
    {
        "01": Text("arrived", "Đã đến"),
        "02": Text("rejected", "Từ chối tiếp nhận"),
        "03": Text("accepted", "Đã tiếp nhận"),
        "04": Text("assigned", "Phân công"),
        "05": Text("processing", "Đang xử lý"),
        "06": Text("completed", "Hoàn thành"),
        "13": Text("take-back requested", "Lấy lại"),
        "15": Text("change agreed", "Đồng ý"),
        "16": Text("change refused", "Từ chối"),
    }
)
class StatusCode(Labelled, StrEnum):
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


@label_members(
    {
        0: Text("new document", "Văn bản mới"),
        1: Text("recall", "Thu hồi"),
        2: Text("update", "Cập nhật"),
        3: Text("replacement", "Thay thế"),
    }
)
class BusinessType(Labelled, IntEnum):
    """Kinds of document packet: a new document, or a change of an earlier one (BussinessDocType)."""

    NEW = 0
    RECALL = 1
    UPDATE = 2
    REPLACE = 3

    @property
    def asks_answer(self) -> bool:
        """Whether each receiver answers it with 15 (agreed) or 16 (refused)."""
        return self is not BusinessType.NEW

    @property
    def withdraws(self) -> bool:
        """Whether a receiver that agrees to it no longer counts the documents acted on as valid."""
        return self in (BusinessType.RECALL, BusinessType.REPLACE)


@label_members(
    {
        1: Text("legal document", "Văn bản quy phạm pháp luật"),
        2: Text("administrative document", "Văn bản hành chính"),
    }
)
class DocumentType(Labelled, IntEnum):
    """Kinds of document (DocumentType/Type)."""

    LEGAL = 1
    ADMINISTRATIVE = 2


@label_members(
    {
        0: Text("normal", "Thường"),
        1: Text("urgent", "Khẩn"),
        2: Text("very urgent", "Thượng khẩn"),
        3: Text("express", "Hỏa tốc"),
        4: Text("express, at a set time", "Hỏa tốc hẹn giờ"),
    }
)
class Priority(Labelled, IntEnum):
    """Urgency (OtherInfo/Priority)."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4
