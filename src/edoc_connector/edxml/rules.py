"""What the standard asks of a message that we write: every rule, checked at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from .attachment import Attachment
from .codes import BusinessType, StatusCode
from .document_id import DocumentIdParts
from .findings import KINDS, Severity
from .model import Document, EncodedAttachment, Message, Model, StatusMessage
from .names import SEAL_NAME, ZIP_TYPE
from .table import ATTACHMENT, DOCUMENT_HEADER, DOCUMENT_TRACE, STATUS_HEADER, Row, Table
from .values import VIETNAM, Kind, write_date


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that a message breaks.

    Args:
        code: stable code, ``EDR-…``.
        field: the attribute, e.g. ``recipients[1].name``.
        xpath: the element it stands for, e.g. ``MessageHeader/To[2]/OrganName``.
        value: what was given.
        message: what is wrong, in English.
        message_vi: the same in Vietnamese.
        severity: an error stops the writing, a warning does not.
    """

    code: str
    field: str
    xpath: str
    value: str
    message: str
    message_vi: str
    severity: Severity = Severity.ERROR


def problems(message: Message, *, at: datetime) -> tuple[Problem, ...]:
    """Check a message against the standard (QCVN 102:2016/BTTTT, amendment 1:2022; Decision 28/2018/QĐ-TTg).

    Args:
        message: the document or status.
        at: the time of writing, aware; a date of promulgation after its Vietnam date is a problem.

    Returns:
        Every problem, errors and warnings, in the order of the standard's tables.

    Raises:
        ValueError: the time has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError("the time of writing needs a time zone, e.g. datetime.now(UTC)")
    return tuple(_problems(message, at))


def _problems(message: Message, at: datetime) -> Iterator[Problem]:
    if isinstance(message, StatusMessage):
        yield from _of_table("MessageHeader/", "", STATUS_HEADER, message)
        yield from _of_status(message)
        return
    yield from _of_table("MessageHeader/", "", DOCUMENT_HEADER, message)
    yield from _of_table("TraceHeaderList/", "", DOCUMENT_TRACE, message)
    yield from _of_recipients(message)
    yield from _of_id(message)
    yield from _of_dates(message, at.astimezone(VIETNAM).date())
    yield from _of_business(message)
    yield from _of_attachments(message)


def _of_table(xpath: str, field: str, table: Table, holder: Model) -> Iterator[Problem]:
    for row in table.rows:
        value = getattr(holder, row.attr)
        where, name = xpath + row.path, field + row.attr
        items = value if row.many else (value,)
        if row.required and not _is_given(value) and row.attr != "trace":  # writing adds the sender's own TraceHeader
            yield _missing(name, where)
        for index, item in enumerate(items):
            place = (f"{where}[{index + 1}]", f"{name}[{index}]") if row.many else (where, name)
            yield from _of_item(*place, row, item)


def _is_given(value: object) -> bool:
    return value is not None and value != () and (not isinstance(value, str) or bool(value.strip()))


def _of_item(xpath: str, field: str, row: Row, item: object) -> Iterator[Problem]:
    if isinstance(item, Model) and isinstance(row.kind, Table):
        yield from _of_table(f"{xpath}/", f"{field}.", row.kind, item)
    elif item is not None and isinstance(row.kind, Kind):
        yield from _of_value(xpath, field, row, row.kind, item)


def _of_value(xpath: str, field: str, row: Row, kind: Kind, value: object) -> Iterator[Problem]:
    try:
        text = kind.write(value)
    except OverflowError:  # a time whose Vietnam date is beyond the calendar
        text = str(value)
    for rule in (_characters, _length, _readable, _doubt):
        said = rule(text, row, kind)
        if said is not None:
            code, severity, message, message_vi = said
            yield Problem(code, field, xpath, text, message, message_vi, severity)


_Said = tuple[str, Severity, str, str]
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _characters(text: str, _row: Row, _kind: Kind) -> _Said | None:
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    character = f"U+{ord(found.group()):04X}"
    return (
        "EDR-CHARACTER",
        Severity.ERROR,
        f"holds the character {character}, which XML does not allow; remove it",
        f"chứa ký tự {character} mà XML không cho phép; hãy bỏ đi",
    )


def _length(text: str, row: Row, _kind: Kind) -> _Said | None:
    if row.limit is None or len(text) <= row.limit:
        return None
    return (
        "EDR-LENGTH",
        row.over,
        f"has {len(text)} characters, at most {row.limit} are allowed; shorten it",
        f"có {len(text)} ký tự, tối đa {row.limit}; hãy rút gọn",
    )


def _readable(text: str, _row: Row, kind: Kind) -> _Said | None:
    """What is written must be read back as it was."""
    if text == "null":
        return (
            "EDR-NULL",
            Severity.ERROR,
            "is the text 'null', which is read as no value; leave it out",
            "là chữ 'null', sẽ bị hiểu là không có giá trị; hãy để trống",
        )
    if not text or kind.read(text) is not None:
        return None
    return (
        "EDR-VALUE",
        Severity.ERROR,
        f"is not a value of this element ({kind.name}); correct it",
        f"không phải giá trị hợp lệ của phần tử này ({kind.name}); hãy sửa lại",
    )


def _doubt(text: str, row: Row, kind: Kind) -> _Said | None:
    doubt = kind.doubt(text) if text else ""
    if not doubt:
        return None
    # an id of ours is ours to mend; one that a partner gave must be used as it is
    severity = Severity.ERROR if (row.attr, doubt) == ("id", "EDX-ID-DATE") else Severity.WARNING
    said = KINDS[doubt]
    message, message_vi = (words.format(seen=text) for words in (said.en, said.vi))
    return doubt.replace("EDX-", "EDR-"), severity, message, message_vi


def _missing(field: str, xpath: str, why: str = "", why_vi: str = "") -> Problem:
    return Problem(
        "EDR-REQUIRED", field, xpath, "", f"is required{why}; give it a value", f"là bắt buộc{why_vi}; hãy điền giá trị"
    )


def _of_recipients(document: Document) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, recipient in enumerate(document.recipients):
        code = recipient.organ_id.value
        if code in seen:
            yield Problem(
                "EDR-RECIPIENT-TWICE",
                f"recipients[{index}].id",
                f"MessageHeader/To[{index + 1}]/OrganId",
                recipient.id,
                f"recipient {recipient.id} is listed twice; list each once",
                f"nơi nhận {recipient.id} bị ghi hai lần; mỗi nơi chỉ ghi một lần",
            )
        seen.add(code)


def _of_dates(document: Document, today: date) -> Iterator[Problem]:
    if document.issued_on is not None and document.issued_on > today:
        yield Problem(
            "EDR-FUTURE",
            "issued_on",
            "MessageHeader/PromulgationInfo/PromulgationDate",
            write_date(document.issued_on),
            f"is after today, {write_date(today)}; a document is sent once it is promulgated",
            f"sau ngày hôm nay, {write_date(today)}; văn bản chỉ được gửi khi đã ban hành",
        )


_ID_LIMITS = {"number": 11, "notation": 30}  # those of CodeNumber and CodeNotation
_ID_PARTS_VI = {"number": "số", "notation": "ký hiệu"}


def _of_id(document: Document) -> Iterator[Problem]:
    parts = DocumentIdParts.of(document.id.strip())
    for part, most in _ID_LIMITS.items():
        size = len(getattr(parts, part))
        if size > most:
            yield Problem(
                "EDR-LENGTH",
                "id",
                "MessageHeader/DocumentId",
                document.id,
                f"has a {part} of {size} characters, at most {most} are allowed; shorten it",
                f"có {_ID_PARTS_VI[part]} dài {size} ký tự, tối đa {most}; hãy rút gọn",
            )


def _of_business(document: Document) -> Iterator[Problem]:
    business = document.business
    if business.type not in (None, BusinessType.NEW) and not (business.reason or "").strip():
        yield _missing(
            "business.reason",
            "TraceHeaderList/Bussiness/BussinessDocReason",
            " unless the document is new",
            " trừ văn bản mới",
        )
    check = _BUSINESS.get(business.type) if business.type is not None else None
    if check is not None:
        yield from check(document)


def _of_new(document: Document) -> Iterator[Problem]:
    if document.business.document_id:
        yield Problem(
            "EDR-NOT-NEW",
            "business.document_id",
            "TraceHeaderList/Bussiness/DocumentId",
            document.business.document_id,
            "names a document that is acted on, but the packet is a new document; leave it out or set business.type",
            "chỉ ra văn bản được xử lý nhưng gói tin là văn bản mới; hãy để trống hoặc đặt business.type",
        )


def _of_recall(document: Document) -> Iterator[Problem]:
    named = document.business.document_id or any(one.document_id or one.code for one in document.responses_for)
    if not named:
        yield _missing(
            "business.document_id",
            "TraceHeaderList/Bussiness/DocumentId",
            " to say which document is recalled (or a ResponseFor that names it)",
            " để biết thu hồi văn bản nào (hoặc ResponseFor chỉ ra văn bản đó)",
        )


def _of_update(document: Document) -> Iterator[Problem]:
    business, place = document.business, "TraceHeaderList/Bussiness"
    if not business.document_id:
        yield _missing("business.document_id", f"{place}/DocumentId", " for an update", " khi cập nhật")
    for attr, element in (("content_changed", "DocumentInfo"), ("receivers_changed", "DocumentReceiver")):
        if getattr(business, attr) is None:
            path = f"{place}/BussinessDocumentInfo/{element}"
            yield _missing(f"business.{attr}", path, " for an update", " khi cập nhật")
    if business.receivers_changed and not business.receivers:
        path = f"{place}/BussinessDocumentInfo/ReceiverList/Receiver"
        yield _missing("business.receivers", path, " where the recipients changed", " khi nơi nhận thay đổi")
    if business.receivers and business.receivers_changed is False:
        yield Problem(
            "EDR-RECEIVERS",
            "business.receivers_changed",
            f"{place}/BussinessDocumentInfo/DocumentReceiver",
            "0",
            "is false, yet receivers are listed; set it to true or list none",
            "là sai nhưng vẫn liệt kê nơi nhận; hãy đặt là đúng hoặc bỏ danh sách",
        )


def _of_replacement(document: Document) -> Iterator[Problem]:
    if not document.business.replaces:
        path = "TraceHeaderList/Bussiness/ReplacementInfoList/ReplacementInfo"
        yield _missing("business.replaces", path, " for a replacement", " khi thay thế")


_BUSINESS: dict[BusinessType, Callable[[Document], Iterator[Problem]]] = {
    BusinessType.NEW: _of_new,
    BusinessType.RECALL: _of_recall,
    BusinessType.UPDATE: _of_update,
    BusinessType.REPLACE: _of_replacement,
}

NEEDS_REASON = frozenset({StatusCode.REJECTED, StatusCode.TAKE_BACK, StatusCode.CHANGE_REFUSED})
"""Status codes whose Description is the reason and must be there (Decision 28/2018/QĐ-TTg)."""


def _of_status(status: StatusMessage) -> Iterator[Problem]:
    about = status.response_for
    if not (about.organ_id or "").strip():
        why, why_vi = ", the sender of the document that the status is about", " (bên gửi văn bản được phản hồi)"
        yield _missing("response_for.organ_id", "MessageHeader/ResponseFor/OrganId", why, why_vi)
    if not (about.document_id or about.code or "").strip():
        why, why_vi = (
            " (or code), to say which document the status is about",
            " (hoặc code) để biết phản hồi văn bản nào",
        )
        yield _missing("response_for.document_id", "MessageHeader/ResponseFor/DocumentId", why, why_vi)
    if status.code in NEEDS_REASON and not (status.description or "").strip():
        why, why_vi = f" with code {status.code}, as its reason", f" với mã {status.code}, là lý do"
        yield _missing("description", "MessageHeader/Description", why, why_vi)


def _of_attachments(document: Document) -> Iterator[Problem]:
    ids: set[str] = set()
    for index, attachment in enumerate(document.attachments):
        field, xpath = f"attachments[{index}].", f"AttachmentEncoded/Attachment[{index + 1}]/"
        # writing makes up an id where there is none, and looks at the content
        part = EncodedAttachment.of(attachment, content_id=attachment.content_id or "1", content="-")
        yield from _of_table(xpath, field, ATTACHMENT, part)
        for rule in (_seal_name, _zip_type):
            yield from rule(xpath, field, attachment)
        if attachment.content_id:
            yield from _content_id(xpath, field, attachment.content_id, ids)
            ids.add(attachment.content_id)


def _content_id(xpath: str, field: str, content_id: str, before: set[str]) -> Iterator[Problem]:
    place = (f"{field}content_id", f"{xpath}ContentId", content_id)
    if content_id in before:
        yield Problem(
            "EDR-CONTENT-ID",
            *place,
            "is used by another attachment; give each its own or none",
            "đã được tệp đính kèm khác dùng; mỗi tệp dùng một mã riêng hoặc để trống",
        )
    if content_id.startswith("cid:") or content_id != content_id.strip():
        yield Problem(
            "EDR-CONTENT-ID",
            *place,
            "begins with 'cid:' or has spaces around it; give the bare id, 'cid:' is added by itself",
            "bắt đầu bằng 'cid:' hoặc có khoảng trắng ở hai đầu; chỉ ghi mã, 'cid:' được tự động thêm",
        )


def _seal_name(xpath: str, field: str, attachment: Attachment) -> Iterator[Problem]:
    if attachment.name.strip() == SEAL_NAME:
        yield Problem(
            "EDR-NAME",
            f"{field}name",
            f"{xpath}AttachmentName",
            attachment.name,
            "is the name of the seal, which is added by itself; give the file another name",
            "là tên của tệp niêm phong, được tự động thêm vào; hãy đặt tên khác",
        )


def _zip_type(xpath: str, field: str, attachment: Attachment) -> Iterator[Problem]:
    zipped = attachment.content_type.strip().lower() == ZIP_TYPE
    if zipped and not attachment.name.strip().lower().endswith(".zip"):
        yield Problem(
            "EDR-ZIP",
            f"{field}content_type",
            f"{xpath}ContentType",
            attachment.content_type,
            "means a zip around the file unless the name ends in .zip; give the file's own type or name it .zip",
            "nghĩa là tệp được nén, trừ khi tên kết thúc bằng .zip; hãy ghi loại của chính tệp hoặc đặt tên .zip",
        )
