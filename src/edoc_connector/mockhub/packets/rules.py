"""The table of elements that survive a rebuilding hub (VXP interface, "What the hub does to a packet on its way").

One rule an element, in the order in which the hub's library writes them; an element without a rule is dropped. What the
library made of odd packets is the source of each rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from edoc_connector.mockhub.packets.values import (
    Conversion,
    copy_or_invent_id,
    copy_text,
    copy_trimmed,
    require_integer,
    rewrite_boolean,
    rewrite_date,
    rewrite_integer,
    rewrite_timestamp,
    rewrite_trimmed_timestamp,
)


class Which(Enum):
    """Choices among several elements of one name."""

    LAST = "last"
    FIRST = "first"
    EACH = "each"
    MERGED = "merged"  # one element with the children of all


class Presence(Enum):
    """Conditions under which an element with children is written."""

    GIVEN = "given"  # where it is there, and were it empty
    WITH_ELEMENTS = "with elements"  # where it has any child element, known or not
    WITH_ITEMS = "with items"  # where it has a child that has a rule
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementRule:
    """A rule for one element.

    Args:
        name: local name; the namespace does not matter.
        children: what may stand in it, in writing order; a text where there are none.
        convert: from the text of a leaf, None where it is absent, to the text to write, None for no element.
        which: which of several counts.
        presence: when an element with children is written.
        required: name of a child without which the library fails.
        attributes: attributes that survive, with the value where they are absent; None leaves them out.
        absent_attributes: attributes of an element that is written although it is absent.
    """

    name: str
    children: tuple[ElementRule, ...] = ()
    convert: Conversion = copy_text
    which: Which = Which.LAST
    presence: Presence = Presence.GIVEN
    required: str = ""
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    absent_attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_leaf(self) -> bool:
        """Whether the element holds a text: no children, no attributes."""
        return not self.children and not self.attributes


def _build_texts(names: str, *, which: Which = Which.LAST, convert: Conversion = copy_text) -> tuple[ElementRule, ...]:
    return tuple(ElementRule(name=name, which=which, convert=convert) for name in names.split())


def _build_integer(name: str, *, default: int | None) -> ElementRule:
    return ElementRule(name=name, which=Which.FIRST, convert=rewrite_integer(default=default))


def _build_organization(name: str, *, which: Which = Which.LAST) -> ElementRule:
    fields = "OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website"
    children = _build_texts(fields, convert=copy_trimmed)
    return ElementRule(name=name, which=which, presence=Presence.WITH_ELEMENTS, children=children)


def _build_response(*, which: Which) -> ElementRule:
    children = (
        *_build_texts("OrganId Code DocumentId", which=Which.FIRST),
        ElementRule(name="PromulgationDate", which=Which.FIRST, convert=rewrite_date),
    )
    return ElementRule(name="ResponseFor", which=which, children=children)


def _build_staff(*, which: Which) -> ElementRule:
    fields = "Department DepartmentId Staff StaffId Email Mobile"
    return ElementRule(name="StaffInfo", which=which, children=_build_texts(fields))


_OTHER_INFO = ElementRule(
    name="OtherInfo",
    children=(
        _build_integer("Priority", default=0),
        *_build_texts("SphereOfPromulgation TyperNotation", which=Which.FIRST),
        _build_integer("PromulgationAmount", default=1),
        _build_integer("PageAmount", default=1),
        *_build_texts("ReplyFors", which=Which.FIRST),
        *_build_texts("Direction", which=Which.FIRST, convert=rewrite_boolean),
        *_build_texts("ReferenceCodes", which=Which.FIRST),
        ElementRule(
            name="Appendixes",
            which=Which.FIRST,
            presence=Presence.WITH_ITEMS,
            children=_build_texts("Appendix", which=Which.EACH),
        ),
    ),
)
DOCUMENT_HEADER: Final = ElementRule(
    name="MessageHeader",
    required="To",
    children=(
        _build_organization("From"),
        _build_organization("To", which=Which.EACH),
        ElementRule(name="DocumentId", convert=copy_or_invent_id),
        ElementRule(name="Code", children=_build_texts("CodeNumber CodeNotation", which=Which.FIRST)),
        ElementRule(
            name="PromulgationInfo",
            children=(
                *_build_texts("Place", which=Which.FIRST),
                ElementRule(name="PromulgationDate", which=Which.FIRST, convert=rewrite_date),
            ),
        ),
        ElementRule(
            name="DocumentType",
            children=(
                _build_integer("Type", default=2),
                _build_integer("TypeDetail", default=None),
                *_build_texts("TypeName", which=Which.FIRST),
            ),
        ),
        *_build_texts("Subject Content"),
        ElementRule(name="SignerInfo", children=_build_texts("Competence Position FullName", which=Which.FIRST)),
        ElementRule(name="DueDate", convert=rewrite_date),
        _OTHER_INFO,
        _build_response(which=Which.EACH),
        ElementRule(name="SteeringType", convert=require_integer("SteeringType", default=0)),
        ElementRule(
            name="ResponseForTask",
            presence=Presence.WITH_ELEMENTS,
            children=_build_texts("TaskCode", which=Which.EACH),
        ),
        *_build_texts("ApplicationType"),
        ElementRule(
            name="ToPlaces",
            which=Which.MERGED,
            presence=Presence.WITH_ITEMS,
            children=_build_texts("Place", which=Which.EACH),
        ),
    ),
)
STATUS_HEADER: Final = ElementRule(
    name="MessageHeader",
    children=(
        _build_organization("From"),
        _build_response(which=Which.LAST),
        _build_staff(which=Which.LAST),
        *_build_texts("StatusCode", convert=copy_trimmed),
        *_build_texts("Description"),
        *_build_texts("Timestamp", convert=rewrite_trimmed_timestamp),
    ),
)
_DOCUMENT_INFO = ElementRule(
    name="BussinessDocumentInfo",
    which=Which.EACH,
    children=(
        *_build_texts("DocumentInfo DocumentReceiver"),
        ElementRule(
            name="ReceiverList",
            which=Which.EACH,
            children=(ElementRule(name="Receiver", which=Which.EACH, children=_build_texts("OrganId ReceiverType")),),
        ),
    ),
)
_REPLACEMENTS = ElementRule(
    name="ReplacementInfoList",
    which=Which.EACH,
    children=(
        ElementRule(
            name="ReplacementInfo",
            which=Which.EACH,
            children=(
                *_build_texts("DocumentId"),
                ElementRule(name="OrganIdList", required="OrganId", children=_build_texts("OrganId", which=Which.EACH)),
            ),
        ),
    ),
)
TRACE_LIST: Final = ElementRule(
    name="TraceHeaderList",
    children=(
        ElementRule(
            name="Bussiness",
            children=(
                *_build_texts("DocumentId BussinessDocType BussinessDocReason Paper"),
                _DOCUMENT_INFO,
                _REPLACEMENTS,
                _build_staff(which=Which.EACH),
            ),
        ),
        ElementRule(
            name="TraceHeader",
            which=Which.EACH,
            children=(*_build_texts("OrganId"), *_build_texts("Timestamp", convert=rewrite_timestamp)),
        ),
    ),
)


def _build_method(name: str, default: str = "") -> ElementRule:
    return ElementRule(
        name=name,
        presence=Presence.ALWAYS,
        attributes={"Algorithm": None},
        absent_attributes={"Algorithm": default} if default else {},
    )


_SIGNED_REFERENCE = ElementRule(
    name="Reference",
    which=Which.EACH,
    attributes={"URI": ""},
    children=(
        ElementRule(
            name="Transforms",
            which=Which.MERGED,
            presence=Presence.WITH_ITEMS,
            children=(ElementRule(name="Transform", which=Which.EACH, attributes={"Algorithm": None}),),
        ),
        _build_method("DigestMethod"),
        *_build_texts("DigestValue"),
    ),
)
SIGNATURE: Final = ElementRule(
    name="Signature",
    children=(
        ElementRule(
            name="SignedInfo",
            required="Reference",
            children=(
                _build_method("CanonicalizationMethod", "http://www.w3.org/2001/10/xml-exc-c14n#"),
                _build_method("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
                _SIGNED_REFERENCE,
            ),
        ),
        *_build_texts("SignatureValue"),
        ElementRule(
            name="KeyInfo",
            children=(
                ElementRule(
                    name="X509Data", children=_build_texts("X509SubjectName X509Certificate", which=Which.FIRST)
                ),
            ),
        ),
    ),
)
# The hub makes Reference and Attachment of the attachments alone; what it makes of their ids, types and contents is in
# `attachments`.
REFERENCE: Final = ElementRule(
    name="Reference", children=_build_texts("ContentId ContentType Description AttachmentName")
)
ATTACHMENT: Final = ElementRule(
    name="Attachment",
    children=_build_texts("ContentId AttachmentName Description FieldName MimeType ContentType"),
)
