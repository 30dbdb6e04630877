"""Messages as values: the contents of document packets and of status packets.

The models hold any content, right or wrong: reading must not fail on a partner's mistake. Messages that we write
are checked by `rules`, not here. Names are English; `table` gives the element of each attribute.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Self, TypeAlias, TypeVar, cast

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from ..attachments import Attachment
from .classification import Classification
from .codes import BusinessType, Priority, StatusCode
from .document_id import compose_document_id
from .field_problems import build_field_error
from .organ_id import OrganId

if TYPE_CHECKING:
    from ..rules import Problem


T = TypeVar("T")

if TYPE_CHECKING:
    Items: TypeAlias = Sequence[T]
else:
    Items = tuple[T, ...]
"""Several values: given as a list or a tuple, kept as a tuple."""


if TYPE_CHECKING:
    _CheckedModel = BaseModel  # its fields are its signature
else:

    class _ModelType(type(BaseModel)):
        """The type of models: what a caller made wrong is an error of ours.

        In the type, and not in `__init__`, so that it meets the outermost model only, with the faults of all inside.
        """

        def __call__(cls, *arguments: Any, **fields: Any) -> Any:
            try:
                return super().__call__(*arguments, **fields)
            except ValidationError as error:
                raise build_field_error(error) from None

    class _CheckedModel(BaseModel, metaclass=_ModelType):
        """A model of that type."""


class Model(_CheckedModel):
    """The base of all values: frozen, closed to unknown names.

    Raises:
        InvalidFields: a value is of a wrong kind or missing, or a name is unknown; so do `model_validate` and its kin.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make a value as pydantic does.

        Raises:
            InvalidFields: it cannot be made of this.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise build_field_error(error) from None

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Make a value of JSON as pydantic does.

        Raises:
            InvalidFields: it cannot be made of this.
        """
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            raise build_field_error(error) from None

    @classmethod
    def model_validate_strings(cls, obj: Any, **options: Any) -> Self:
        """Make a value of texts as pydantic does.

        Raises:
            InvalidFields: it cannot be made of this.
        """
        try:
            return super().model_validate_strings(obj, **options)
        except ValidationError as error:
            raise build_field_error(error) from None

    if not TYPE_CHECKING:  # a frozen attribute is known to be one

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                raise build_field_error(error) from None


class ProblemFinder(Protocol):
    """A check of a message against every rule; see `edxml.problems`."""

    def __call__(self, message: Message, *, at: datetime) -> tuple[Problem, ...]:
        """List the problems of a message that is written at a time."""
        ...


class CheckableMessage(Model):
    """A message that can be checked as a whole."""

    problem_finder: ClassVar[ProblemFinder]
    """Set by `rules.validate`: rules import the classes of this module, which therefore must not import the rules."""

    # pydantic's own classmethod of this name is deprecated in favour of model_validate
    def validate(self, *, at: datetime | None = None) -> tuple[Problem, ...]:  # type: ignore[override]
        """Check the message against every rule of the standard.

        Args:
            at: the time of writing, aware; left out, now.

        Returns:
            All problems, errors and warnings, in the order of the standard's tables; see `edxml.problems`.
        """
        return type(self).problem_finder(cast("Message", self), at=at or datetime.now(UTC))


class Organization(Model):
    """An organisation that sends or receives.

    Args:
        id: its code (OrganId).
        name: its name.
        in_charge: the organisation above it.
        address: postal address.
        email: e-mail address.
        telephone: telephone number.
        fax: fax number.
        website: address of its site.
    """

    id: str
    name: str
    in_charge: str | None = None
    address: str | None = None
    email: str | None = None
    telephone: str | None = None
    fax: str | None = None
    website: str | None = None

    @property
    def organ_id(self) -> OrganId:
        """The code, parsed."""
        return OrganId.parse(self.id)


class SignerInfo(Model):
    """The signer of the document, as printed on it.

    Args:
        full_name: full name of the person.
        position: the office held, e.g. ``Giám đốc``.
        competence: the authority signed for, e.g. ``TL. BỘ TRƯỞNG``.
    """

    full_name: str
    position: str | None = None
    competence: str | None = None


class StaffInfo(Model):
    """The officer who handles the exchange."""

    department: str | None = None
    department_id: str | None = None
    staff: str | None = None
    staff_id: str | None = None
    email: str | None = None
    mobile: str | None = None


class ResponseFor(Model):
    """The document that a document or status answers.

    Args:
        organ_id: code of the organisation that sent it.
        code: number and notation, ``7816/VPCP-TTĐT``.
        document_id: its DocumentId.
        issued_on: its date of promulgation.
    """

    organ_id: str | None = None
    code: str | None = None
    document_id: str | None = None
    issued_on: date | None = None


class TraceHeader(Model):
    """A station on the way of the packet.

    Args:
        organ_id: code of the station; hubs sometimes give none.
        timestamp: time of passing, aware UTC.
    """

    organ_id: str | None = None
    timestamp: AwareDatetime | None = None


class ReceiverChange(Model):
    """One recipient added to or removed from an updated document."""

    organ_id: str
    added: bool | None


class Replacement(Model):
    """A replaced document, and the organisations that hold it."""

    document_id: str
    organ_ids: Items[str]


class Business(Model):
    """The request of a packet (Bussiness).

    Args:
        type: new, recall, update or replace; None where the packet holds another value.
        document_id: id of the document to change; None for a new one.
        reason: reason of the change; required unless the document is new.
        paper: whether a paper copy follows.
        content_changed: for an update, whether the content changed.
        receivers_changed: for an update, whether the recipients changed.
        receivers: for an update, the recipients added and removed.
        replaces: for a replacement, the documents replaced.
        staff: the officer in charge.
    """

    type: BusinessType | None = BusinessType.NEW
    document_id: str | None = None
    reason: str | None = None
    paper: bool | None = False
    content_changed: bool | None = None
    receivers_changed: bool | None = None
    receivers: Items[ReceiverChange] = ()
    replaces: Items[Replacement] = ()
    staff: StaffInfo | None = None


def _derive_id(fields: dict[str, Any]) -> str:
    """Compose the DocumentId of the standard's own form, from the fields declared before `id`."""
    sender = fields.get("sender")
    organ_id = sender.id if sender else ""
    return compose_document_id(organ_id, fields.get("issued_on"), fields.get("number", ""), fields.get("notation", ""))


