"""Building a packet again, as the national hub does (VXP interface, "What the hub does to a packet on its way").

A table says which elements there are and in which order; what is not in the table does not survive. Attachments are
never whole in memory: the tree is written with short marks in their place, and their base64 is streamed between.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from lxml import etree

from edoc_connector.mockhub.attachments import AttachmentSpool, PreparedAttachment, prepare_attachment
from edoc_connector.mockhub.codes import format_packet_time
from edoc_connector.mockhub.packets import CONTENT_ELEMENT, Node, parse_packet

NS: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\r\n'


@dataclass(frozen=True, slots=True)
class ElementRule:
    """An element that survives.

    Args:
        name: local name.
        children: what may stand in it, in writing order; a text where there are none.
        attributes: attributes that survive.
        many: every one of that name survives, not only the first.
        empty: written even when nothing is in it.
        default: text that the library writes where the element is absent or empty.
    """

    name: str
    children: tuple[ElementRule, ...] = ()
    attributes: tuple[str, ...] = ()
    many: bool = False
    empty: bool = False
    default: str = ""


def _build_text_rules(names: str) -> tuple[ElementRule, ...]:
    return tuple(ElementRule(name) for name in names.split())


_ORGANIZATION = _build_text_rules("OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website")
_STAFF = ElementRule("StaffInfo", _build_text_rules("Department DepartmentId Staff StaffId Email Mobile"))
_RESPONSE_FOR = ElementRule(
    "ResponseFor", _build_text_rules("OrganId Code DocumentId PromulgationDate"), many=True, empty=True
)
_OTHER_INFO = ElementRule(
    "OtherInfo",
    (
        *_build_text_rules("Priority SphereOfPromulgation TyperNotation"),
        ElementRule("PromulgationAmount", default="1"),
        ElementRule("PageAmount", default="1"),
        ElementRule("ReplyFors"),
        ElementRule("Direction", default="false"),
        ElementRule("ReferenceCodes"),
        ElementRule("Appendixes", (ElementRule("Appendix", many=True),)),
    ),
)
DOCUMENT_HEADER: Final = ElementRule(
    "MessageHeader",
    (
        ElementRule("From", _ORGANIZATION),
        ElementRule("To", _ORGANIZATION, many=True),
        ElementRule("DocumentId"),
        ElementRule("Code", _build_text_rules("CodeNumber CodeNotation")),
        ElementRule("PromulgationInfo", _build_text_rules("Place PromulgationDate")),
        ElementRule("DocumentType", _build_text_rules("Type TypeDetail TypeName")),
        *_build_text_rules("Subject Content"),
        ElementRule("SignerInfo", _build_text_rules("Competence Position FullName")),
        ElementRule("DueDate"),
        _OTHER_INFO,
        _RESPONSE_FOR,
        ElementRule("SteeringType"),
        ElementRule("ResponseForTask", (ElementRule("TaskCode", many=True),), many=True),
        ElementRule("ApplicationType"),
        ElementRule("ToPlaces", (ElementRule("Place", many=True),)),
    ),
)
STATUS_HEADER: Final = ElementRule(
    "MessageHeader",
    (ElementRule("From", _ORGANIZATION), _RESPONSE_FOR, _STAFF, *_build_text_rules("StatusCode Description Timestamp")),
)
_CHANGE = ElementRule(
    "BussinessDocumentInfo",
    (
        *_build_text_rules("DocumentInfo DocumentReceiver"),
        ElementRule("ReceiverList", (ElementRule("Receiver", _build_text_rules("OrganId ReceiverType"), many=True),)),
    ),
)
_REPLACEMENT = ElementRule(
    "ReplacementInfo",
    (ElementRule("DocumentId"), ElementRule("OrganIdList", (ElementRule("OrganId", many=True),))),
    many=True,
)
TRACE_LIST: Final = ElementRule(
    "TraceHeaderList",
    (
        ElementRule(
            "Bussiness",
            (
                *_build_text_rules("DocumentId BussinessDocType BussinessDocReason Paper"),
                _CHANGE,
                ElementRule("ReplacementInfoList", (_REPLACEMENT,)),
                _STAFF,
            ),
        ),
        ElementRule("TraceHeader", _build_text_rules("OrganId Timestamp"), many=True),
    ),
)


def _build_method_rule(name: str, *children: ElementRule) -> ElementRule:
    return ElementRule(name, children, attributes=("Algorithm",), empty=True)


SIGNATURE: Final = ElementRule(
    "Signature",
    (
        ElementRule(
            "SignedInfo",
            (
                _build_method_rule("CanonicalizationMethod"),
                _build_method_rule("SignatureMethod"),
                ElementRule(
                    "Reference",
                    (
                        ElementRule(
                            "Transforms", (ElementRule("Transform", attributes=("Algorithm",), many=True, empty=True),)
                        ),
                        _build_method_rule("DigestMethod"),
                        ElementRule("DigestValue"),
                    ),
                    attributes=("URI",),
                    many=True,
                ),
            ),
        ),
        ElementRule("SignatureValue"),
        ElementRule("KeyInfo", (ElementRule("X509Data", (ElementRule("X509Certificate"),)),)),
    ),
)
_REFERENCE = ElementRule("Reference", _build_text_rules("ContentId ContentType Description AttachmentName"))
_ATTACHMENT = ElementRule(
    "Attachment", _build_text_rules("ContentId AttachmentName Description FieldName MimeType ContentType")
)


def rebuild_packet(source: Path, target: Path, *, at: datetime, organ_id: str | None, limit: int) -> None:
    """Write the packet that receivers get.

    Args:
        source: the packet as it was sent.
        target: file to write.
        at: the hub's time, for its TraceHeader.
        organ_id: OrganId of that TraceHeader; None writes none.
        limit: most bytes that one zipped attachment may unpack to.

    Raises:
        RefusedError: 22 not edXML, 21 an attachment that cannot be processed.
    """
    with AttachmentSpool(target.parent) as spool:
        write_packet(parse_packet(source, spool), spool, target, at=at, organ_id=organ_id, limit=limit)


def write_packet(
    root: Node, spool: AttachmentSpool, target: Path, *, at: datetime, organ_id: str | None, limit: int
) -> None:
    """As `rebuild`, from a packet that was read; its TraceHeader is added to `root`.

    Args:
        root: the packet.
        spool: got its attachments while it was read.
        target: file to write.
        at: the hub's time.
        organ_id: OrganId of the hub's TraceHeader.
        limit: most bytes that one zipped attachment may unpack to.

    Raises:
        RefusedError: 21 an attachment that cannot be processed.
    """
    if not root.find_descendant("edXMLEnvelope", "edXMLHeader", "MessageHeader").list_children("StatusCode"):
        _add_trace(root, at, organ_id)
    contents = [_prepare_content(node, spool, limit) for node in _find_attachments(root)]
    with target.open("wb") as out:
        out.writelines(_serialize_packet(root, contents))


def build_packet(root: Node) -> bytes:
    """Bytes of a packet without attachments, in the library's form."""
    return b"".join(_serialize_packet(root, []))


