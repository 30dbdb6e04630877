"""What goes over the gateway's wire, as models: apart from the connector's own, so that each may change by itself."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Base64Bytes, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ..connector import Authority, Change, DeliveryState, ReceiptState

Plain = Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=4000)]


def _refuse_number(value: object) -> object:
    """Refuse seconds since 1970, which pydantic would take for a time."""
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise PydanticCustomError("datetime_type", "a number is no time")
    return value


_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")
Moment = Annotated[AwareDatetime, BeforeValidator(_refuse_number)]
"""A time with its zone, as RFC 3339 writes it."""
Code = Annotated[str, Field(pattern=r"^[^\x00]*$", min_length=1, max_length=200)]


class In(BaseModel):
    """What a client sends: unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Out(BaseModel):
    """What a client gets; names may be added later."""

    model_config = ConfigDict(frozen=True)


# -- problems


class FieldFault(Out):
    """A field that is wrong: its path, a stable code, and words in both languages."""

    field: str
    code: str
    message: str
    message_vi: str


class Problem(Out):
    """An error (RFC 9457), in English and Vietnamese, with what to do next."""

    type: str
    title: str
    title_vi: str
    status: int
    detail: str
    detail_vi: str
    code: str
    next_step: str
    next_step_vi: str
    problems: list[FieldFault] = []
    retry_after: int | None = None


# -- documents that are sent


class OrganizationIn(In):
    """An organisation, by its code (OrganId) and name."""

    id: Code
    name: Plain
    in_charge: Plain | None = None
    address: Plain | None = None
    email: Plain | None = None
    telephone: Plain | None = None
    fax: Plain | None = None
    website: Plain | None = None


class SignerIn(In):
    """Who signed the document."""

    full_name: Plain
    position: Plain | None = None
    competence: Plain | None = None


class StaffIn(In):
    """The officer in charge."""

    department: Plain | None = None
    department_id: Plain | None = None
    staff: Plain | None = None
    staff_id: Plain | None = None
    email: Plain | None = None
    mobile: Plain | None = None


class AnswerTo(In):
    """A document that this one answers."""

    organ_id: Code | None = None
    code: Plain | None = None
    document_id: Plain | None = None
    issued_on: date | None = None


class AttachmentIn(In):
    """A file. In JSON `content` is its base64; in multipart/form-data a part `files` of the same name brings it."""

    name: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
    content_type: Plain | None = None
    description: Plain | None = None
    content: Base64Bytes | None = None


class RecipientChange(In):
    """A recipient that an update adds or takes away."""

    organ_id: Code
    added: bool


class UpdateIn(In):
    """Makes the document the update of one that was sent."""

    document_id: Code
    reason: Plain
    content_changed: bool = True
    receivers: list[RecipientChange] = []
    staff: StaffIn | None = None


class ReplaceIn(In):
    """Makes the document the replacement of others that were sent."""

    document_ids: Annotated[list[Code], Field(min_length=1)]
    reason: Plain
    staff: StaffIn | None = None


class DocumentIn(In):
    """A document to send. The sender is the agency of the address."""

    recipients: Annotated[list[OrganizationIn], Field(min_length=1)]
    number: Plain
    notation: Plain
    issued_on: date
    type_name: Plain
    subject: Plain
    signer: SignerIn
    id: Code | None = None
    place: Plain | None = None
    type: Literal[1, 2] = 2
    type_detail: int | None = None
    content: Plain | None = None
    due_date: date | None = None
    priority: Annotated[int, Field(ge=0, le=4)] | None = None
    sphere: Plain | None = None
    typer_notation: Plain | None = None
    copies: int | None = None
    pages: int | None = None
    steering_document: bool | None = None
    appendixes: list[Plain] = []
    responses_for: list[AnswerTo] = []
    steering: bool | None = None
    task_codes: list[Plain] = []
    to_places: list[Plain] = []
    attachments: list[AttachmentIn] = []
    update: UpdateIn | None = None
    replace: ReplaceIn | None = None


class RecallIn(In):
    """Asks recipients to agree that the document is void (thu hồi); all of them where none is named."""

    reason: Plain
    recipients: Annotated[list[OrganizationIn], Field(min_length=1)] | None = None
    staff: StaffIn | None = None


class TakeBackIn(In):
    """Asks recipients to give the document back (lấy lại); all who may be asked where none is named."""

    reason: Plain
    recipients: Annotated[list[Code], Field(min_length=1)] | None = None
    staff: StaffIn | None = None


class StatusIn(In):
    """A status of a document that came in; `description` is the reason where the code needs one (02, 16)."""

    code: Literal["02", "03", "04", "05", "06", "15", "16"]
    description: Plain | None = None
    staff: StaffIn | None = None


# -- deliveries


class TimelineEntryOut(Out):
    """Something that happened."""

    time: AwareDatetime
    actor: str
    previous: str | None
    state: str
    recipient: str | None
    detail: str
    detail_vi: str
    stated_at: AwareDatetime | None
    authority: Authority | None


