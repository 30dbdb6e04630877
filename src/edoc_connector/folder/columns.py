"""The columns of a CSV file, in English and in Vietnamese, and the fields of an item that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core import Text, to_nfc


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
    meaning: Text


COLUMNS = (
    Column(
        "action",
        "thao tác",
        "send",
        Text("what to do; `send` where it is left out", "việc cần làm; bỏ trống là `send`"),
    ),
    Column(
        "id",
        "mã văn bản",
        "H29.05,2026/11/20,7816/SNV-VP",
        Text("DocumentId; made of the others where it is left out", "DocumentId; bỏ trống thì lập từ các cột khác"),
    ),
    Column(
        "code",
        "số ký hiệu",
        "7816/SNV-VP",
        Text("number and notation; or `number` and `notation`", "số và ký hiệu; hoặc dùng `number` và `notation`"),
    ),
    Column("number", "số", "7816", Text("number alone", "chỉ số")),
    Column("notation", "ký hiệu", "SNV-VP", Text("notation alone", "chỉ ký hiệu")),
    Column(
        "issued_on",
        "ngày ban hành",
        "20/11/2026",
        Text("date of promulgation; `2026-11-20` too", "ngày ban hành; cũng nhận `2026-11-20`"),
    ),
    Column("type_name", "loại văn bản", "Công văn", Text("kind of document", "loại văn bản")),
    Column("subject", "trích yếu", "V/v kết nối", Text("subject (trích yếu)", "trích yếu nội dung")),
    Column("signer", "người ký", "Nguyễn Văn A", Text("full name of the signer", "họ tên người ký")),
    Column("signer_position", "chức vụ", "Giám đốc", Text("the signer's office", "chức vụ người ký")),
    Column(
        "recipients",
        "nơi nhận",
        "G22;H29.07=Sở Tài chính",
        Text("codes with `;` between; names are looked up", "các mã, cách nhau bằng `;`; tên được tra trong danh bạ"),
    ),
    Column(
        "files",
        "tệp",
        "7816.pdf;phu-luc.pdf",
        Text("files beside the CSV, with `;` between", "các tệp đặt cạnh tệp CSV, cách nhau bằng `;`"),
    ),
    Column("place", "nơi ban hành", "Hà Nội", Text("place of promulgation", "nơi ban hành")),
    Column("priority", "độ khẩn", "1", Text("urgency, 0 to 4", "độ khẩn, từ 0 đến 4")),
    Column("due_date", "hạn trả lời", "30/11/2026", Text("date by which an answer is due", "hạn trả lời văn bản")),
    Column("content", "nội dung", "", Text("short content", "nội dung tóm tắt")),
    Column("pages", "số trang", "3", Text("pages", "số trang")),
    Column("copies", "số bản", "1", Text("copies", "số bản")),
    Column(
        "deadline",
        "hạn gửi",
        "2026-11-20T17:00:00+07:00",
        Text("until when it is to be with every recipient", "hạn đến tay mọi nơi nhận"),
    ),
    Column(
        "document_id",
        "mã văn bản liên quan",
        "G22,2026/11/19,55/VPCP",
        Text("of an answer, a recall: the document it is about", "với trả lời, thu hồi: văn bản được nói tới"),
    ),
    Column(
        "sender",
        "nơi gửi",
        "G22",
        Text(
            "of an answer: whose document it is, where several have its id",
            "với trả lời: nơi gửi văn bản, khi nhiều nơi dùng chung mã",
        ),
    ),
    Column(
        "text",
        "ý kiến",
        "Đã vào sổ",
        Text("of an answer, a recall: words or the reason", "với trả lời, thu hồi: ý kiến hoặc lý do"),
    ),
)


@dataclass(frozen=True, slots=True)
class ActionName:
    """A name of an action, in English and Vietnamese."""

    name: str
    vi: str
    meaning: Text


ACTION_NAMES = (
    ActionName("send", "gửi", Text("send a document", "gửi văn bản")),
    ActionName(
        "accept",
        "tiếp nhận",
        Text("say that a received document was entered in the register (03)", "báo đã vào sổ văn bản đến (03)"),
    ),
    ActionName("reject", "từ chối", Text("refuse it, with the reason (02)", "từ chối tiếp nhận, kèm lý do (02)")),
    ActionName("assign", "phân công", Text("say to whom it was assigned (04)", "báo đã phân công cho ai (04)")),
    ActionName("processing", "đang xử lý", Text("say that it is being worked on (05)", "báo đang xử lý (05)")),
    ActionName("complete", "hoàn thành", Text("say that it is finished (06)", "báo đã hoàn thành (06)")),
    ActionName(
        "agree_change",
        "đồng ý",
        Text(
            "agree to a recall, update, replacement or taking back (15)",
            "đồng ý thu hồi, cập nhật, thay thế hoặc lấy lại (15)",
        ),
    ),
    ActionName(
        "refuse_change",
        "không đồng ý",
        Text("refuse that, with the reason (16)", "từ chối những việc đó, kèm lý do (16)"),
    ),
    ActionName(
        "recall",
        "thu hồi",
        Text("recall a document that was sent, with the reason", "thu hồi văn bản đã gửi, kèm lý do"),
    ),
    ActionName(
        "take_back", "lấy lại", Text("ask for it back (13), with the reason", "lấy lại văn bản (13), kèm lý do")
    ),
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