def _serialize_packet(root: Node, contents: Sequence[PreparedAttachment]) -> Iterator[bytes]:
    marks = [uuid.uuid4().hex for _ in contents]
    tree = _build_tree(root, contents, marks)
    etree.indent(tree, "  ")
    text = etree.tostring(tree, encoding="UTF-8").replace(b"\n", b"\r\n")
    yield DECLARATION
    for mark, content in zip(marks, contents, strict=True):
        before, _, text = text.partition(mark.encode())
        yield before
        yield from content.iterate_base64()
    yield text + b"\r\n"


def _find_attachments(root: Node) -> list[Node]:
    return root.find_descendant("AttachmentEncoded").list_children("Attachment")


def _prepare_content(node: Node, spool: AttachmentSpool, limit: int) -> PreparedAttachment:
    number = node.find_descendant(CONTENT_ELEMENT).content
    name, content_type = node.get_value("AttachmentName"), node.get_value("ContentType")
    return prepare_attachment(
        spool, -1 if number is None else number, name=name, content_type=content_type, limit=limit
    )


def _add_trace(root: Node, at: datetime, organ_id: str | None) -> None:
    organ = [] if organ_id is None else [Node("OrganId", text=organ_id)]
    station = Node("TraceHeader", children=[*organ, Node("Timestamp", text=format_packet_time(at))])
    header = root.find_descendant("edXMLEnvelope", "edXMLHeader")
    if not header.list_children("TraceHeaderList"):
        header.children.append(Node("TraceHeaderList"))
    header.find_descendant("TraceHeaderList").children.append(station)