class RecipientOut(Out):
    """Where a delivery stands with one recipient."""

    organ_id: str
    name: str
    status: str | None
    description: str | None
    time: AwareDatetime | None
    learnt_at: AwareDatetime | None
    change: Change | None
    withdrawn: bool
    undelivered: bool
    authority: Authority | None


class DeliveryOut(Out):
    """A packet that we send."""

    id: Annotated[str, Field(description="of the delivery in addresses of this interface")]
    document_id: str
    agency: str
    state: DeliveryState
    kind: Literal["new", "recall", "update", "replace"]
    targets: list[str]
    code: str
    subject: str
    issued_on: date
    recipients: list[RecipientOut]
    hub_doc_id: str | None
    attempts: int
    next_attempt_at: AwareDatetime | None
    last_error: str | None
    last_error_vi: str | None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None


class DeliveryDetail(DeliveryOut):
    """A packet that we send, and what happened to it."""

    timeline: list[TimelineEntryOut]


# -- receipts


class ReceiptOut(Out):
    """A packet that came in."""

    id: Annotated[int, Field(description="of the packet in addresses of this interface")]
    document_id: str
    hub_doc_id: str
    agency: str
    state: ReceiptState
    kind: str
    sender: str
    code: str
    subject: str
    issued_on: date | None
    received_at: AwareDatetime
    status: str | None
    change_requested: bool
    withdrawn: bool
    authority: Authority | None
    took_effect: bool
    error: str | None
    error_vi: str | None


class AttachmentOut(Out):
    """A file of a document that came in; its name comes from outside and is no path."""

    number: int
    name: str
    safe_name: str
    content_type: str
    description: str | None
    href: str


class OrganizationOut(Out):
    """An organisation."""

    id: str
    name: str


class DocumentOut(Out):
    """What a document says; of a valid packet only what was signed."""

    id: str
    sender: OrganizationOut
    recipients: list[OrganizationOut]
    number: str
    notation: str
    issued_on: date | None
    place: str | None
    type_name: str
    subject: str
    signer_name: str
    signer_position: str | None
    signer_competence: str | None
    content: str | None
    due_date: date | None
    priority: int | None
    pages: int | None
    kind: str
    reason: str | None
    targets: list[str]


class StatusOut(Out):
    """What a status packet says."""

    code: str
    description: str | None
    timestamp: AwareDatetime | None
    sender: OrganizationOut
    document_id: str | None


class VerificationOut(Out):
    """What the packet's signatures are worth."""

    status: str
    method: str | None
    signer: str | None
    trusted: bool | None
    signed_at: AwareDatetime | None
    explanation: str
    explanation_vi: str


class FindingOut(Out):
    """Where the packet differs from the standard."""

    code: str
    message: str
    message_vi: str


class ReceiptDetail(ReceiptOut):
    """A packet that came in, with what it says; its fields are empty where its bytes are gone or cannot be read."""

    document: DocumentOut | None
    status_message: StatusOut | None
    attachments: list[AttachmentOut]
    verification: VerificationOut | None
    findings: list[FindingOut]


# -- the rest


class StoryEvent(Out):
    """Something that happened, for a person."""

    time: AwareDatetime
    text: str
    text_vi: str


class StoryOut(Out):
    """The history of a document and what happens next, for a person."""

    document_id: str
    title: str
    title_vi: str
    events: list[StoryEvent]
    next: list[str]
    next_vi: list[str]


EventName = Literal["document.received", "document.quarantined", "delivery.changed", "status.received"]


class EventOut(Out):
    """A change: what webhooks tell, and what the feed lists."""

    id: int
    type: EventName
    time: AwareDatetime
    agency: str
    document_id: str | None
    delivery_id: str | None
    receipt_id: int | None
    kind: str | None
    partner: str | None
    previous: str | None
    state: str | None
    status: str | None
    authority: str | None
    detail: str
    detail_vi: str
    href: str


class AgencyOut(Out):
    """An agency of ours that the key may speak for."""

    id: str
    name: str


class DirectoryEntryOut(Out):
    """An agency in the hub's directory."""

    code: str
    other_code: str | None
    name: str
    parent: str | None
    email: str | None
    successor: str | None
    active: bool


class DeliveryPage(Out):
    """A page of deliveries; `next` is for `after`."""

    items: list[DeliveryOut]
    next: str | None


class ReceiptPage(Out):
    """A page of packets that came in; `next` is for `after`."""

    items: list[ReceiptOut]
    next: str | None


class DirectoryPage(Out):
    """A page of the directory; `next` is for `after`."""

    items: list[DirectoryEntryOut]
    next: str | None


class ChangePage(Out):
    """A page of changes. `next` is always there: ask again with it, also when the page is empty."""

    items: list[EventOut]
    next: str
    more: bool


class AgencyList(Out):
    """The agencies that a key may speak for."""

    items: list[AgencyOut]


class Health(Out):
    """Whether the gateway can work."""

    status: Literal["ok", "unavailable"]
    agencies: dict[str, bool] = {}


class WebhookBody(Out):
    """The body of a webhook, as Standard Webhooks has it."""

    type: str
    timestamp: datetime
    data: EventOut
