"""The tolerant reader: a packet as a value, with a finding for each deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from ..._core import AnyFile
from ...errors import PacketError
from ..attachments import Attachment
from ..findings import packet_error
from ..limits import Limits
from ..message import (
    BUSINESS,
    DOCUMENT_HEADER,
    DOCUMENT_TRACE,
    STATUS_HEADER,
    Business,
    BusinessType,
    Document,
    DocumentIdParts,
    Message,
    StatusMessage,
    find_mark,
    write_date,
)
from ..names import DS
from ..source import Source
from .elements import ElementReader, is_displaced, iter_children, resolve_name
from .fast_path import build_model
from .manifest import AttachmentElement, read_attachments
from .packet import Packet
from .positions import XPathIndex
from .skeleton import Skeleton


def read(source: AnyFile | str | bytes, *, limits: Limits | None = None) -> Packet:
    """Read a packet.

    Args:
        source: path of the file, a file that opens its own streams, or the packet's bytes.
        limits: limits on its size and depth.

    Returns:
        The packet. Attachments are decoded when they are opened, from the source, which must stay in place.

    Raises:
        PacketError: the packet cannot be read: not XML, a DOCTYPE, too large outside its attachments, no edXML header.
        OSError: the file cannot be opened.
    """
    bounds = limits or Limits()
    packet_source = Source.from_value(source)
    skeleton = Skeleton(packet_source, bounds)
    reader = ElementReader(
        skeleton.findings, format_excerpt=skeleton.format_excerpt, find_position=skeleton.find_position
    )
    envelope = _find_envelope(skeleton.root, reader)
    header = _find_header(envelope, reader)
    message_header = _find_single(header, "MessageHeader", reader)
    with packet_source.open_shared():  # once for the heads of all attachments
        encoded = read_attachments(skeleton, envelope, reader, bounds)
    attachments = tuple(one.attachment for one in encoded)
    message: Message
    if any(name == "StatusCode" for name, _ in iter_children(message_header)):
        message = reader.read_model(STATUS_HEADER, message_header, StatusMessage)
    else:
        _refuse_other_report(envelope, message_header, reader)
        message = _read_document(header, message_header, attachments, reader)
        _report_marks(message, message_header, encoded, reader)
    frame = _STATUS_FRAME if isinstance(message, StatusMessage) else _DOCUMENT_FRAME
    for element in dict.fromkeys((skeleton.root, envelope, header)):
        _report_others(element, frame[resolve_name(element)], reader)
    elements = tuple(one.element for one in encoded)
    return Packet(
        message,
        attachments,
        tuple(reader.findings),
        tuple(reader.unknown_elements),
        skeleton,
        packet_source,
        elements=elements,
        ambiguous=tuple(reader.ambiguous.items()),
    )


def _find_envelope(root: etree._Element, reader: ElementReader) -> etree._Element:
    if resolve_name(root) == "edXMLEnvelope":
        reader.report("EDX-ROOT", root, str(root.tag))
        reader.check_name(root)
        return root
    if resolve_name(root) != "edXML":
        raise _structure_error(root, f"the root element is {root.tag!s}", f"phần tử gốc là {root.tag!s}", reader)
    reader.check_name(root)
    return _find_single(root, "edXMLEnvelope", reader)


def _find_single(parent: etree._Element, name: str, reader: ElementReader) -> etree._Element:
    """Find the only child of a name; a second one would let two readers see two different documents."""
    found = [child for child_name, child in iter_children(parent) if child_name == name]
    if not found:
        fault, fault_vi = f"{resolve_name(parent)} has no {name}", f"{resolve_name(parent)} không có {name}"
        raise _structure_error(parent, fault, fault_vi, reader)
    if len(found) > 1:
        fault, fault_vi = f"{name} occurs more than once", f"{name} xuất hiện nhiều lần"
        raise _structure_error(found[1], fault, fault_vi, reader)
    reader.check_name(found[0])
    return found[0]


def _find_header(envelope: etree._Element, reader: ElementReader) -> etree._Element:
    """Find edXMLHeader; the envelope itself where some systems write the header's parts into it."""
    names = {name for name, _ in iter_children(envelope)}
    if "edXMLHeader" in names or "MessageHeader" not in names:
        return _find_single(envelope, "edXMLHeader", reader)
    reader.report("EDX-MISSING", envelope, "edXMLHeader")
    return envelope


def _structure_error(element: etree._Element, fault: str, fault_vi: str, reader: ElementReader) -> PacketError:
    place = XPathIndex().find_xpath(element)
    return packet_error(
        "EDX-STRUCTURE", f"{fault}, {place}", f"{fault_vi}, {place}", position=reader.find_position(element)
    )


