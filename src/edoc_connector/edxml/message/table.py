"""The tables of elements and attributes, which drive writing, reading, checking and sealing.

A row names an element by its path below the table's own element; groups that hold only other elements (``Code``,
``OtherInfo``…) have no model of their own and appear only in paths. Rows stand in writing order. The source is
QCVN 102:2016/BTTTT, amendment 1:2022.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ..names import NS
from ..severity import Severity
from . import model, values
from .codes import BusinessType, Priority
from .values import Kind


@dataclass(frozen=True, slots=True)
class Row:
    """One element.

    Args:
        path: element names below the table's element, joined by ``/``.
        attr: attribute of the model.
        kind: the type of its text, or the table of its children.
        required: whether the element is mandatory (cardinality 1 or 1..n).
        many: whether the element may occur more than once.
        limit: most characters.
        excess_severity: severity of going over the limit when writing.
        sealed: whether the seal covers the element, so that a difference makes a packet INVALID.
        refreshed: whether hubs rewrite it from what they know: it is sealed apart, and a difference is a finding.
    """

    path: str
    attr: str
    kind: Kind | Table
    required: bool = False
    many: bool = False
    limit: int | None = None
    excess_severity: Severity = Severity.WARNING
    sealed: bool = True
    refreshed: bool = False

    tags: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The element names of the path."""
    qualified_tags: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """The element names with the standard's namespace."""
    name: str = field(init=False, repr=False, compare=False)
    """The name of the element in a seal."""

    def __post_init__(self) -> None:
        assign = object.__setattr__
        assign(self, "tags", tuple(self.path.split("/")))
        assign(self, "qualified_tags", tuple(f"{{{NS}}}{tag}" for tag in self.tags))
        assign(self, "name", ".".join(self.tags))


Steps: TypeAlias = "dict[str, tuple[int, Row] | Steps]"
"""Tree of rows by the full names of elements: place and row of an element, or the steps within a group."""


@dataclass(frozen=True, slots=True)
class Table:
    """The children of one element.

    Args:
        model: the class of the values.
        rows: the children in writing order.
    """

    model: type[model.ValueHolder]
    rows: tuple[Row, ...]
    paths: dict[tuple[str, ...], tuple[int, Row]] = field(init=False, repr=False, compare=False)
    """Place and row by the names of the path."""
    groups: frozenset[tuple[str, ...]] = field(init=False, repr=False, compare=False)
    """The paths of elements that hold only other elements."""
    steps: Steps = field(init=False, repr=False, compare=False)
    """`paths` as a tree."""
    required: frozenset[str] = field(init=False, repr=False, compare=False)
    """Attributes of mandatory elements."""
    many: frozenset[str] = field(init=False, repr=False, compare=False)
    """Attributes of repeated elements."""
    sealed: tuple[Row, ...] = field(init=False, repr=False, compare=False)
    """The rows that a seal covers."""

    def __post_init__(self) -> None:
        assign = object.__setattr__
        paths = {row.tags: (index, row) for index, row in enumerate(self.rows)}
        assign(self, "paths", paths)
        assign(self, "groups", frozenset(tags[:count] for tags in paths for count in range(1, len(tags))))
        assign(self, "steps", _build_steps(self.rows))
        assign(self, "required", frozenset(row.attr for row in self.rows if row.required))
        assign(self, "many", frozenset(row.attr for row in self.rows if row.many))
        assign(self, "sealed", tuple(row for row in self.rows if row.sealed))


def _build_steps(rows: tuple[Row, ...]) -> Steps:
    steps: Steps = {}
    for index, row in enumerate(rows):
        within: Any = steps
        for tag in row.qualified_tags[:-1]:
            within = within.setdefault(tag, {})
        within[row.qualified_tags[-1]] = index, row
    return steps


_E = Severity.ERROR
_T = values.TEXT
_O = values.ORGAN_ID
_D = values.DOCUMENT_ID

