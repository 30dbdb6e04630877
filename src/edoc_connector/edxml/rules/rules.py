"""The rules of the standard for messages that are written, as data: clause and message of each.

`validate` applies them. A rule about one value holds for every row of the tables (`table`), which give cardinality,
type and limit; a rule about a message stands here with its attribute and element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..attachments import Attachment
from ..finding_kinds import FINDING_KINDS
from ..message import Business, BusinessType, Document, DocumentIdParts, StatusCode, find_mark, write_date
from ..names import SEAL_NAME, ZIP_TYPE
from ..severity import Severity

QCVN = "QCVN 102:2016/BTTTT, amendment 1:2022"
QD_20 = "Decision 20/2020/QĐ-TTg"
QD_28 = "Decision 28/2018/QĐ-TTg"
OWN_CLAUSE = "edoc_connector"
"""The clause of rules that are not the standard's but ours, so that a written message reads back equal."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that a message breaks.

    Args:
        code: stable code, ``EDR-…``.
        field: path of the attribute, e.g. ``recipients[1].name``.
        xpath: path of its element, e.g. ``MessageHeader/To[2]/OrganName``.
        value: the offending value, as text.
        message: message in English.
        message_vi: message in Vietnamese.
        clause: clause of the rule.
        severity: an error stops the writing, a warning does not.
    """

    code: str
    field: str
    xpath: str
    value: str
    message: str
    message_vi: str
    clause: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Args:
        code: stable code, ``EDR-…``; a code may have several rules.
        clause: the standard and its clause.
        en: message for a breach, in English, with fields ``{…}``.
        vi: message for a breach, in Vietnamese.
        severity: an error stops the writing, a warning does not.
    """

    code: str
    clause: str
    en: str
    vi: str
    severity: Severity = Severity.ERROR

    def build_problem(self, field: str, xpath: str, value: str = "", **words: object) -> Problem:
        """Build the problem for a message that breaks the rule."""
        message, message_vi = self.en.format(**words), self.vi.format(**words)
        return Problem(self.code, field, xpath, value, message, message_vi, self.clause.format(**words), self.severity)


def build_required_rule(clause: str, why: str, why_vi: str) -> Rule:
    """Build the rule that a value must be given."""
    return Rule("EDR-REQUIRED", clause, f"is required{why}; give it a value", f"là bắt buộc{why_vi}; hãy điền giá trị")


# -- about one value; {path} is the element's path

REQUIRED = build_required_rule(f"{QCVN}: {{path}}", "", "")
CHARACTER = Rule(
    "EDR-CHARACTER",
    "XML 1.0, 2.2 Characters",
    "holds the character {character}, which XML does not allow; remove it",
    "chứa ký tự {character} mà XML không cho phép; hãy bỏ đi",
)
TOO_LONG = Rule(
    "EDR-LENGTH",
    f"{QCVN}: {{path}}",
    "has {size} characters, at most {limit} are allowed; shorten it",
    "có {size} ký tự, tối đa {limit}; hãy rút gọn",
)
LONG = Rule(TOO_LONG.code, TOO_LONG.clause, TOO_LONG.en, TOO_LONG.vi, Severity.WARNING)
NULL = Rule(
    "EDR-NULL",
    OWN_CLAUSE,
    "is the text 'null', which is read as no value; leave it out",
    "là chữ 'null', sẽ bị hiểu là không có giá trị; hãy để trống",
)
VALUE = Rule(
    "EDR-VALUE",
    f"{QCVN}: {{path}}",
    "is not a value of this element ({kind}); correct it",
    "không phải giá trị hợp lệ của phần tử này ({kind}); hãy sửa lại",
)
_CLAUSES = {"EDX-ORGAN-ID": f"{QD_20}; {QCVN}: OrganId", "EDX-YEAR": OWN_CLAUSE}
DOUBTS = {
    code: Rule(
        code.replace("EDX-", "EDR-"),
        _CLAUSES.get(code, f"{QCVN}: DocumentId"),
        FINDING_KINDS[code].en.replace("{seen}", "{text}"),
        FINDING_KINDS[code].vi.replace("{seen}", "{text}"),
        Severity.WARNING,
    )
    for code in ("EDX-ORGAN-ID", "EDX-ID-FORM", "EDX-ID-DATE", "EDX-YEAR")
}
"""Rules by the code of the finding about such a value; warnings, since a partner's id must be used as it is."""
CODE_LETTERS = Rule(
    "EDR-ORGAN-ID-LETTERS",
    f"{QD_20}; {QCVN}: OrganId",
    "holds {character}: a code has no spaces, line ends or invisible letters; write it as the hub's directory does",
    "chứa {character}: mã định danh không có dấu cách, xuống dòng hoặc ký tự ẩn; hãy ghi đúng như danh bạ của trục",
)
OWN_ID_DATE = Rule("EDR-ID-DATE", f"{QCVN}: DocumentId", DOUBTS["EDX-ID-DATE"].en, DOUBTS["EDX-ID-DATE"].vi)
VALUE_RULES = (REQUIRED, CHARACTER, TOO_LONG, LONG, NULL, VALUE, CODE_LETTERS, *DOUBTS.values(), OWN_ID_DATE)