def _build_tree(root: Node, contents: Sequence[PreparedAttachment], marks: Sequence[str]) -> etree._Element:
    tree = etree.Element(_qualify_name("edXML"), nsmap={None: NS})
    envelope = etree.SubElement(tree, _qualify_name("edXMLEnvelope"), nsmap={"edXML": NS})
    header = etree.SubElement(envelope, _qualify_name("edXMLHeader"))
    source = root.find_descendant("edXMLEnvelope", "edXMLHeader")
    status = bool(source.find_descendant("MessageHeader").list_children("StatusCode"))
    _write_element(header, STATUS_HEADER if status else DOCUMENT_HEADER, source.find_descendant("MessageHeader"))
    if not status:
        _write_element(header, TRACE_LIST, source.find_descendant("TraceHeaderList"))
    if source.find_descendant("Signature").children:
        # declared anew, the default namespace takes precedence: the library writes these elements unprefixed
        _fill_element(
            etree.SubElement(header, _qualify_name("Signature"), nsmap={None: NS}),
            SIGNATURE,
            source.find_descendant("Signature"),
        )
    if not status:
        _write_attachments(tree, envelope, root, contents, marks)
    return tree


def _write_attachments(
    tree: etree._Element,
    envelope: etree._Element,
    root: Node,
    contents: Sequence[PreparedAttachment],
    marks: Sequence[str],
) -> None:
    body = etree.SubElement(envelope, _qualify_name("edXMLBody"))
    manifest = etree.SubElement(body, _qualify_name("edXMLManifest"), version="1.0")
    encoded = etree.SubElement(tree, _qualify_name("AttachmentEncoded"))
    for node, content, mark in zip(_find_attachments(root), contents, marks, strict=True):
        _write_element(manifest, _REFERENCE, _with_content_type(node, content.listed_type))
        _write_element(encoded, _ATTACHMENT, _with_content_type(node, content.content_type))
        etree.SubElement(encoded[-1], _qualify_name(CONTENT_ELEMENT), nsmap={"edXML": NS}).text = mark


def _with_content_type(node: Node, content_type: str) -> Node:
    changed = {"ContentId": f"cid:{node.get_value('ContentId')}", "ContentType": content_type}
    kept = [child for child in node.children if child.name not in changed]
    return Node(node.name, children=kept + [Node(name, text=text) for name, text in changed.items()])


def _write_element(parent: etree._Element, rule: ElementRule, source: Node) -> None:
    """Write an element as a rule says, or nothing where there is nothing to say."""
    element = etree.SubElement(parent, _qualify_name(rule.name))
    _fill_element(element, rule, source)
    if not rule.empty and not len(element) and not element.text and not element.attrib:
        parent.remove(element)


def _fill_element(element: etree._Element, rule: ElementRule, source: Node) -> None:
    for name in rule.attributes:
        if name in source.attributes:
            element.set(name, source.attributes[name])
    if not rule.children:
        element.text = source.text or rule.default or None
    for child in rule.children:
        found = source.list_children(child.name)
        if not found and not (child.default or child is _OTHER_INFO):
            continue
        for node in (found or [Node(child.name)])[: None if child.many else 1]:
            _write_element(element, child, node)


def _qualify_name(local: str) -> str:
    return f"{{{NS}}}{local}"


_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def without_non_xml(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)
