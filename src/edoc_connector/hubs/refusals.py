"""Refusals of hubs as errors of this library: a table of error codes, one of words, and one of status and body.

Only an answer in the hub's own form is its verdict on a packet. Whatever else says no stands in front of the hub (a
proxy, a gateway, a portal), or the hub does not work: the packet waits, and the error says what answered.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from ..errors import (
    AuthenticationRejected,
    CallNotSupported,
    ClockRejected,
    DuplicateDocument,
    EdocError,
    HubError,
    HubUnavailable,
    IntermediaryAnswer,
    OutcomeUnknown,
    PacketRefused,
    ProtocolError,
    UnknownRecipient,
    UnknownSender,
)
from .fields import as_printable
from .wire import WireResponse


@dataclass(frozen=True, slots=True)
class RefusalMeaning:
    """The meaning of a code, a word or a status.

    Args:
        error: the class to raise.
        en: what is wrong and what to do.
        vi: the same in Vietnamese.
    """

    error: type[HubError]
    en: str
    vi: str


DUPLICATE = RefusalMeaning(
    DuplicateDocument,
    "The hub has a document with this DocumentId already. It was sent before: look up its state, do not send it again.",
    "Trục đã có văn bản với mã văn bản này. Văn bản đã được gửi trước đó: hãy tra trạng thái, không gửi lại.",
)

MEANING_BY_CODE: Mapping[str, RefusalMeaning] = {
    "10": RefusalMeaning(
        PacketRefused,
        "The hub does not take the file for a packet. Check it with `edoc inspect`.",
        "Trục không nhận đây là gói tin hợp lệ. Hãy kiểm tra tệp bằng lệnh `edoc inspect`.",
    ),
    "15": RefusalMeaning(
        AuthenticationRejected,
        "The hub does not know this system id, or the secret is wrong. Check both in the configuration.",
        "Trục không nhận ra mã hệ thống hoặc mã bí mật sai. Hãy kiểm tra cả hai trong cấu hình.",
    ),
    "16": RefusalMeaning(
        ClockRejected,
        "The hub says the time stamp is too far off. Set this machine's clock (NTP).",
        "Trục báo thời gian gửi lệch quá mức cho phép. Hãy chỉnh lại đồng hồ của máy (NTP).",
    ),
    "18": RefusalMeaning(
        UnknownRecipient,
        "A receiver is not in the hub's directory. Refresh the directory and correct the code.",
        "Đơn vị nhận không có trong danh bạ của trục. Hãy đồng bộ lại danh bạ và sửa mã định danh.",
    ),
    "19": RefusalMeaning(
        UnknownSender,
        "The sending agency is not registered with the hub. Check its code, or have it registered.",
        "Đơn vị gửi chưa đăng ký trên trục. Hãy kiểm tra mã định danh hoặc đề nghị đăng ký.",
    ),
    "20": RefusalMeaning(
        HubUnavailable,
        "The hub failed inside. Try again later; if it stays so, tell its operator.",
        "Trục gặp lỗi hệ thống. Hãy thử lại sau; nếu vẫn lỗi, hãy báo cho đơn vị vận hành trục.",
    ),
    "21": RefusalMeaning(
        PacketRefused,
        "The hub could not process the file. Check the packet with `edoc inspect` and its attachments.",
        "Trục không xử lý được tệp. Hãy kiểm tra gói tin bằng lệnh `edoc inspect` và các tệp đính kèm.",
    ),
    "22": RefusalMeaning(
        PacketRefused,
        "The hub says the packet is not edXML as its standard asks. Correct the field that it names.",
        "Trục báo gói tin không đúng quy chuẩn edXML. Hãy sửa trường thông tin mà trục nêu.",
    ),
    "23": RefusalMeaning(
        UnknownRecipient,
        "A receiver is locked at the hub. Ask the receiver or the hub's operator; until then send it another way.",
        "Đơn vị nhận đang bị khóa trên trục. Hãy liên hệ đơn vị nhận hoặc bên vận hành trục; tạm thời gửi cách khác.",
    ),
    "24": RefusalMeaning(
        PacketRefused,
        "The hub says hash-file does not match the body. Try the other setting of `sdk_compatible`.",
        "Trục báo mã băm của tệp không khớp với nội dung. Hãy thử đổi tùy chọn `sdk_compatible`.",
    ),
    "25": DUPLICATE,
    "26": RefusalMeaning(
        HubError,
        "The hub has no packet with this docId. List the waiting packets again.",
        "Trục không có gói tin với docId này. Hãy lấy lại danh sách gói tin chờ nhận.",
    ),
    "27": RefusalMeaning(
        HubError,
        "The hub misses a header or finds one malformed. Check that a proxy does not drop the XroadVnpt headers.",
        "Trục báo thiếu hoặc sai định dạng một header. Hãy kiểm tra xem proxy có bỏ mất các header XroadVnpt không.",
    ),
    "28": RefusalMeaning(
        HubError,
        "The hub is set up to refuse this call. Ask its operator to allow it.",
        "Trục được cấu hình không cho phép lời gọi này. Hãy đề nghị đơn vị vận hành trục cho phép.",
    ),
}
"""Error codes. Hubs of the national product and provincial platforms number alike as far as they are documented."""

MEANING_BY_WORDS: tuple[tuple[re.Pattern[str], RefusalMeaning], ...] = (
    (re.compile(r"(?<!not )(?<![a-z0-9])existdoc", re.IGNORECASE), DUPLICATE),
)
"""Words in the description that say more than the code beside them; ``NotExistDoc`` says something else."""

_UNNAMED_REFUSAL = RefusalMeaning(
    PacketRefused,
    "The hub refused the packet. Read its reason; the packet will not pass as it is.",
    "Trục từ chối gói tin. Hãy đọc lý do; gói tin giữ nguyên như vậy sẽ không gửi được.",
)
_UNNAMED_ERROR = RefusalMeaning(
    HubError,
    "The hub refused the call. Read its reason, or ask its operator.",
    "Trục từ chối lời gọi. Hãy đọc lý do hoặc hỏi đơn vị vận hành trục.",
)
_DENIED = RefusalMeaning(
    AuthenticationRejected,
    "The hub does not let this system in. Check the system id, the secret and, where used, the client certificate.",
    "Trục không cho hệ thống này truy cập. Hãy kiểm tra mã hệ thống, mã bí mật và chứng thư máy khách (nếu dùng).",
)
_BUSY = RefusalMeaning(
    HubUnavailable,
    "The hub is busy. Try again later.",
    "Trục đang quá tải. Hãy thử lại sau.",
)
_HUB_FAILED = RefusalMeaning(
    HubUnavailable,
    "The hub or a proxy before it failed. Try again later; if it stays so, tell the hub's operator.",
    "Trục hoặc proxy phía trước gặp lỗi. Hãy thử lại sau; nếu vẫn lỗi, hãy báo cho đơn vị vận hành trục.",
)
_REDIRECTED = RefusalMeaning(
    IntermediaryAnswer,
    "The hub, or something in front of it, sends us elsewhere, and redirects are not followed. "
    "Correct the endpoint in the configuration, or the gateway's login.",
    "Trục hoặc hệ thống phía trước chuyển hướng sang địa chỉ khác và thư viện không đi theo. "
    "Hãy sửa địa chỉ trục (endpoint) trong cấu hình, hoặc việc đăng nhập ở cổng kết nối.",
)
_IN_BETWEEN = RefusalMeaning(
    IntermediaryAnswer,
    "Not the hub answered but something in front of it: a proxy, a gateway or a portal. Nothing is concluded from "
    "that; have it let the hub's calls through.",
    "Không phải trục trả lời mà là hệ thống phía trước: proxy, cổng kết nối hoặc trang đăng nhập. Câu trả lời này "
    "không được coi là của trục; hãy cấu hình để hệ thống đó cho các lời gọi tới trục đi qua.",
)
_PROXY_LOGIN = RefusalMeaning(
    IntermediaryAnswer,
    "A proxy wants a login. Check what the configuration says of the proxy; its password may have expired.",
    "Proxy yêu cầu đăng nhập. Hãy kiểm tra tên và mật khẩu của proxy trong cấu hình; mật khẩu có thể đã hết hạn.",
)
_CERTIFICATE_WANTED = RefusalMeaning(
    IntermediaryAnswer,
    "The server in front of the hub does not take our client certificate. Check client_certificate and its dates.",
    "Máy chủ phía trước trục không chấp nhận chứng thư máy khách. Hãy kiểm tra client_certificate và thời hạn của nó.",
)
_TOO_LARGE = RefusalMeaning(
    PacketRefused,
    "The packet is larger than the hub, or a server in front of it, takes. Send the attachments in several documents.",
    "Gói tin lớn hơn mức trục hoặc máy chủ phía trước cho phép. Hãy chia tệp đính kèm ra nhiều văn bản.",
)
_NO_SUCH_CALL = RefusalMeaning(
    CallNotSupported,
    "There is no such call at this address. Check the endpoint in the configuration.",
    "Địa chỉ này không có lời gọi như vậy. Hãy kiểm tra địa chỉ trục (endpoint) trong cấu hình.",
)
_UNEXPECTED_STATUS = RefusalMeaning(
    ProtocolError,
    "The hub answered with an HTTP status that this dialect does not use. Check the endpoint and proxies before it.",
    "Trục trả về mã HTTP không có trong giao thức. Hãy kiểm tra địa chỉ trục (endpoint) và các proxy phía trước.",
)


DONE_BEFORE = re.compile(
    r"\balready\s+(been\s+|is\s+)?(done|confirmed|acknowledged|received|processed|completed|updated)\b", re.IGNORECASE
)
"""Words by which hubs say that a call was made before."""


class BodyKind(StrEnum):
    """The form of an answer's body."""

    HUB = "hub"
    """JSON in the hub's own form: a status that is OK or FAIL, or an error code."""
    JSON = "json"
    HTML = "html"
    TEXT = "text"
    EMPTY = "empty"


