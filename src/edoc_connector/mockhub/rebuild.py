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

from edoc_connector.mockhub.attachments import Carried, Spool, carry
from edoc_connector.mockhub.codes import packet_time
from edoc_connector.mockhub.packets import CONTENT, Node, read

NS: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\r\n'


@dataclass(frozen=True, slots=True)
class Rule:
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
    children: tuple[Rule, ...] = ()
    attributes: tuple[str, ...] = ()
    many: bool = False
    empty: bool = False
    default: str = ""


def _texts(names: str) -> tuple[Rule, ...]:
    return tuple(Rule(name) for name in names.split())


_ORGANIZATION = _texts("OrganId OrganizationInCharge OrganName OrganAdd Email Telephone Fax Website")
_STAFF = Rule("StaffInfo", _texts("Department DepartmentId Staff StaffId Email Mobile"))
_RESPONSE_FOR = Rule("ResponseFor", _texts("OrganId Code DocumentId PromulgationDate"), many=True, empty=True)
_OTHER_INFO = Rule(
    "OtherInfo",
    (
        *_texts("Priority SphereOfPromulgation TyperNotation"),
        Rule("PromulgationAmount", default="1"),
        Rule("PageAmount", default="1"),
        Rule("ReplyFors"),
        Rule("Direction", default="false"),
        Rule("ReferenceCodes"),
        Rule("Appendixes", (Rule("Appendix", many=True),)),
    ),
)
DOCUMENT_HEADER: Final = Rule(
    "MessageHeader",
    (
        Rule("From", _ORGANIZATION),
        Rule("To", _ORGANIZATION, many=True),
        Rule("DocumentId"),
        Rule("Code", _texts("CodeNumber CodeNotation")),
        Rule("PromulgationInfo", _texts("Place PromulgationDate")),
        Rule("DocumentType", _texts("Type TypeDetail TypeName")),
        *_texts("Subject Content"),
        Rule("SignerInfo", _texts("Competence Position FullName")),
        Rule("DueDate"),
        _OTHER_INFO,
        _RESPONSE_FOR,
        Rule("SteeringType"),
        Rule("ResponseForTask", (Rule("TaskCode", many=True),), many=True),
        Rule("ApplicationType"),
        Rule("ToPlaces", (Rule("Place", many=True),)),
    ),
)
STATUS_HEADER: Final = Rule(
    "MessageHeader",
    (Rule("From", _ORGANIZATION), _RESPONSE_FOR, _STAFF, *_texts("StatusCode Description Timestamp")),
)
_CHANGE = Rule(
    "BussinessDocumentInfo",
    (
        *_texts("DocumentInfo DocumentReceiver"),
        Rule("ReceiverList", (Rule("Receiver", _texts("OrganId ReceiverType"), many=True),)),
    ),
)
_REPLACEMENT = Rule(
    "ReplacementInfo", (Rule("DocumentId"), Rule("OrganIdList", (Rule("OrganId", many=True),))), many=True
)
TRACE_LIST: Final = Rule(
    "TraceHeaderList",
    (
        Rule(
            "Bussiness",
            (
                *_texts("DocumentId BussinessDocType BussinessDocReason Paper"),
                _CHANGE,
                Rule("ReplacementInfoList", (_REPLACEMENT,)),
                _STAFF,
            ),
        ),
        Rule("TraceHeader", _texts("OrganId Timestamp"), many=True),
    ),
)


def _method(name: str, *children: Rule) -> Rule:
    return Rule(name, children, attributes=("Algorithm",), empty=True)


SIGNATURE: Final = Rule(
    "Signature",
    (
        Rule(
            "SignedInfo",
            (
                _method("CanonicalizationMethod"),
                _method("SignatureMethod"),
                Rule(
                    "Reference",
                    (
                        Rule("Transforms", (Rule("Transform", attributes=("Algorithm",), many=True, empty=True),)),
                        _method("DigestMethod"),
                        Rule("DigestValue"),
                    ),
                    attributes=("URI",),
                    many=True,
                ),
            ),
        ),
        Rule("SignatureValue"),
        Rule("KeyInfo", (Rule("X509Data", (Rule("X509Certificate"),)),)),
    ),
)
_REFERENCE = Rule("Reference", _texts("ContentId ContentType Description AttachmentName"))
_ATTACHMENT = Rule("Attachment", _texts("ContentId AttachmentName Description FieldName MimeType ContentType"))


def rebuild(source: Path, target: Path, *, at: datetime, organ_id: str | None, limit: int) -> None:
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
    with Spool(target.parent) as spool:
        write(read(source, spool), spool, target, at=at, organ_id=organ_id, limit=limit)


