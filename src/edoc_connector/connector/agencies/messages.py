"""Texts about agencies, in English and Vietnamese."""

from __future__ import annotations

from ..._core import Text
from ...errors import AgencyListError, NotFound, ProtocolError
from .records import AgencyRecord, RecipientCheck


def describe_unknown(code: str) -> Text:
    """Describe a recipient that a directory of all agencies does not have."""
    return Text(
        f"recipient {code} is not in the hub's directory as it was last taken over: check the code, or sync the "
        "directory (edoc agencies sync)",
        f"nơi nhận {code} không có trong danh bạ của trục ở lần đồng bộ gần nhất: hãy kiểm tra mã, hoặc đồng bộ lại "
        "danh bạ (edoc agencies sync)",
    )


def describe_ended(check: RecipientCheck) -> Text:
    """Describe a recipient whose code ended, with its heir."""
    named = f"{check.code} ({check.name})" if check.name else check.code
    day = (f" on {check.valid_to:%d/%m/%Y}", f" ngày {check.valid_to:%d/%m/%Y}") if check.valid_to else ("", "")
    ended, ended_vi = f"the code {named} ended{day[0]}", f"mã {named} đã ngừng sử dụng{day[1]}"
    if check.heir is None and check.choices:
        choices = ", ".join(map(_name_agency, check.choices))
        return Text(
            f"{ended}; it was split, and which agency is meant cannot be told: name one of {choices}.",
            f"{ended_vi} và đã được chia tách, không xác định được đơn vị nào: hãy ghi một trong các đơn vị {choices}.",
        )
    if check.heir is None:
        return Text(
            f"{ended}, and no successor is known: find out the new code, and import it (edoc agencies import).",
            f"{ended_vi} và chưa rõ mã kế thừa: hãy tìm mã mới rồi nhập vào danh sách (edoc agencies import).",
        )
    heir = _name_agency(check.heir)
    return Text(f"{ended}; its successor is {heir}.", f"{ended_vi}; đơn vị kế thừa là {heir}.")


def _name_agency(one: AgencyRecord) -> str:
    return f"{one.code} ({one.name})" if one.name else one.code


def describe_refusal(problems: Text, *, has_heirs: bool) -> Text:
    """Describe why a document is not stored: its recipients ended."""
    if not has_heirs:
        return Text(f"nothing was stored: {problems.en}", f"chưa lưu gì: {problems.vi}")
    return Text(
        f"nothing was stored: {problems.en} Address the document to the successor, or send with use_successors=True "
        "(--use-successors).",
        f"chưa lưu gì: {problems.vi} Hãy sửa nơi nhận thành đơn vị kế thừa, hoặc gửi với use_successors=True "
        "(--use-successors).",
    )


def build_unknown_agency_error(code: str) -> NotFound:
    """Build the error for a code that no directory has."""
    return NotFound(
        f"no agency has the code {code}: search by a part of its name (edoc agencies find), or sync the directory "
        "(edoc agencies sync).",
        vi=f"Không có đơn vị nào có mã {code}: hãy tìm theo một phần tên (edoc agencies find), hoặc đồng bộ danh bạ "
        "(edoc agencies sync).",
    )


def build_shrunken_error(before: int, now: int) -> ProtocolError:
    """Build the error for a directory that lost most of its agencies."""
    return ProtocolError(
        f"the hub's directory has {now} agencies, and had {before}: it may be cut off, and codes that are missing "
        "would be refused. Nothing was changed. If that is right, sync with accept_loss=True (--accept-loss).",
        vi=f"Danh bạ của trục chỉ còn {now} đơn vị, trước đó có {before}: có thể trục trả lời thiếu, các mã vắng mặt "
        "sẽ bị từ chối. Chưa thay đổi gì. Nếu đúng như vậy, hãy đồng bộ với accept_loss=True (--accept-loss).",
    )


def build_unreadable_list_error(name: str, why: Text) -> AgencyListError:
    """Build the error for a file that is no list of agencies."""
    return AgencyListError(
        f"{name} cannot be read as a list of agencies: {why.en}. Nothing was taken over.",
        vi=f"Không đọc được danh sách đơn vị {name}: {why.vi}. Chưa nhập gì.",
    )


NO_TEXT = Text(
    "it is not UTF-8; save it in Excel as “CSV UTF-8”",
    "tệp không phải UTF-8; hãy lưu từ Excel dạng “CSV UTF-8”",
)
TOO_LARGE = Text("it is larger than 64 MiB", "tệp lớn hơn 64 MiB")
NO_CODES = Text(
    "its first line names no column “code” (mã); the columns are code, name, other_code, parent, email, from, to, "
    "successor",
    "dòng đầu không có cột “mã” (code); các cột gồm mã, tên, mã khác, cấp trên, email, từ ngày, đến ngày, mã kế thừa",
)
NO_CODE = Text("there is no code", "thiếu mã")
ODD_CODE = Text(
    "is no code: only letters, digits, dots, - and _", "không phải mã: chỉ gồm chữ cái, chữ số, dấu chấm, - và _"
)
NO_DATE = Text("is no date: write 30/06/2025 or 2025-06-30", "không phải ngày: hãy ghi 30/06/2025 hoặc 2025-06-30")
ENDS_BEFORE = Text("its last day lies before its first", "ngày kết thúc trước ngày bắt đầu")
TWICE = Text("the code stands on an earlier line too", "mã đã có ở dòng trước")
OWN_HEIR = Text("the successors lead back to the code itself", "chuỗi mã kế thừa quay lại chính mã này")
SURPLUS = Text("it has more fields than the first line", "có nhiều ô hơn dòng đầu")
ODD_QUOTES = Text("its quotation marks do not close", "dấu ngoặc kép không khép lại")