_ANY_BODY = frozenset(BodyKind)
_OTHER_BODIES = _ANY_BODY - {BodyKind.HUB}


@dataclass(frozen=True, slots=True)
class StatusRule:
    """A row of the table of HTTP status.

    Args:
        statuses: the statuses that it is about.
        bodies: the forms of the body.
        sending: the meaning for a call that hands over a packet.
        other: the meaning for any other call; by default the same.
    """

    statuses: range | tuple[int, ...]
    bodies: frozenset[BodyKind]
    sending: RefusalMeaning
    other: RefusalMeaning | None = None


STATUS_RULES: tuple[StatusRule, ...] = (
    StatusRule((401, 403), _ANY_BODY, _DENIED),
    StatusRule((408, 425, 429), _ANY_BODY, _BUSY),
    # Of REST hubs these two are a verdict, whoever writes the page: the packet never passes as it is.
    StatusRule((413,), _ANY_BODY, _TOO_LARGE, _UNNAMED_ERROR),
    StatusRule((422,), _ANY_BODY, _UNNAMED_REFUSAL, _UNNAMED_ERROR),
    StatusRule(range(400, 500), frozenset({BodyKind.HUB}), _UNNAMED_REFUSAL, _UNNAMED_ERROR),
    StatusRule((404, 405), _OTHER_BODIES, _NO_SUCH_CALL),
    StatusRule((407,), _OTHER_BODIES, _PROXY_LOGIN),
    StatusRule((495, 496), _OTHER_BODIES, _CERTIFICATE_WANTED),
    StatusRule(range(400, 500), _OTHER_BODIES, _IN_BETWEEN),
    StatusRule(range(300, 400), _ANY_BODY, _REDIRECTED),
    StatusRule((501,), _ANY_BODY, _NO_SUCH_CALL),
    StatusRule((503,), _ANY_BODY, _BUSY),
    StatusRule(range(500, 600), _ANY_BODY, _HUB_FAILED),
    StatusRule(range(1000), _ANY_BODY, _UNEXPECTED_STATUS),
)
"""HTTP status without an error code that says more; the first row that fits decides. What becomes of a packet after
each class of error stands in the connector's table of retry decisions."""