def write(root: Node, spool: Spool, target: Path, *, at: datetime, organ_id: str | None, limit: int) -> None:
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
    if not root.first("edXMLEnvelope", "edXMLHeader", "MessageHeader").all("StatusCode"):
        _add_trace(root, at, organ_id)
    contents = [_carried(node, spool, limit) for node in _attachments(root)]
    with target.open("wb") as out:
        out.writelines(_packet(root, contents))


def build(root: Node) -> bytes:
    """Bytes of a packet without attachments, in the library's form."""
    return b"".join(_packet(root, []))


def _packet(root: Node, contents: Sequence[Carried]) -> Iterator[bytes]:
    marks = [uuid.uuid4().hex for _ in contents]
    tree = _tree(root, contents, marks)
    etree.indent(tree, "  ")
    text = etree.tostring(tree, encoding="UTF-8").replace(b"\n", b"\r\n")
    yield DECLARATION
    for mark, content in zip(marks, contents, strict=True):
        before, _, text = text.partition(mark.encode())
        yield before
        yield from content.text()
    yield text + b"\r\n"


def _attachments(root: Node) -> list[Node]:
    return root.first("AttachmentEncoded").all("Attachment")


def _carried(node: Node, spool: Spool, limit: int) -> Carried:
    number = node.first(CONTENT).content
    name, content_type = node.value("AttachmentName"), node.value("ContentType")
    return carry(spool, -1 if number is None else number, name=name, content_type=content_type, limit=limit)


def _add_trace(root: Node, at: datetime, organ_id: str | None) -> None:
    organ = [] if organ_id is None else [Node("OrganId", text=organ_id)]
    station = Node("TraceHeader", children=[*organ, Node("Timestamp", text=packet_time(at))])
    header = root.first("edXMLEnvelope", "edXMLHeader")
    if not header.all("TraceHeaderList"):
        header.children.append(Node("TraceHeaderList"))
    header.first("TraceHeaderList").children.append(station)


def _tree(root: Node, contents: Sequence[Carried], marks: Sequence[str]) -> etree._Element:
    tree = etree.Element(_name("edXML"), nsmap={None: NS})
    envelope = etree.SubElement(tree, _name("edXMLEnvelope"), nsmap={"edXML": NS})
    header = etree.SubElement(envelope, _name("edXMLHeader"))
    source = root.first("edXMLEnvelope", "edXMLHeader")
    status = bool(source.first("MessageHeader").all("StatusCode"))
    _write(header, STATUS_HEADER if status else DOCUMENT_HEADER, source.first("MessageHeader"))
    if not status:
        _write(header, TRACE_LIST, source.first("TraceHeaderList"))
    if source.first("Signature").children:
        # declared anew, the default namespace takes precedence: the library writes these elements unprefixed
        _fill(etree.SubElement(header, _name("Signature"), nsmap={None: NS}), SIGNATURE, source.first("Signature"))
    if not status:
        _write_attachments(tree, envelope, root, contents, marks)
    return tree


def _write_attachments(
    tree: etree._Element, envelope: etree._Element, root: Node, contents: Sequence[Carried], marks: Sequence[str]
) -> None:
    body = etree.SubElement(envelope, _name("edXMLBody"))
    manifest = etree.SubElement(body, _name("edXMLManifest"), version="1.0")
    encoded = etree.SubElement(tree, _name("AttachmentEncoded"))
    for node, content, mark in zip(_attachments(root), contents, marks, strict=True):
        _write(manifest, _REFERENCE, _described(node, content.listed_type))
        _write(encoded, _ATTACHMENT, _described(node, content.content_type))
        etree.SubElement(encoded[-1], _name(CONTENT), nsmap={"edXML": NS}).text = mark


def _described(node: Node, content_type: str) -> Node:
    changed = {"ContentId": f"cid:{node.value('ContentId')}", "ContentType": content_type}
    kept = [child for child in node.children if child.name not in changed]
    return Node(node.name, children=kept + [Node(name, text=text) for name, text in changed.items()])


def _write(parent: etree._Element, rule: Rule, source: Node) -> None:
    """Write an element as a rule says, or nothing where there is nothing to say."""
    element = etree.SubElement(parent, _name(rule.name))
    _fill(element, rule, source)
    if not rule.empty and not len(element) and not element.text and not element.attrib:
        parent.remove(element)


def _fill(element: etree._Element, rule: Rule, source: Node) -> None:
    for name in rule.attributes:
        if name in source.attributes:
            element.set(name, source.attributes[name])
    if not rule.children:
        element.text = source.text or rule.default or None
    for child in rule.children:
        found = source.all(child.name)
        if not found and not (child.default or child is _OTHER_INFO):
            continue
        for node in (found or [Node(child.name)])[: None if child.many else 1]:
            _write(element, child, node)


def _name(local: str) -> str:
    return f"{{{NS}}}{local}"


_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def printable(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)
