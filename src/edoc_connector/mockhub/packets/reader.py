"""Packets read the way the hub reads them: by local names, whatever the prefixes, attachments never whole in memory.

expat without namespace processing is what makes this tolerant: a prefix that is never declared (``xlink:href`` in
packets seen on the national hub) is just part of a name. What is otherwise not well formed is not XML and is refused.
Every DOCTYPE is refused, and depth, number of elements and length of values are bounded.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.parsers import expat

from edoc_connector.mockhub.codes import ErrorCode, RefusedError

NS: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
CONTENT_ELEMENT: Final = "ContentTransferEncoded"
_CHUNK = 1 << 16
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000
_MAX_TEXT = 16 * 1024 * 1024  # all values together, attachments' content not counted

ContentSink = Callable[[int, str], None]


@dataclass(slots=True)
class Node:
    """One element.

    Args:
        name: local name.
        attributes: values by local name.
        children: child elements in order.
        text: its own text, as it stands there.
        content: number of the attachment whose base64 stood here.
        namespace: URI that its prefix is bound to; empty where it is bound to none.
    """

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""
    content: int | None = None
    namespace: str = ""

    @property
    def value(self) -> str:
        """Its own text trimmed at both ends."""
        return self.text.strip()

    def list_children(self, name: str) -> list[Node]:
        """List the children with a local name."""
        return [child for child in self.children if child.name == name]

    def find_first(self, name: str) -> Node:
        """Find the first child with a local name; an empty node where there is none."""
        return next(iter(self.list_children(name)), Node(name))

    def find_descendant(self, *names: str) -> Node:
        """Find the descendant along a path of local names, of several the last, as the hub does; else an empty node."""
        node = self
        for name in names:
            node = next(reversed(node.list_children(name)), Node(name))
        return node

    def get_value(self, *names: str) -> str:
        """Get the trimmed text at the end of a path of local names, or nothing."""
        return self.find_descendant(*names).value


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFacts:
    """Facts of a packet that the hub acts on.

    Args:
        kind: ``edoc`` or ``status``, by what the packet is, whatever it was announced as.
        sender: OrganId in From, empty where there is no From.
        recipients: OrganIds in To; for a status packet the one in ResponseFor.
        document_id: DocumentId of a document, or of the document that a status answers.
        business: BussinessDocType, ``0`` where there is none.
        number, notation: CodeNumber and CodeNotation; for a status both as ResponseFor/Code has them, in notation.
        title: Subject; Description for a status.
        issued_on: PromulgationDate as written.
        status: StatusCode of a status packet.
        about: DocumentId of the document that a recall, update or replacement names; else empty.
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
    about: str = ""

    @property
    def code(self) -> str:
        """Number and notation, in the form of ResponseFor/Code."""
        return f"{self.number}/{self.notation}" if self.number else self.notation


def parse_packet(packet: Path | bytes, sink: ContentSink | None = None, *, strict: bool = False) -> Node:
    """Parse a packet.

    Args:
        packet: its bytes, or a file with them.
        sink: gets the base64 text of attachments piece by piece, with the number of the attachment; dropped if None.
        strict: read only what the hub's library finds: no other spellings, no other namespace, no envelope as root.

    Returns:
        The node edXMLEnvelope's parent, or a stand-in for it where the envelope is the root.

    Raises:
        RefusedError: 22, not XML, beyond the bounds or, if `strict`, without a header that the library finds.
    """
    reader = _Reader(sink, {} if strict else _OTHER_SPELLINGS)
    with io.BytesIO(packet) if isinstance(packet, bytes) else packet.open("rb") as file:
        while chunk := file.read(_CHUNK):
            reader.feed(chunk, last=False)
    reader.feed(b"", last=True)
    if strict:
        return _require_header(reader.root)
    root = reader.root
    return Node("edXML", children=[root]) if root.name == "edXMLEnvelope" else root


def _require_header(root: Node) -> Node:
    others = [child for child in root.list_children("edXMLEnvelope") if child.namespace != NS]
    root.children = [child for child in root.children if child not in others]
    if not root.list_children("edXMLEnvelope"):
        raise _build_not_edxml_error(f"there is no edXMLEnvelope of the namespace {NS} in its root element")
    if not root.find_first("edXMLEnvelope").list_children("edXMLHeader"):
        raise _build_not_edxml_error("there is no edXMLHeader")
    if not find_header(root).list_children("MessageHeader"):
        raise _build_not_edxml_error("there is no MessageHeader")
    return root


def find_header(root: Node) -> Node:
    """Find the edXMLHeader of a packet; an empty node where there is none."""
    return root.find_first("edXMLEnvelope").find_first("edXMLHeader")