_TITLE = re.compile(r"<title[^>]*>\s*([^<]{1,300})", re.IGNORECASE)
_CERTAINLY_NOT_ACCEPTED = frozenset({501, 503})
"""The 5xx that a server sends before it does anything: after them a packet may be sent again."""


def build_refusal(
    code: str, description: str, *, sends: bool, answer: WireResponse, meaning: RefusalMeaning | None = None
) -> HubError:
    """Build the error for a code and description in a hub's answer.

    Args:
        code: the hub's error code, as text.
        description: the hub's words.
        sends: whether the call hands over a packet; decides the meaning of an unknown code.
        answer: the answer, for its Retry-After and, when the clock is wrong, its Date.
        meaning: of the code, where the dialect has a table of its own; that of the tables here where it is left out.
    """
    words = as_printable(description)
    meaning = (
        meaning or _find_meaning_by_words(description) or MEANING_BY_CODE.get(code) or select_unnamed_meaning(sends)
    )
    en, vi = _format_clock_advice(answer) if meaning.error is ClockRejected else ("", "")
    number, suffix = as_printable(code, 40), f": {words}" if words else ""
    return meaning.error(
        f"{meaning.en}{en} (hub: error {number or 'without a code'}{suffix})",
        vi=f"{meaning.vi}{vi} (trục báo: lỗi {number or 'không có mã'}{suffix})",
        code=number,
        retry_after=parse_retry_after(answer.headers),
    )


