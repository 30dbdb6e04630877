"""Reading a packet the way the hub does: by local names, whatever the prefixes, attachments never whole in memory.

expat without namespace processing is what makes this tolerant: a prefix that is never declared (``xlink:href`` in
packets seen on the national hub) is just part of a name. What is otherwise not well formed is not XML and is refused.
Every DOCTYPE is refused, and depth, number of elements and length of values are bounded.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

from edoc_connector.mockhub.codes import ErrorCode, RefusedError

CONTENT_ELEMENT: Final = "ContentTransferEncoded"
_CHUNK = 1 << 16
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_MAX_TEXT = 16 * 1024 * 1024  # all values together, attachments' content not counted

ContentSink = Callable[[int, str], None]


@dataclass(slots=True)
class Node:
    """One element: local name, attributes by local name, children, and its own text trimmed at both ends."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""
    content: int | None = None  # number of the attachment whose base64 stood here

    def list_children(self, name: str) -> list[Node]:
        """Children with a local name."""
        return [child for child in self.children if child.name == name]

    def find_descendant(self, *names: str) -> Node:
        """The first descendant along a path of local names; an empty node where there is none."""
        node = self
        for name in names:
            node = next(iter(node.list_children(name)), Node(name))
        return node

    def get_value(self, *names: str) -> str:
        """Text at the end of a path of local names, or nothing."""
        return self.find_descendant(*names).text


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFacts:
    """What the hub needs to know of a packet.

    Args:
        kind: ``edoc`` or ``status``, by what the packet is, whatever it was announced as.
        sender: OrganId in From.
        recipients: OrganIds in To; for a status packet the one in ResponseFor.
        document_id: DocumentId of a document, or of the document that a status answers.
        business: BussinessDocType, ``0`` where there is none.
        number, notation: CodeNumber and CodeNotation; for a status both as ResponseFor/Code has them, in notation.
        title: Subject; Description for a status.
        issued_on: PromulgationDate as written.
        status: StatusCode of a status packet.
    """

    kind: str
    sender: str
    recipients: tuple[str, ...]
    document_id: str
    business: str
    number: str
    notation: str
    title: str
    issued_on: str
    status: str

    @property
    def code(self) -> str:
        """Number and notation as ResponseFor/Code has them."""
        return f"{self.number}/{self.notation}" if self.number else self.notation


def parse_packet(packet: Path | bytes, sink: ContentSink | None = None) -> Node:
    """Parse a packet.

    Args:
        packet: its bytes, or a file with them.
        sink: gets the base64 text of attachments piece by piece, with the number of the attachment; dropped if None.

    Returns:
        The node edXMLEnvelope's parent, or a stand-in for it where the envelope is the root.

    Raises:
        RefusedError: 22, not XML or beyond the bounds.
    """
    reader = _Reader(sink)
    with io.BytesIO(packet) if isinstance(packet, bytes) else packet.open("rb") as file:
        while chunk := file.read(_CHUNK):
            reader.feed(chunk, last=False)
    reader.feed(b"", last=True)
    root = reader.root
    return Node("edXML", children=[root]) if root.name == "edXMLEnvelope" else root


def extract_facts(root: Node) -> PacketFacts:
    """What a parsed packet says.

    Raises:
        RefusedError: 22, From, To or DocumentId missing, or a recipient named twice.
    """
    envelope = root.find_descendant("edXMLEnvelope")
    header = envelope.find_descendant("edXMLHeader", "MessageHeader")
    if not header.get_value("From", "OrganId"):
        raise _build_not_edxml_error("there is no From with an OrganId")
    found = (
        _extract_status_facts(header)
        if header.list_children("StatusCode")
        else _extract_document_facts(envelope, header)
    )
    if not found.document_id:
        raise _build_not_edxml_error("there is no DocumentId")
    if not found.recipients:
        raise _build_not_edxml_error("it says nowhere who is to receive it")
    if len(set(found.recipients)) != len(found.recipients):
        raise _build_not_edxml_error("a recipient is named twice")
    return found


