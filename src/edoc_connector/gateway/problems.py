"""Errors as problem documents (RFC 9457): one table from the classes of errors to the kinds of problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core import Text
from ..errors import (
    AgencyListError,
    AttachmentError,
    AuthenticationRejected,
    ConfigError,
    DocumentError,
    DocumentIdConflict,
    DuplicateDocument,
    EdocError,
    EvidenceError,
    HubError,
    HubUnavailable,
    InvalidFields,
    InvalidQuery,
    NotFound,
    OutcomeUnknown,
    PacketError,
    PacketRefused,
    SigningError,
    StatusNotAllowed,
    StoreError,
    TransportError,
    UnknownRecipient,
    UnknownSender,
    VerificationFailed,
)
from .errors import (
    BodyTooLarge,
    InvalidRequest,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotNow,
    TooManyRequests,
    UnsupportedBody,
)
from .models import FieldFault, Problem

TYPE_PREFIX = "urn:edoc-connector:problem:"
MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem.

    Args:
        code: its stable name, the end of its URI.
        status: HTTP status.
        title: what it is.
        next_step: what a client does.
    """

    code: str
    status: int
    title: Text
    next_step: Text


_CORRECT = Text("Correct the fields in `problems` and send it again.", "Sửa các trường trong `problems` rồi gửi lại.")
_LATER = Text("Send the same request again later.", "Gửi lại đúng yêu cầu này sau ít phút.")
_OPERATOR = Text(
    "Tell the person in charge of the gateway; see its log and `edoc doctor`.",
    "Báo người phụ trách cổng tích hợp; xem nhật ký và `edoc doctor`.",
)
_LOOK = Text("Look at the explanation of the document.", "Xem diễn giải (explanation) của văn bản.")

PROBLEM_TYPES: Mapping[type[EdocError], ProblemType] = {
    # what the gateway says
    NotAuthenticated: ProblemType(
        "not-authenticated",
        401,
        Text("A valid key is needed", "Cần khóa truy cập hợp lệ"),
        Text("Send the header `Authorization: Bearer KEY`.", "Gửi kèm tiêu đề `Authorization: Bearer KHÓA`."),
    ),
    NotAllowed: ProblemType(
        "not-allowed",
        403,
        Text("The key may not speak for this agency", "Khóa không có quyền với đơn vị này"),
        Text(
            "Use the key of that agency; `GET /v1/agencies` lists yours.",
            "Dùng khóa của đơn vị đó; xem `GET /v1/agencies`.",
        ),
    ),
    TooManyRequests: ProblemType(
        "too-many-requests",
        429,
        Text("Too many requests", "Quá nhiều yêu cầu"),
        Text("Wait as long as Retry-After says.", "Chờ đủ thời gian ghi ở Retry-After."),
    ),
    BodyTooLarge: ProblemType(
        "too-large",
        413,
        Text("The body is too large", "Nội dung quá lớn"),
        Text(
            "Send files as multipart/form-data, or fewer of them.",
            "Gửi tệp bằng multipart/form-data hoặc giảm bớt tệp.",
        ),
    ),
    UnsupportedBody: ProblemType(
        "unsupported-body",
        415,
        Text("The body has a media type that this call does not take", "Kiểu nội dung không được hỗ trợ"),
        Text("Send application/json or multipart/form-data.", "Gửi application/json hoặc multipart/form-data."),
    ),
    InvalidRequest: ProblemType(
        "invalid-request", 422, Text("Values that cannot be", "Giá trị không hợp lệ"), _CORRECT
    ),
    KeyReused: ProblemType(
        "idempotency-key-reused",
        422,
        Text("The Idempotency-Key belongs to another request", "Idempotency-Key đã dùng cho yêu cầu khác"),
        Text("Use a new key for new content.", "Dùng khóa mới cho nội dung mới."),
    ),
    NotNow: ProblemType(
        "not-now", 409, Text("Not possible in the present state", "Chưa thực hiện được ở trạng thái hiện tại"), _LOOK
    ),
    # what the connector says
    InvalidFields: ProblemType("invalid-fields", 422, Text("Values that cannot be", "Giá trị không hợp lệ"), _CORRECT),
    DocumentError: ProblemType(
        "invalid-document",
        422,
        Text("The document breaks rules of the standard", "Văn bản chưa đúng quy chuẩn"),
        _CORRECT,
    ),
    AttachmentError: ProblemType(
        "invalid-attachment",
        422,
        Text("A file cannot be used", "Không dùng được tệp đính kèm"),
        Text("Send that file again.", "Gửi lại tệp đó."),
    ),
    InvalidQuery: ProblemType(
        "invalid-query",
        422,
        Text("The list cannot be asked for so", "Yêu cầu danh sách không hợp lệ"),
        Text("Correct the parameters, or begin without `after`.", "Sửa tham số, hoặc bắt đầu lại không kèm `after`."),
    ),
    NotFound: ProblemType(
        "not-found",
        404,
        Text("There is none", "Không tìm thấy"),
        Text("Look for it in the lists.", "Tra trong danh sách."),
    ),
    StatusNotAllowed: ProblemType(
        "status-not-allowed", 409, Text("Not possible after what was before", "Không được phép theo trình tự"), _LOOK
    ),
    DocumentIdConflict: ProblemType(
        "document-id-conflict",
        409,
        Text("Another document has this id", "Mã văn bản đã dùng cho văn bản khác"),
        Text("Give the document an id of its own.", "Đặt mã khác cho văn bản."),
    ),
    VerificationFailed: ProblemType(
        "not-let-in", 409, Text("The policy does not let the packet in", "Gói tin không được phép nhận"), _OPERATOR
    ),
    AgencyListError: ProblemType(
        "invalid-agency-list", 422, Text("Lines that cannot be used", "Dòng không dùng được"), _CORRECT
    ),
    PacketError: ProblemType(
        "unreadable-packet", 409, Text("The packet cannot be read", "Không đọc được gói tin"), _OPERATOR
    ),
    SigningError: ProblemType(
        "key-unavailable", 503, Text("The signing key cannot be used", "Không dùng được khóa ký"), _OPERATOR
    ),
    StoreError: ProblemType("store-unavailable", 503, Text("The store does not answer", "Kho dữ liệu gặp lỗi"), _LATER),
    EvidenceError: ProblemType(
        "evidence", 500, Text("The evidence does not hold", "Bằng chứng không hợp lệ"), _OPERATOR
    ),
    ConfigError: ProblemType("configuration", 500, Text("The settings are wrong", "Cấu hình sai"), _OPERATOR),
    # what the hub says, in the few calls that ask it
    UnknownRecipient: ProblemType(
        "unknown-recipient", 422, Text("The hub does not know a recipient", "Trục không có nơi nhận này"), _CORRECT
    ),
    UnknownSender: ProblemType(
        "unknown-sender", 502, Text("The hub does not know us", "Trục chưa đăng ký đơn vị"), _OPERATOR
    ),
    AuthenticationRejected: ProblemType(
        "hub-refuses-us", 502, Text("The hub refuses our login", "Trục từ chối đăng nhập"), _OPERATOR
    ),
    PacketRefused: ProblemType("hub-refused", 502, Text("The hub refused it", "Trục từ chối"), _LOOK),
    DuplicateDocument: ProblemType("hub-has-it", 409, Text("The hub has it already", "Trục đã có văn bản này"), _LOOK),
    HubUnavailable: ProblemType("hub-busy", 503, Text("The hub is busy", "Trục đang bận"), _LATER),
    HubError: ProblemType("hub-error", 502, Text("The hub said no", "Trục báo lỗi"), _OPERATOR),
    OutcomeUnknown: ProblemType("outcome-unknown", 504, Text("The hub did not answer", "Trục chưa trả lời"), _LOOK),
    TransportError: ProblemType(
        "hub-unreachable", 504, Text("The hub was not reached", "Chưa kết nối được trục"), _LATER
    ),
    EdocError: ProblemType(
        "internal", 500, Text("An error inside the gateway", "Lỗi bên trong cổng tích hợp"), _OPERATOR
    ),
}
"""The kind of problem of each class of errors; of others, that of the nearest class above."""