def build_denial(answer: WireResponse) -> HubError:
    """Build the error for an answer that does not let us in, whatever its HTTP status."""
    detail = describe_answer(answer)
    return _DENIED.error(f"{_DENIED.en} ({detail})", vi=f"{_DENIED.vi} ({detail})", code=str(answer.status))


def build_unavailable_error(answer: WireResponse, words: str) -> HubError:
    """Build the error for an answer by which a hub says that it is busy, whatever its HTTP status.

    Args:
        answer: the answer, for its Retry-After.
        words: the hub's.
    """
    said = as_printable(words)
    return HubUnavailable(
        f"{_BUSY.en} (hub: {said})", vi=f"{_BUSY.vi} (trục báo: {said})", retry_after=parse_retry_after(answer.headers)
    )


def is_known_refusal(code: str, description: str) -> bool:
    """Tell whether the tables have a meaning for a code or description."""
    return code in MEANING_BY_CODE or _find_meaning_by_words(description) is not None


def _find_meaning_by_words(description: str) -> RefusalMeaning | None:
    return next((meaning for word, meaning in MEANING_BY_WORDS if word.search(description)), None)


def build_status_error(answer: WireResponse, *, sends: bool, is_hub_form: bool = False) -> EdocError:
    """Build the error for an HTTP status that is no success, by itself.

    After a 5xx answer to a packet that was handed over, the hub may have it: that is OutcomeUnknown, but for those 5xx
    that a server sends before it does anything.

    Args:
        answer: the answer.
        sends: whether the call hands over a packet.
        is_hub_form: whether the body has the hub's own form, as only the dialect can tell.
    """
    status = answer.status
    if sends and (status == 408 or (status >= 500 and status not in _CERTAINLY_NOT_ACCEPTED)):
        return build_lost_answer_error(describe_answer(answer))
    body = BodyKind.HUB if is_hub_form else find_body_kind(answer)
    meaning = find_status_meaning(status, body, sends=sends)
    detail = describe_answer(answer)
    return meaning.error(
        f"{meaning.en} ({detail})",
        vi=f"{meaning.vi} ({detail})",
        code=str(status),
        retry_after=parse_retry_after(answer.headers),
    )