class Document(CheckableMessage):
    """The content of a document packet (QCVN 102:2016/BTTTT with amendment 1:2022).

    Args:
        sender: the sending organisation.
        recipients: the receiving organisations, each OrganId once.
        number: number of the document, at most 11 characters.
        notation: notation, e.g. ``VPCP-TTĐT``, at most 30 characters.
        issued_on: date of promulgation, Vietnam date.
        type_name: e.g. ``Công văn``, at most 100 characters.
        subject: trích yếu, at most 500 characters.
        signer: the signer of the document.
        id: DocumentId; left out, it is made of the sender's code, the date, the number and the notation.
        place: place of promulgation.
        type: 1 document of a legal nature, 2 administrative document.
        type_detail: further number of the kind.
        content: short content.
        due_date: date by which an answer is due.
        priority: urgency.
        sphere: SphereOfPromulgation.
        typer_notation: initials of the typist.
        copies: PromulgationAmount.
        pages: PageAmount.
        reply_for: ReplyFors, free text.
        steering_document: Direction, whether a steering document.
        reference_codes: ReferenceCodes, free text.
        appendixes: titles of the appendixes.
        responses_for: documents this one answers.
        steering: SteeringType, whether it steers; a text that is neither 0 nor 1 is kept as it is.
        task_codes: codes of the tasks it answers.
        application_type: ApplicationType.
        to_places: nơi nhận as printed.
        trace: the stations on its way; left empty, writing adds the sender.
        business: the request of the packet.
        attachments: the files.
        classification: level of the state secret in it; a document that has one is refused, since the exchange is not
            for it (Decision 28/2018/QĐ-TTg). No packet says it.
    """

    sender: Organization
    recipients: Items[Organization]
    number: str
    notation: str
    issued_on: date | None
    type_name: str
    subject: str
    signer: SignerInfo
    id: str = Field(default_factory=_derive_id)
    place: str | None = None
    type: int | None = 2
    type_detail: int | None = None
    content: str | None = None
    due_date: date | None = None
    priority: Priority | None = None
    sphere: str | None = None
    typer_notation: str | None = None
    copies: int | None = None
    pages: int | None = None
    reply_for: str | None = None
    steering_document: bool | None = None
    reference_codes: str | None = None
    appendixes: Items[str] = ()
    responses_for: Items[ResponseFor] = ()
    steering: Annotated[bool | str | None, Field(union_mode="left_to_right")] = None
    task_codes: Items[str] = ()
    application_type: str | None = None
    to_places: Items[str] = ()
    trace: Items[TraceHeader] = ()
    business: Business = Business()
    attachments: Items[Attachment] = Field(default=(), exclude=True)
    classification: Classification | None = Field(default=None, exclude=True)

    @property
    def code(self) -> str:
        """Number and notation as one, ``7816/VPCP-TTĐT``."""
        return f"{self.number}/{self.notation}"


class StatusMessage(CheckableMessage):
    """The content of a status packet, which reports one organisation's handling of another's document.

    Args:
        sender: the reporting organisation.
        response_for: the document in question.
        code: status code; a text that is no known code is kept as it is.
        description: text for a person; the reason where the code needs one.
        timestamp: time of the status, aware UTC.
        staff: the officer in charge.
    """

    sender: Organization
    response_for: ResponseFor
    code: Annotated[StatusCode | str, Field(union_mode="left_to_right")]
    timestamp: AwareDatetime | None
    description: str | None = None
    staff: StaffInfo | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The entry of an attachment in the manifest (Reference)."""

    content_id: str | None = None
    content_type: str | None = None
    description: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class EncodedAttachment:
    """The fields of an attachment in the packet (AttachmentEncoded/Attachment), its content as text."""

    content_id: str | None = None
    name: str | None = None
    description: str | None = None
    field_name: str | None = None
    mime_type: str | None = None
    content_type: str | None = None
    content: str | None = None

    @classmethod
    def from_attachment(cls, attachment: Attachment, *, content_id: str, content: str) -> EncodedAttachment:
        """Make the fields to write of an attachment.

        Args:
            attachment: the attachment.
            content_id: its id in the packet, without ``cid:``.
            content: the text of its content, or a placeholder.
        """
        return cls(
            content_id=f"cid:{content_id}",
            name=attachment.name,
            description=attachment.description,
            field_name=attachment.field_name,
            mime_type=attachment.mime_type,
            content_type=attachment.content_type,
            content=content,
        )


Message = Document | StatusMessage
"""The content of either kind of packet."""

ValueHolder = Model | Reference | EncodedAttachment
"""Any class whose attributes hold the values of a table's elements."""