_NO_SUCH_PAGE = ProblemType(
    "no-such-call",
    404,
    Text("There is no such call", "Không có lệnh gọi này"),
    Text("See /openapi.json.", "Xem /openapi.json."),
)
_WRONG_METHOD = ProblemType(
    "wrong-method", 405, Text("The call has another method", "Sai phương thức HTTP"), _NO_SUCH_PAGE.next_step
)
_BAD_REQUEST = ProblemType(
    "bad-request", 400, Text("The request cannot be read", "Không đọc được yêu cầu"), _NO_SUCH_PAGE.next_step
)
OTHER_TYPES: Mapping[int, ProblemType] = {404: _NO_SUCH_PAGE, 405: _WRONG_METHOD}
"""The kinds of problem that no error of ours stands for, by HTTP status."""

ALL_TYPES = tuple(
    {one.code: one for one in (*PROBLEM_TYPES.values(), _NO_SUCH_PAGE, _WRONG_METHOD, _BAD_REQUEST)}.values()
)


def find_type(error: EdocError) -> ProblemType:
    """Find the kind of problem of an error."""
    return next(PROBLEM_TYPES[kind] for kind in type(error).__mro__ if kind in PROBLEM_TYPES)


def build_problem(error: EdocError) -> Problem:
    """Build the document of an error, with what a person may see."""
    kind = find_type(error)
    hides = kind.status == 500
    shown = kind.title if hides else Text(error.full, error.full_vi)
    return _build(kind, shown, list(_list_faults(getattr(error, "problems", ()))), _get_wait(error))


def build_http_problem(status: int, detail: str) -> Problem:
    """Build the document of a refusal by the server itself."""
    kind = OTHER_TYPES.get(status, _BAD_REQUEST)
    problem = _build(kind, Text(f"{kind.title.en}: {detail}", kind.title.vi), [], None)
    return problem.model_copy(update={"status": status})


def build_internal_problem() -> Problem:
    """Build the document of a mistake of ours, which says nothing of it."""
    kind = PROBLEM_TYPES[EdocError]
    return _build(kind, kind.title, [], None)


def _build(kind: ProblemType, detail: Text, faults: list[FieldFault], wait: int | None) -> Problem:
    return Problem(
        type=TYPE_PREFIX + kind.code,
        title=kind.title.en,
        title_vi=kind.title.vi,
        status=kind.status,
        detail=detail.en,
        detail_vi=detail.vi,
        code=kind.code,
        next_step=kind.next_step.en,
        next_step_vi=kind.next_step.vi,
        problems=faults,
        retry_after=wait,
    )


def _list_faults(problems: Iterable[Any]) -> Iterable[FieldFault]:
    """List the faults of fields: rules of the standard that are broken, or values that cannot be."""
    for one in problems:
        place = str(getattr(one, "field", getattr(one, "line", "")))
        yield FieldFault(code=getattr(one, "code", ""), field=place, message=one.message, message_vi=one.message_vi)


def _get_wait(error: EdocError) -> int | None:
    wait = getattr(error, "retry_after", None)
    return None if wait is None else max(1, int(wait))