ORGANIZATION = Table(
    model.Organization,
    (
        Row("OrganId", "id", _O, required=True),
        Row("OrganizationInCharge", "in_charge", _T, limit=500, sealed=False),
        Row("OrganName", "name", _T, required=True, limit=200, excess_severity=_E, sealed=False, refreshed=True),
        Row("OrganAdd", "address", _T, limit=500, sealed=False),
        Row("Email", "email", _T, limit=100, sealed=False),
        Row("Telephone", "telephone", _T, limit=20, sealed=False),
        Row("Fax", "fax", _T, limit=20, sealed=False),
        Row("Website", "website", _T, limit=100, sealed=False),
    ),
)

STAFF = Table(
    model.StaffInfo,
    (
        Row("Department", "department", _T),
        Row("DepartmentId", "department_id", _T),
        Row("Staff", "staff", _T),
        Row("StaffId", "staff_id", _T),
        Row("Email", "email", _T),
        Row("Mobile", "mobile", _T),
    ),
)

RESPONSE_FOR = Table(
    model.ResponseFor,
    (
        Row("OrganId", "organ_id", _O),
        Row("Code", "code", _T),
        Row("DocumentId", "document_id", _D),
        Row("PromulgationDate", "issued_on", values.DATE),
    ),
)

SIGNER = Table(
    model.SignerInfo,
    (
        Row("Competence", "competence", _T, limit=100),
        Row("Position", "position", _T, limit=100),
        Row("FullName", "full_name", _T, required=True, limit=50),
    ),
)

DOCUMENT_HEADER = Table(
    model.Document,
    (
        Row("From", "sender", ORGANIZATION, required=True),
        Row("To", "recipients", ORGANIZATION, required=True, many=True),
        Row("DocumentId", "id", _D, required=True),
        Row("Code/CodeNumber", "number", _T, required=True, limit=11, excess_severity=_E),
        Row("Code/CodeNotation", "notation", _T, required=True, limit=30, excess_severity=_E),
        Row("PromulgationInfo/Place", "place", _T, limit=50),
        Row("PromulgationInfo/PromulgationDate", "issued_on", values.DATE, required=True),
        Row("DocumentType/Type", "type", values.INT, required=True),
        Row("DocumentType/TypeDetail", "type_detail", values.INT),
        Row("DocumentType/TypeName", "type_name", _T, required=True, limit=100),
        Row("Subject", "subject", _T, required=True, limit=500, excess_severity=_E),
        Row("Content", "content", _T, limit=500, excess_severity=_E),
        Row("SignerInfo", "signer", SIGNER, required=True),
        Row("DueDate", "due_date", values.DATE),
        Row("OtherInfo/Priority", "priority", values.build_code_kind(Priority)),
        Row("OtherInfo/SphereOfPromulgation", "sphere", _T, limit=100),
        Row("OtherInfo/TyperNotation", "typer_notation", _T, limit=10),
        Row("OtherInfo/PromulgationAmount", "copies", values.INT),
        Row("OtherInfo/PageAmount", "pages", values.INT),
        Row("OtherInfo/ReplyFors", "reply_for", _T),
        Row("OtherInfo/Direction", "steering_document", values.TRUTH),
        Row("OtherInfo/ReferenceCodes", "reference_codes", _T),
        Row("OtherInfo/Appendixes/Appendix", "appendixes", _T, many=True),
        Row("ResponseFor", "responses_for", RESPONSE_FOR, many=True),
        Row("SteeringType", "steering", values.STEERING),
        Row("ResponseForTask/TaskCode", "task_codes", _T, many=True),
        Row("ApplicationType", "application_type", _T),
        Row("ToPlaces/Place", "to_places", _T, many=True, limit=150),
    ),
)
"""MessageHeader of a document packet."""

_TRACE_HEADER = Table(
    model.TraceHeader,
    (
        Row("OrganId", "organ_id", _O, required=True, sealed=False),
        Row("Timestamp", "timestamp", values.TIME, required=True, sealed=False),
    ),
)