# -- about a message


@dataclass(frozen=True, slots=True)
class RuleContext:
    """The facts beside the message that a rule may use.

    Args:
        today: the Vietnam date of writing.
    """

    today: date


Breaches = Iterator[tuple[str, dict[str, object]]]
"""The offending value and the message fields of each breach; none where the rule is kept."""


@dataclass(frozen=True, slots=True)
class MessageRule:
    """A rule about a whole message.

    Args:
        rule: the rule.
        field: path of the attribute.
        xpath: path of its element.
        check: finds the breaches.
    """

    rule: Rule
    field: str
    xpath: str
    check: Callable[[Any, RuleContext], Breaches]


@dataclass(frozen=True, slots=True)
class ItemRule:
    """A rule about each item of a list.

    Args:
        rule: the rule.
        field: path of the attribute, below the item.
        xpath: path of its element, below the item's.
        check: finds the offending value, None where the item keeps the rule.
        key: makes a key that no two items may share; only an item that repeats a key is checked.
    """

    rule: Rule
    field: str
    xpath: str
    check: Callable[[Any], str | None]
    key: Callable[[Any], str | None] | None = None


def _is_blank(text: str | None) -> bool:
    return not (text or "").strip()


def _breach_if(is_broken: object, value: str = "", **words: object) -> Breaches:
    if is_broken:
        yield value, words


def _has_type(business: Business, *kinds: BusinessType) -> bool:
    return business.type in kinds


_BUSINESS = f"{QCVN}: TraceHeaderList/Bussiness"
_PLACE = "TraceHeaderList/Bussiness"


def _check_future(document: Document, context: RuleContext) -> Breaches:
    issued = document.issued_on
    if issued is not None and issued > context.today:
        yield write_date(issued), {"today": write_date(context.today)}


_ID_PART_LIMITS = {"number": (11, "số"), "notation": (30, "ký hiệu")}  # those of CodeNumber and CodeNotation


def _check_id_length(document: Document, _context: RuleContext) -> Breaches:
    parts = DocumentIdParts.from_text(document.id.strip())
    for part, (most, part_vi) in _ID_PART_LIMITS.items():
        size = len(getattr(parts, part))
        if size > most:
            yield document.id, {"part": part, "part_vi": part_vi, "size": size, "limit": most}


def _lacks_reference(document: Document) -> bool:
    return not (document.business.document_id or any(one.document_id or one.code for one in document.responses_for))


def _build_update_check(attr: str) -> Callable[[Document, RuleContext], Breaches]:
    def check(document: Document, _context: RuleContext) -> Breaches:
        business = document.business
        return _breach_if(_has_type(business, BusinessType.UPDATE) and getattr(business, attr) is None)

    return check


def _check_subject_mark(document: Document, _context: RuleContext) -> Breaches:
    mark = find_mark(document.subject)
    return _breach_if(mark, mark or "", mark=mark)


_MARK_CLAUSE = f"{QD_28}: documents with state secrets are left out"
_MARKED = Rule(
    "EDR-MARK",
    _MARK_CLAUSE,
    FINDING_KINDS["EDX-MARK"].en.replace("{seen}", "{mark}"),
    FINDING_KINDS["EDX-MARK"].vi.replace("{seen}", "{mark}"),
    Severity.WARNING,
)
"""A mark in a text is a hint, which may be wrong; only what a caller says of a document is certain."""

