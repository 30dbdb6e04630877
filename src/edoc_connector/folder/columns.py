"""The columns of a CSV file, in English and in Vietnamese, and the fields of an item that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core import to_nfc


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Args:
        name: its name, and that of the field in JSON.
        vi: its name in Vietnamese, as it stands in a table's head.
        example: a value, for the manual.
        meaning: what it holds, for the manual.
    """

    name: str
    vi: str
    example: str
    meaning: str


COLUMNS = (
    Column("action", "thao tác", "send", "what to do; `send` where it is left out"),
    Column(
        "id", "mã định danh", "H29.05,2026/11/20,7816/SNV-VP", "DocumentId; made of the others where it is left out"
    ),
    Column("code", "số ký hiệu", "7816/SNV-VP", "number and notation; or `number` and `notation`"),
    Column("number", "số", "7816", "number alone"),
    Column("notation", "ký hiệu", "SNV-VP", "notation alone"),
    Column("issued_on", "ngày ban hành", "20/11/2026", "date of promulgation; `2026-11-20` too"),
    Column("type_name", "loại văn bản", "Công văn", "kind of document"),
    Column("subject", "trích yếu", "V/v kết nối", "trích yếu"),
    Column("signer", "người ký", "Nguyễn Văn A", "full name of the signer"),
    Column("signer_position", "chức vụ", "Giám đốc", "the signer's office"),
    Column("recipients", "nơi nhận", "G22;H29.07=Sở Tài chính", "codes with `;` between; names are looked up"),
    Column("files", "tệp", "7816.pdf;phu-luc.pdf", "files beside the CSV, with `;` between"),
    Column("place", "nơi ban hành", "Hà Nội", "place of promulgation"),
    Column("priority", "độ khẩn", "1", "urgency, 0 to 4"),
    Column("due_date", "hạn trả lời", "30/11/2026", "date by which an answer is due"),
    Column("content", "nội dung", "", "short content"),
    Column("pages", "số trang", "3", "pages"),
    Column("copies", "số bản", "1", "copies"),
    Column("deadline", "hạn gửi", "2026-11-20T17:00:00+07:00", "until when it is to be with every recipient"),
    Column("document_id", "mã văn bản", "G22,2026/11/19,55/VPCP", "of an answer, a recall: the document it is about"),
    Column("sender", "nơi gửi", "G22", "of an answer: whose document it is, where several have its id"),
    Column("text", "ý kiến", "Đã vào sổ", "of an answer, a recall: words or the reason"),
)


@dataclass(frozen=True, slots=True)
class ActionName:
    """A name of an action, in English and Vietnamese."""

    name: str
    vi: str
    meaning: str


ACTION_NAMES = (
    ActionName("send", "gửi", "send a document"),
    ActionName("accept", "tiếp nhận", "say that a received document was entered in the register (03)"),
    ActionName("reject", "từ chối", "refuse it, with the reason (02)"),
    ActionName("assign", "phân công", "say to whom it was assigned (04)"),
    ActionName("processing", "đang xử lý", "say that it is being worked on (05)"),
    ActionName("complete", "hoàn thành", "say that it is finished (06)"),
    ActionName("agree_change", "đồng ý", "agree to a recall, update, replacement or taking back (15)"),
    ActionName("refuse_change", "không đồng ý", "refuse that, with the reason (16)"),
    ActionName("recall", "thu hồi", "recall a document that was sent, with the reason"),
    ActionName("take_back", "lấy lại", "ask for it back (13), with the reason"),
)


def fold_name(text: str) -> str:
    """Fold the name of a column or an action, so that the usual ways to write it are one."""
    return " ".join(to_nfc(text).casefold().replace("_", " ").replace("-", " ").split())


def _index(names: Mapping[str, tuple[str, ...]]) -> Callable[[str], str | None]:
    known = {fold_name(name): field for field, spellings in names.items() for name in spellings}
    return lambda text: known.get(fold_name(text))


find_column = _index({one.name: (one.name, one.vi) for one in COLUMNS})
"""Find the field that the head of a column stands for; None for one that is not known."""
find_action = _index({one.name: (one.name, one.vi) for one in ACTION_NAMES})
"""Find the action that a name stands for; None for one that is not known."""


def split_list(text: str) -> list[str]:
    """Split a list in one cell."""
    return [part.strip() for part in text.replace("|", ";").replace("\n", ";").split(";") if part.strip()]


def drop_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not given."""
    return {name: value for name, value in values.items() if value not in (None, "")}