_RECEIVER = Table(
    model.ReceiverChange,
    (
        Row("OrganId", "organ_id", _O, required=True),
        Row("ReceiverType", "added", values.BIT, required=True),
    ),
)

_REPLACEMENT = Table(
    model.Replacement,
    (
        Row("DocumentId", "document_id", _D, required=True),
        Row("OrganIdList/OrganId", "organ_ids", _O, required=True, many=True),
    ),
)

BUSINESS = Table(
    model.Business,
    (
        Row("DocumentId", "document_id", _D),
        Row("BussinessDocType", "type", values.build_code_kind(BusinessType), required=True),
        Row("BussinessDocReason", "reason", _T),
        Row("Paper", "paper", values.BIT),
        Row("BussinessDocumentInfo/DocumentInfo", "content_changed", values.BIT),
        Row("BussinessDocumentInfo/DocumentReceiver", "receivers_changed", values.BIT),
        Row("BussinessDocumentInfo/ReceiverList/Receiver", "receivers", _RECEIVER, many=True),
        Row("ReplacementInfoList/ReplacementInfo", "replaces", _REPLACEMENT, many=True),
        Row("StaffInfo", "staff", STAFF),
    ),
)

DOCUMENT_TRACE = Table(
    model.Document,
    (
        Row("TraceHeader", "trace", _TRACE_HEADER, required=True, many=True, sealed=False),
        Row("Bussiness", "business", BUSINESS, required=True),
    ),
)
"""TraceHeaderList of a document packet."""

STATUS_HEADER = Table(
    model.StatusMessage,
    (
        Row("From", "sender", ORGANIZATION, required=True),
        Row("ResponseFor", "response_for", RESPONSE_FOR, required=True),
        Row("StaffInfo", "staff", STAFF),
        Row("StatusCode", "code", values.STATUS, required=True),
        Row("Description", "description", _T),
        Row("Timestamp", "timestamp", values.TIME, required=True),
    ),
)
"""MessageHeader of a status packet."""

MANIFEST_REFERENCE = Table(
    model.Reference,
    (
        Row("ContentId", "content_id", _T, required=True, sealed=False),
        Row("ContentType", "content_type", _T, sealed=False),
        Row("Description", "description", _T, sealed=False, refreshed=True),
        Row("AttachmentName", "name", _T, required=True, limit=500, sealed=False),
    ),
)
"""Reference of the manifest."""

ENCODED_ATTACHMENT = Table(
    model.EncodedAttachment,
    (
        Row("ContentId", "content_id", _T, required=True, sealed=False),
        Row("AttachmentName", "name", _T, required=True, limit=500, sealed=False),
        Row("Description", "description", _T, sealed=False, refreshed=True),
        Row("FieldName", "field_name", _T, sealed=False),
        Row("MimeType", "mime_type", _T, sealed=False),
        Row("ContentType", "content_type", _T, sealed=False),
        Row("ContentTransferEncoded", "content", _T, required=True, sealed=False),
    ),
)
"""Attachment of AttachmentEncoded."""

TABLES = {
    "organization": ORGANIZATION,
    "document-header": DOCUMENT_HEADER,
    "signer": SIGNER,
    "response-for": RESPONSE_FOR,
    "trace": DOCUMENT_TRACE,
    "business": BUSINESS,
    "staff": STAFF,
    "status-header": STATUS_HEADER,
    "reference": MANIFEST_REFERENCE,
    "attachment": ENCODED_ATTACHMENT,
}
"""The tables by the names that the documentation gives them."""

HUB_DEFAULTS = {
    "SteeringType": "0",
    "OtherInfo.Priority": "0",
    "OtherInfo.PromulgationAmount": "1",
    "OtherInfo.PageAmount": "1",
    "OtherInfo.Direction": "false",
}
"""Values that hubs add where the sender gave none, by the name of the element in a seal."""
