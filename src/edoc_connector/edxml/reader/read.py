"""Reading a packet: tolerant, and telling what was tolerated."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from ...errors import PacketError
from ..attachments.attachment import Attachment
from ..message import table as t
from ..message.codes import BusinessType
from ..message.model import Business, Document, Message, StatusMessage
from ..names import DS
from ..refusal import refusal
from ..source import Source
from .elements import Reading, children, name_of
from .fast_path import build
from .manifest import read_attachments
from .packet import Packet
from .scan import Limits
from .skeleton import Skeleton
from .xpath import Places


def read(source: Path | str | bytes, *, limits: Limits | None = None) -> Packet:
    """Read a packet.

    Args:
        source: path of the file, or the packet's bytes.
        limits: how large and deep it may be.

    Returns:
        The packet. Attachments are decoded when they are opened, from the source, which must stay where it is.

    Raises:
        PacketError: it cannot be read at all: not XML, a DOCTYPE, too large outside its attachments, no edXML header.
        OSError: the file cannot be opened.
    """
    bounds = limits or Limits()
    where = Source.of(source)
    skeleton = Skeleton(where, bounds)
    reading = Reading(skeleton.findings, shown=skeleton.shown, position=skeleton.position)
    envelope = _envelope(skeleton.root, reading)
    header = _single(envelope, "edXMLHeader", reading)
    message_header = _single(header, "MessageHeader", reading)
    with where.opened():  # once for the heads of all attachments
        encoded = read_attachments(skeleton, envelope, reading, bounds)
    attachments = tuple(one.attachment for one in encoded)
    message: Message
    if any(name == "StatusCode" for name, _ in children(message_header)):
        message = reading.model(t.STATUS_HEADER, message_header, StatusMessage)
    else:
        message = _document(header, message_header, attachments, reading)
    frame = _STATUS_FRAME if isinstance(message, StatusMessage) else _DOCUMENT_FRAME
    for element in dict.fromkeys((skeleton.root, envelope, header)):
        _report_others(element, frame[name_of(element)], reading)
    elements = tuple(one.element for one in encoded)
    return Packet(
        message, attachments, tuple(reading.findings), tuple(reading.unknowns), skeleton, where, elements=elements
    )


def _envelope(root: etree._Element, reading: Reading) -> etree._Element:
    if name_of(root) == "edXMLEnvelope":
        reading.add("EDX-ROOT", root, str(root.tag))
        reading.check_name(root)
        return root
    if name_of(root) != "edXML":
        raise _not_edxml(root, f"the root element is {root.tag!s}", f"phần tử gốc là {root.tag!s}", reading)
    reading.check_name(root)
    return _single(root, "edXMLEnvelope", reading)


def _single(parent: etree._Element, name: str, reading: Reading) -> etree._Element:
    """The one child of that name; a second one would let two readers see two different documents."""
    found = [child for child_name, child in children(parent) if child_name == name]
    if not found:
        what, what_vi = f"{name_of(parent)} has no {name}", f"{name_of(parent)} không có {name}"
        raise _not_edxml(parent, what, what_vi, reading)
    if len(found) > 1:
        what, what_vi = f"{name} occurs more than once", f"{name} xuất hiện nhiều lần"
        raise _not_edxml(found[1], what, what_vi, reading)
    reading.check_name(found[0])
    return found[0]


def _not_edxml(element: etree._Element, what: str, what_vi: str, reading: Reading) -> PacketError:
    place = Places().xpath(element)
    return refusal("EDX-STRUCTURE", f"{what}, {place}", f"{what_vi}, {place}", place=reading.position(element))


def _document(
    header: etree._Element, message_header: etree._Element, attachments: tuple[Attachment, ...], reading: Reading
) -> Document:
    values = reading.values(t.DOCUMENT_HEADER, message_header)
    trace = next((child for name, child in children(header) if name == "TraceHeaderList"), None)
    if trace is None:
        reading.add("EDX-MISSING", header, "TraceHeaderList")
    else:
        reading.check_name(trace)
        values |= reading.values(t.DOCUMENT_TRACE, trace)
    # a document that asks for nothing is a new one
    values.setdefault("business", Business(type=BusinessType.NEW, paper=None))
    return build(Document, values | {"attachments": attachments})


_STATUS_FRAME = {
    "edXML": {"edXMLEnvelope"},
    "edXMLEnvelope": {"edXMLHeader"},
    "edXMLHeader": {"MessageHeader", "Signature"},
}
_DOCUMENT_FRAME = {
    "edXML": {"edXMLEnvelope", "AttachmentEncoded"},
    "edXMLEnvelope": {"edXMLHeader", "edXMLBody", "AttachmentEncoded"},
    "edXMLHeader": {"MessageHeader", "TraceHeaderList", "Signature"},
}
"""The parts that hold a packet's content, and what may stand in each."""


def _report_others(frame: etree._Element, known: set[str], reading: Reading) -> None:
    """Report what stands beside the parts that are read; more than one of a part counts too."""
    reading.stray_text(frame)
    seen: set[str] = set()
    for name, child in children(frame):
        if name not in known:
            reading.unknown(child)
        elif name == "Signature":
            _check_signature(child, reading)
        elif name in seen:
            reading.repeated(child)
        seen.add(name)


def _check_signature(element: etree._Element, reading: Reading) -> None:
    """Report a placeholder; what a real signature is worth is for `signing` to say."""
    name = etree.QName(element)
    if name.namespace != DS or name.localname != "Signature":
        reading.add("EDX-SIGNATURE", element, str(element.tag))