DOCUMENT_RULES = (
    MessageRule(
        Rule(
            "EDR-CLASSIFIED",
            _MARK_CLAUSE,
            f"is '{{level}}', a state secret, which this exchange must not carry ({QD_28}); send it as the Law on "
            "Protection of State Secrets says",
            f"là '{{level}}': văn bản chứa bí mật nhà nước không được gửi qua trục này ({QD_28}); hãy gửi theo Luật "
            "Bảo vệ bí mật nhà nước",
        ),
        "classification",
        "MessageHeader",
        lambda one, _: _breach_if(one.classification, one.classification or "", level=one.classification),
    ),
    MessageRule(_MARKED, "subject", "MessageHeader/Subject", _check_subject_mark),
    MessageRule(
        Rule(
            "EDR-FUTURE",
            f"{QCVN}: MessageHeader/PromulgationInfo/PromulgationDate",
            "is after today, {today}; a document is sent once it is promulgated",
            "sau ngày hôm nay, {today}; văn bản chỉ được gửi khi đã ban hành",
        ),
        "issued_on",
        "MessageHeader/PromulgationInfo/PromulgationDate",
        _check_future,
    ),
    MessageRule(
        Rule(
            "EDR-LENGTH",
            f"{QCVN}: MessageHeader/DocumentId, Code",
            "has a {part} of {size} characters, at most {limit} are allowed; shorten it",
            "có {part_vi} dài {size} ký tự, tối đa {limit}; hãy rút gọn",
        ),
        "id",
        "MessageHeader/DocumentId",
        _check_id_length,
    ),
    MessageRule(
        build_required_rule(f"{_BUSINESS}/BussinessDocReason", " unless the document is new", " trừ văn bản mới"),
        "business.reason",
        f"{_PLACE}/BussinessDocReason",
        lambda one, _: _breach_if(one.business.type not in (None, BusinessType.NEW) and _is_blank(one.business.reason)),
    ),
    MessageRule(
        Rule(
            "EDR-NOT-NEW",
            f"{_BUSINESS}/DocumentId",
            "names a document that is acted on, but the packet is a new document; leave it out or set business.type",
            "chỉ ra văn bản được xử lý nhưng gói tin là văn bản mới; hãy để trống hoặc đặt business.type",
        ),
        "business.document_id",
        f"{_PLACE}/DocumentId",
        lambda one, _: _breach_if(
            _has_type(one.business, BusinessType.NEW) and one.business.document_id, one.business.document_id or ""
        ),
    ),
    MessageRule(
        build_required_rule(
            f"{_BUSINESS}, type 1",
            " to say which document is recalled (or a ResponseFor that names it)",
            " để biết thu hồi văn bản nào (hoặc ResponseFor chỉ ra văn bản đó)",
        ),
        "business.document_id",
        f"{_PLACE}/DocumentId",
        lambda one, _: _breach_if(_has_type(one.business, BusinessType.RECALL) and _lacks_reference(one)),
    ),
    MessageRule(
        build_required_rule(f"{_BUSINESS}, type 2", " for an update", " khi cập nhật"),
        "business.document_id",
        f"{_PLACE}/DocumentId",
        lambda one, _: _breach_if(_has_type(one.business, BusinessType.UPDATE) and not one.business.document_id),
    ),
    *(
        MessageRule(
            build_required_rule(f"{_BUSINESS}, type 2", " for an update", " khi cập nhật"),
            f"business.{attr}",
            f"{_PLACE}/BussinessDocumentInfo/{element}",
            _build_update_check(attr),
        )
        for attr, element in (("content_changed", "DocumentInfo"), ("receivers_changed", "DocumentReceiver"))
    ),
    MessageRule(
        build_required_rule(f"{_BUSINESS}, type 2", " where the recipients changed", " khi nơi nhận thay đổi"),
        "business.receivers",
        f"{_PLACE}/BussinessDocumentInfo/ReceiverList/Receiver",
        lambda one, _: _breach_if(
            _has_type(one.business, BusinessType.UPDATE)
            and one.business.receivers_changed
            and not one.business.receivers
        ),
    ),
    MessageRule(
        Rule(
            "EDR-RECEIVERS",
            f"{_BUSINESS}/BussinessDocumentInfo",
            "is false, yet receivers are listed; set it to true or list none",
            "là sai nhưng vẫn liệt kê nơi nhận; hãy đặt là đúng hoặc bỏ danh sách",
        ),
        "business.receivers_changed",
        f"{_PLACE}/BussinessDocumentInfo/DocumentReceiver",
        lambda one, _: _breach_if(
            _has_type(one.business, BusinessType.UPDATE)
            and one.business.receivers
            and one.business.receivers_changed is False,
            "0",
        ),
    ),
    MessageRule(
        build_required_rule(f"{_BUSINESS}, type 3", " for a replacement", " khi thay thế"),
        "business.replaces",
        f"{_PLACE}/ReplacementInfoList/ReplacementInfo",
        lambda one, _: _breach_if(_has_type(one.business, BusinessType.REPLACE) and not one.business.replaces),
    ),
)
"""Rules about documents, in the order of the standard's tables."""

NEEDS_REASON = frozenset({StatusCode.REJECTED, StatusCode.TAKE_BACK, StatusCode.CHANGE_REFUSED})
"""Status codes whose Description holds the reason and is mandatory (Decision 28/2018/QĐ-TTg)."""