def is_status(root: Node) -> bool:
    """Tell whether a packet is a status packet."""
    return bool(find_header(root).find_descendant("MessageHeader").list_children("StatusCode"))


def add_missing_id(root: Node) -> None:
    """Give a document packet without a DocumentId one that is made up."""
    header = find_header(root).find_descendant("MessageHeader")
    if not is_status(root) and not header.list_children("DocumentId"):
        header.children.append(Node("DocumentId", text=str(uuid.uuid4())))


def extract_facts(root: Node) -> PacketFacts:
    """Extract the facts of a parsed packet.

    Raises:
        RefusedError: 22, an OrganId in From or a DocumentId that is empty, no recipient, or one named twice.
    """
    header = find_header(root)
    message = header.find_descendant("MessageHeader")
    if message.list_children("From") and not message.get_value("From", "OrganId"):
        raise _build_not_edxml_error("there is no OrganId in From")
    found = _extract_status_facts(message) if is_status(root) else _extract_document_facts(header, message)
    if found.kind == "edoc" and not found.document_id:
        raise _build_not_edxml_error("there is no DocumentId")
    if not found.recipients:
        raise _build_not_edxml_error("it says nowhere who is to receive it")
    if len(set(found.recipients)) != len(found.recipients):
        raise _build_not_edxml_error("a recipient is named twice")
    return found


def _extract_document_facts(header: Node, message: Node) -> PacketFacts:
    return PacketFacts(
        kind="edoc",
        sender=message.get_value("From", "OrganId"),
        recipients=tuple(code for to in message.list_children("To") if (code := to.get_value("OrganId"))),
        document_id=message.get_value("DocumentId"),
        business=header.get_value("TraceHeaderList", "Bussiness", "BussinessDocType") or "0",
        number=message.get_value("Code", "CodeNumber"),
        notation=message.get_value("Code", "CodeNotation"),
        title=message.get_value("Subject"),
        issued_on=message.get_value("PromulgationInfo", "PromulgationDate"),
        status="",
        about=header.get_value("TraceHeaderList", "Bussiness", "DocumentId"),
    )


def _extract_status_facts(message: Node) -> PacketFacts:
    answered = message.find_descendant("ResponseFor")
    return PacketFacts(
        kind="status",
        sender=message.get_value("From", "OrganId"),
        recipients=tuple(code for code in [answered.get_value("OrganId")] if code),
        document_id=answered.get_value("DocumentId"),
        business="",
        number="",
        notation=answered.get_value("Code"),
        title=message.get_value("Description"),
        issued_on=answered.get_value("PromulgationDate"),
        status=message.get_value("StatusCode"),
    )


def _build_not_edxml_error(reason: str) -> RefusedError:
    return RefusedError(ErrorCode.NOT_EDXML, f"the packet is not edXML as the standard asks: {reason}")


# Spellings seen in the wild, to those of the standard.
_OTHER_SPELLINGS: Final[Mapping[str, str]] = {
    "Status": "MessageHeader",
    "Body": "edXMLBody",
    "Manifest": "edXMLManifest",
    "Header": "edXMLHeader",
    "DigitalSignature": "Signature",
    "Business": "Bussiness",
    "BusinessDocType": "BussinessDocType",
    "BusinessDocReason": "BussinessDocReason",
    "BusinessDocumentInfo": "BussinessDocumentInfo",
}


class _Reader:
    """Builds nodes from expat's events."""

    def __init__(self, sink: ContentSink | None, spellings: Mapping[str, str]) -> None:
        self._sink = sink
        self._spellings = spellings
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.buffer_size = _CHUNK
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start_element
        self._parser.EndElementHandler = self._end_element
        self._parser.CharacterDataHandler = self._take_text
        self._top = Node("")
        self._open: list[tuple[Node, list[str]]] = [(self._top, [])]
        self._declared: list[Mapping[str, str]] = []  # namespaces by prefix, one mapping an open element
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
        self._declared.append(_select_namespaces(attributes))
        prefix, _, local = name.rpartition(":")
        node = Node(
            self._spellings.get(local, local),
            {key.rpartition(":")[2]: value for key, value in attributes.items()},
            namespace=next((uris[prefix] for uris in reversed(self._declared) if prefix in uris), ""),
        )
        if local == CONTENT_ELEMENT:
            node.content = self._contents
            self._contents += 1
        self._open[-1][0].children.append(node)
        self._open.append((node, []))

    def _end_element(self, _: str) -> None:
        self._declared.pop()
        node, pieces = self._open.pop()
        node.text = "".join(pieces)

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


def _select_namespaces(attributes: Mapping[str, str]) -> Mapping[str, str]:
    declarations = (key for key in attributes if key == "xmlns" or key.startswith("xmlns:"))
    return {key.partition(":")[2]: attributes[key] for key in declarations}