def _refuse_other_report(envelope: etree._Element, message_header: etree._Element, reader: ElementReader) -> None:
    """Refuse a report in the frame of a packet: its header names no document, and its body holds something else."""
    bodies = [child for name, child in iter_children(envelope) if name == "edXMLBody"]
    parts = {name for body in bodies for name, _ in iter_children(body)}
    if (
        parts
        and "edXMLManifest" not in parts
        and not _IDENTIFYING & {name for name, _ in iter_children(message_header)}
    ):
        fault = "not a document packet: it has no recipient, DocumentId, Code or manifest"
        fault_vi = "không phải gói tin văn bản: không có nơi nhận, DocumentId, Code hay manifest"
        raise _structure_error(message_header, fault, fault_vi, reader)


_IDENTIFYING = {"To", "DocumentId", "Code"}


def _read_document(
    header: etree._Element, message_header: etree._Element, attachments: tuple[Attachment, ...], reader: ElementReader
) -> Document:
    values = reader.read_values(DOCUMENT_HEADER, message_header)
    _check_issue_date(values, message_header, reader)
    trace = _find_trace(header, message_header)
    if trace is None:
        reader.report("EDX-MISSING", header, "TraceHeaderList")
    else:
        reader.check_name(trace)
        values |= reader.read_values(DOCUMENT_TRACE, trace)
        if "business" not in values:
            values |= _read_displaced_business(trace, reader)
    # a document without a request is a new one
    values.setdefault("business", Business(type=BusinessType.NEW, paper=None))
    return build_model(Document, values | {"attachments": attachments})


def _check_issue_date(values: Mapping[str, Any], message_header: etree._Element, reader: ElementReader) -> None:
    """Report a date of promulgation that is missing, or another than the one inside DocumentId."""
    guess = DocumentIdParts.from_text(values.get("id") or "").issued_on
    issued_on = values.get("issued_on")
    if guess is not None and guess != issued_on:
        seen = write_date(issued_on) if issued_on else ""
        reader.report("EDX-DATE-ID", _find_issue_date(message_header), seen, write_date(guess))


def _find_issue_date(message_header: etree._Element) -> etree._Element:
    """Find the element of the date of promulgation, or the last one around its place that is there."""
    found = message_header
    for wanted in ("PromulgationInfo", "PromulgationDate"):
        found = next((child for name, child in iter_children(found) if name == wanted), found)
    return found


def _find_trace(header: etree._Element, message_header: etree._Element) -> etree._Element | None:
    """Find TraceHeaderList, which some systems write into MessageHeader."""
    parts = (one for parent in (header, message_header) for one in iter_children(parent))
    return next((child for name, child in parts if name == "TraceHeaderList"), None)


def _read_displaced_business(trace: etree._Element, reader: ElementReader) -> dict[str, Any]:
    """Read a request that stands inside a TraceHeader: a recall must not pass for a new document."""
    for header_name, trace_header in iter_children(trace):
        for name, element in iter_children(trace_header) if header_name == "TraceHeader" else ():
            if name == "Bussiness" and is_displaced(name, element):
                return {"business": reader.read_model(BUSINESS, element, Business)}
    return {}


def _report_marks(
    document: Document, message_header: etree._Element, encoded: Sequence[AttachmentElement], reader: ElementReader
) -> None:
    """Report marks of secrecy in the subject and in names of files, at their elements."""
    marked = [(message_header, "Subject", document.subject)]
    marked += [(one.element, "AttachmentName", one.attachment.name) for one in encoded]
    for parent, name, text in marked:
        mark = find_mark(text)
        if mark is not None:
            element = next((child for child_name, child in iter_children(parent) if child_name == name), parent)
            reader.report("EDX-MARK", element, mark)


_STATUS_FRAME = {
    "edXML": {"edXMLEnvelope"},
    "edXMLEnvelope": {"edXMLHeader"},
    "edXMLHeader": {"MessageHeader", "Signature"},
}
_DOCUMENT_FRAME = {
    "edXML": {"edXMLEnvelope", "AttachmentEncoded"},
    "edXMLEnvelope": {"edXMLHeader", "edXMLBody", "AttachmentEncoded", "MessageHeader", "edXMLManifest"},
    "edXMLHeader": {"MessageHeader", "TraceHeaderList", "Signature"},
}
"""The parts that hold a packet's content, each with the names of its children."""


def _report_others(frame: etree._Element, known_names: set[str], reader: ElementReader) -> None:
    """Report all children beside the parts that are read, a second one of a part too."""
    reader.report_stray_text(frame)
    seen_names: set[str] = set()
    for name, child in iter_children(frame):
        if name not in known_names:
            reader.note_foreign(child, known_names)
            reader.report_unknown(child)
        elif name == "Signature":
            _check_signature(child, reader)
        elif name in seen_names:
            reader.report_repeated(child)
        seen_names.add(name)


def _check_signature(element: etree._Element, reader: ElementReader) -> None:
    """Report a placeholder; `signing` verifies a real signature."""
    name = etree.QName(element)
    if name.namespace != DS or name.localname != "Signature":
        reader.report("EDX-SIGNATURE", element, str(element.tag))