def _extract_document_facts(envelope: Node, header: Node) -> PacketFacts:
    trace = envelope.find_descendant("edXMLHeader", "TraceHeaderList")
    return PacketFacts(
        kind="edoc",
        sender=header.get_value("From", "OrganId"),
        recipients=tuple(code for to in header.list_children("To") if (code := to.get_value("OrganId"))),
        document_id=header.get_value("DocumentId"),
        business=_find_business(trace).get_value("BussinessDocType") or "0",
        number=header.get_value("Code", "CodeNumber"),
        notation=header.get_value("Code", "CodeNotation"),
        title=header.get_value("Subject"),
        issued_on=header.get_value("PromulgationInfo", "PromulgationDate"),
        status="",
    )


def _extract_status_facts(header: Node) -> PacketFacts:
    answered = header.find_descendant("ResponseFor")
    return PacketFacts(
        kind="status",
        sender=header.get_value("From", "OrganId"),
        recipients=tuple(code for code in [answered.get_value("OrganId")] if code),
        document_id=answered.get_value("DocumentId"),
        business="",
        number="",
        notation=answered.get_value("Code"),
        title=header.get_value("Description"),
        issued_on=answered.get_value("PromulgationDate"),
        status=header.get_value("StatusCode"),
    )


def _find_business(trace: Node) -> Node:
    return trace.find_descendant("Bussiness")


def _build_not_edxml_error(reason: str) -> RefusedError:
    return RefusedError(ErrorCode.NOT_EDXML, f"the packet is not edXML as the standard asks: {reason}")


# Spellings seen in the wild, to those of the standard.
_SPELLINGS: Mapping[str, str] = {
    "Status": "MessageHeader",
    "Body": "edXMLBody",
    "Manifest": "edXMLManifest",
    "Header": "edXMLHeader",
    "DigitalSignature": "Signature",
}


class _Reader:
    """Builds nodes from expat's events."""

    def __init__(self, sink: ContentSink | None) -> None:
        self._sink = sink
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = _CHUNK
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start_element
        self._parser.EndElementHandler = self._end_element
        self._parser.CharacterDataHandler = self._take_text
        self._top = Node("")
        self._open: list[tuple[Node, list[str]]] = [(self._top, [])]
        self._elements = self._text = self._contents = 0

    @property
    def root(self) -> Node:
        return self._top.children[0]

    def feed(self, data: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise _build_not_edxml_error(
                f"it is not well-formed XML, line {error.lineno}, column {error.offset + 1}"
            ) from error
        except (LookupError, ValueError) as error:  # an encoding that nobody knows, or that expat cannot use
            raise _build_not_edxml_error("it is in an encoding that is not supported; write UTF-8") from error

    def _refuse_doctype(self, *_: object) -> None:
        raise _build_not_edxml_error("it has a DOCTYPE")

    def _start_element(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > _MAX_ELEMENTS or len(self._open) > _MAX_DEPTH:
            raise _build_not_edxml_error("it has too many elements, or they are nested too deeply")
        local = _strip_prefix(name)
        node = Node(_normalize_name(local), {_strip_prefix(key): value for key, value in attributes.items()})
        if local == CONTENT_ELEMENT:
            node.content = self._contents
            self._contents += 1
        self._open[-1][0].children.append(node)
        self._open.append((node, []))

    def _end_element(self, _: str) -> None:
        node, pieces = self._open.pop()
        node.text = "".join(pieces).strip()

    def _take_text(self, data: str) -> None:
        node, pieces = self._open[-1]
        if node.content is not None:
            if self._sink is not None:
                self._sink(node.content, data)
            return
        self._text += len(data)
        if self._text > _MAX_TEXT:
            raise _build_not_edxml_error("its values are too long")
        pieces.append(data)


def _strip_prefix(name: str) -> str:
    return name.rpartition(":")[2]


def _normalize_name(local: str) -> str:
    return _SPELLINGS.get(local) or re.sub(r"^Business(?=$|Doc)", "Bussiness", local)