STATUS_RULES = (
    MessageRule(
        build_required_rule(
            f"{QCVN}: MessageHeader/ResponseFor/OrganId",
            ", the sender of the document that the status is about",
            " (nơi gửi văn bản được phản hồi)",
        ),
        "response_for.organ_id",
        "MessageHeader/ResponseFor/OrganId",
        lambda one, _: _breach_if(_is_blank(one.response_for.organ_id)),
    ),
    MessageRule(
        build_required_rule(
            f"{QCVN}: MessageHeader/ResponseFor",
            " (or code), to say which document the status is about",
            " (hoặc code) để biết phản hồi văn bản nào",
        ),
        "response_for.document_id",
        "MessageHeader/ResponseFor/DocumentId",
        lambda one, _: _breach_if(_is_blank(one.response_for.document_id or one.response_for.code)),
    ),
    MessageRule(
        build_required_rule(
            f"{QD_28}: status codes 02, 13, 16", " with code {status}, as its reason", " với mã {status}, là lý do"
        ),
        "description",
        "MessageHeader/Description",
        lambda one, _: _breach_if(one.code in NEEDS_REASON and _is_blank(one.description), status=one.code),
    ),
)
"""Rules about statuses."""


RECIPIENT_RULES = (
    ItemRule(
        Rule(
            "EDR-RECIPIENT-TWICE",
            f"{QCVN}: MessageHeader/To",
            "recipient {repeated} is listed twice; list each once",
            "nơi nhận {repeated} bị ghi hai lần; mỗi nơi chỉ ghi một lần",
        ),
        "id",
        "OrganId",
        lambda one: one.id,
        key=lambda one: one.organ_id.value,
    ),
)
"""Rules about each recipient."""


def _check_bare_id(attachment: Attachment) -> str | None:
    written = attachment.content_id or ""
    return written if written.startswith("cid:") or written != written.strip() else None


def _check_zip_type(attachment: Attachment) -> str | None:
    zipped = attachment.content_type.strip().lower() == ZIP_TYPE
    return attachment.content_type if zipped and not attachment.name.strip().lower().endswith(".zip") else None


ATTACHMENT_RULES = (
    ItemRule(
        Rule(
            _MARKED.code,
            _MARKED.clause,
            _MARKED.en.replace("{mark}", "{repeated}"),
            _MARKED.vi.replace("{mark}", "{repeated}"),
            _MARKED.severity,
        ),
        "name",
        "AttachmentName",
        lambda one: find_mark(one.name),
    ),
    ItemRule(
        Rule(
            "EDR-NAME",
            OWN_CLAUSE,
            "is the name of the seal, which is added by itself; give the file another name",
            "là tên của tệp niêm phong, được tự động thêm vào; hãy đặt tên khác",
        ),
        "name",
        "AttachmentName",
        lambda one: one.name if one.name.strip() == SEAL_NAME else None,
    ),
    ItemRule(
        Rule(
            "EDR-ZIP",
            f"{QCVN}: AttachmentEncoded/Attachment/ContentType",
            "means a zip around the file unless the name ends in .zip; give the file's own type or name it .zip",
            "nghĩa là tệp được nén, trừ khi tên kết thúc bằng .zip; hãy ghi loại của chính tệp hoặc đặt tên .zip",
        ),
        "content_type",
        "ContentType",
        _check_zip_type,
    ),
    ItemRule(
        Rule(
            "EDR-CONTENT-ID",
            f"{QCVN}: AttachmentEncoded/Attachment/ContentId",
            "is used by another attachment; give each its own or none",
            "đã được tệp đính kèm khác dùng; mỗi tệp dùng một mã riêng hoặc để trống",
        ),
        "content_id",
        "ContentId",
        lambda one: one.content_id,
        key=lambda one: one.content_id or None,
    ),
    ItemRule(
        Rule(
            "EDR-CONTENT-ID",
            f"{QCVN}: AttachmentEncoded/Attachment/ContentId",
            "begins with 'cid:' or has spaces around it; give the bare id, 'cid:' is added by itself",
            "bắt đầu bằng 'cid:' hoặc có khoảng trắng ở hai đầu; chỉ ghi mã, 'cid:' được tự động thêm",
        ),
        "content_id",
        "ContentId",
        _check_bare_id,
    ),
)
"""Rules about each attachment."""


def list_rules() -> tuple[Rule, ...]:
    """List all rules, those about one value first."""
    about: tuple[MessageRule | ItemRule, ...] = (*DOCUMENT_RULES, *STATUS_RULES, *RECIPIENT_RULES, *ATTACHMENT_RULES)
    return (*VALUE_RULES, *(one.rule for one in about))