def find_status_meaning(status: int, body: BodyKind, *, sends: bool) -> RefusalMeaning:
    """Find the meaning of an HTTP status with such a body: that of the first row of `STATUS_RULES` that fits."""
    rule = next(rule for rule in STATUS_RULES if status in rule.statuses and body in rule.bodies)
    return rule.sending if sends or rule.other is None else rule.other


def find_body_kind(answer: WireResponse) -> BodyKind:
    """Find the form of a body that is not the hub's own."""
    body = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    media_type = _read_media_type(answer)
    if not body:
        return BodyKind.EMPTY
    if body[:1] in (b"{", b"[") or media_type.endswith("json"):
        return BodyKind.JSON
    return BodyKind.HTML if body[:1] == b"<" or "html" in media_type else BodyKind.TEXT


def describe_answer(answer: WireResponse) -> str:
    """Describe an answer so that a person finds who gave it: status, type, server, page title, where it sends us."""
    server = answer.headers.get("server") or answer.headers.get("via", "")
    body = answer.body[:4000].decode("utf-8", "replace")
    title = _TITLE.search(body)
    words = html.unescape(title[1]) if title is not None else "" if body.lstrip()[:1] == "<" else body[:2000]
    location = answer.headers.get("location", "")
    parts = (
        _read_media_type(answer),
        server,
        f"→ {location.partition('?')[0]}" if location else "",
    )
    said = f": {as_printable(words, 200)}" if words.strip() else ""
    return ", ".join([f"HTTP {answer.status}", *(as_printable(part, 200) for part in parts if part)]) + said


def _read_media_type(answer: WireResponse) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def build_lost_answer_error(received: str) -> OutcomeUnknown:
    """Build the error for a packet that was handed over and got an answer without a yes or no.

    Args:
        received: the answer in a few words: ``HTTP 502``.
    """
    return OutcomeUnknown(
        f"The packet left and the hub's answer does not tell whether it was taken ({received}). "
        "Ask the hub for the state of what was sent before sending again.",
        vi=f"Gói tin đã gửi đi nhưng câu trả lời của trục không cho biết đã nhận hay chưa ({received}). "
        "Hãy hỏi trục trạng thái gói đã gửi trước khi gửi lại.",
    )


def parse_retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Parse a Retry-After header, of seconds or an HTTP date (RFC 9110, 10.2.3), to seconds; None where it is neither.

    Args:
        headers: of the answer, names in lower case. A date counts from the answer's own Date, so that our clock does
            not matter.
        now: start of the wait for a date when the answer has no Date; by default our own time.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    until = parse_http_date(value)
    if until is None:
        return None
    start = parse_http_date(headers.get("date", "")) or now or datetime.now(UTC)
    return max(0.0, (until - start).total_seconds())


def parse_http_date(value: str) -> datetime | None:
    """Parse an HTTP date to aware UTC; None for any other text."""
    try:
        found = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def select_unnamed_meaning(sends: bool) -> RefusalMeaning:
    """Select the meaning of a refusal whose code no table has."""
    return _UNNAMED_REFUSAL if sends else _UNNAMED_ERROR


def _format_clock_advice(answer: WireResponse) -> tuple[str, str]:
    theirs = parse_http_date(answer.headers.get("date", ""))
    if theirs is None:
        return "", ""
    return (
        f" The hub's clock says {theirs:%Y-%m-%d %H:%M:%S} UTC.",
        f" Đồng hồ của trục: {theirs:%Y-%m-%d %H:%M:%S} UTC.",
    )
