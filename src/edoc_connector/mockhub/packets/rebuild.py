"""Packets built again, as the national hub does it (VXP interface, "What the hub does to a packet on its way").

`rules` says what survives; here it is written. Attachments are never whole in memory: the tree is written with short
marks in their place, and their base64 is streamed between.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from lxml import etree

from edoc_connector._core import open_atomic
from edoc_connector.mockhub.codes import ErrorCode, RefusedError, format_packet_time
from edoc_connector.mockhub.packets import rules
from edoc_connector.mockhub.packets.attachments import AttachmentSpool, PreparedAttachment, prepare_attachment
from edoc_connector.mockhub.packets.reader import CONTENT_ELEMENT, NS, Node, find_header, is_status, parse_packet
from edoc_connector.mockhub.packets.rules import ElementRule, Presence, Which
from edoc_connector.mockhub.packets.values import XML_SPACE

DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\r\n'

# Where the library's serialisation differs from lxml's. None of the left sides occurs in text: that is escaped.
_SPELLINGS: Final = (
    ("/>", " />"),
    ("&#13;", "&#xD;"),
    ("&#10;", "&#xA;"),
    ("&#9;", "&#x9;"),
    (f'<Signature xmlns="{NS}"', "<Signature"),
    ("\n", "\r\n"),
)
_SUPPLEMENTARY = re.compile("[\U00010000-\U0010ffff]")


def rebuild_packet(source: Path, target: Path, *, at: datetime, organ_id: str | None, limit: int) -> None:
    """Write the packet that receivers get.

    Args:
        source: the packet as it was sent.
        target: file to write.
        at: the hub's time, for its TraceHeader.
        organ_id: OrganId of that TraceHeader; None writes none.
        limit: most bytes that one zipped attachment may unpack to.

    Raises:
        RefusedError: 22 not edXML that the hub's library reads, 21 an attachment that it cannot process.
    """
    with AttachmentSpool(target.parent) as spool:
        root = parse_packet(source, spool, strict=True)
        write_packet(root, spool, target, at=at, organ_id=organ_id, limit=limit)


def write_packet(
    root: Node, spool: AttachmentSpool, target: Path, *, at: datetime, organ_id: str | None, limit: int
) -> None:
    """Write the packet that receivers get from one that was read; the hub's TraceHeader is added to `root`.

    Args:
        root: the packet, read strictly.
        spool: got its attachments while it was read.
        target: file to write.
        at: the hub's time.
        organ_id: OrganId of the hub's TraceHeader.
        limit: most bytes that one zipped attachment may unpack to.

    Raises:
        RefusedError: 22 or 21, the hub's library fails on it.
    """
    if not is_status(root):
        _add_trace(root, at, organ_id)
    nodes = [] if is_status(root) else _list_attachments(root)
    contents = [prepare_attachment(node, spool, limit=limit) for node in nodes]
    with open_atomic(target, durable=False) as out:
        out.writelines(_serialize_packet(root, nodes, contents))


def build_packet(root: Node) -> bytes:
    """Build the bytes of a packet without attachments, in the library's form."""
    return b"".join(_serialize_packet(root, [], []))


def _serialize_packet(root: Node, nodes: Sequence[Node], contents: Sequence[PreparedAttachment]) -> Iterator[bytes]:
    marks = [uuid.uuid4().hex for _ in contents]
    text = _format_tree(_build_tree(root, nodes, contents, marks))
    yield DECLARATION
    for mark, content in zip(marks, contents, strict=True):
        if content.is_empty:
            continue
        before, _, text = text.partition(mark.encode())
        yield before
        yield from content.iterate_base64()
    yield text + b"\r\n"


def _format_tree(tree: etree._Element) -> bytes:
    etree.indent(tree, "  ")
    text = etree.tostring(tree, encoding="unicode")
    for ours, theirs in _SPELLINGS:
        text = text.replace(ours, theirs)
    return _SUPPLEMENTARY.sub(lambda match: f"&#x{ord(match[0]):x};", text).encode()


def _list_attachments(root: Node) -> list[Node]:
    """List the attachments; the library takes any element for one that has elements in it."""
    return [node for node in root.find_descendant("AttachmentEncoded").children if node.children]


def _add_trace(root: Node, at: datetime, organ_id: str | None) -> None:
    organ = [] if organ_id is None else [Node("OrganId", text=organ_id)]
    station = Node("TraceHeader", children=[*organ, Node("Timestamp", text=format_packet_time(at))])
    header = find_header(root)
    if not header.list_children("TraceHeaderList"):
        header.children.append(Node("TraceHeaderList"))
    header.find_descendant("TraceHeaderList").children.append(station)


def _build_tree(
    root: Node, nodes: Sequence[Node], contents: Sequence[PreparedAttachment], marks: Sequence[str]
) -> etree._Element:
    tree = etree.Element(_qualify_name("edXML"), nsmap={None: NS})
    envelope = etree.SubElement(tree, _qualify_name("edXMLEnvelope"), nsmap={"edXML": NS})
    header, source = etree.SubElement(envelope, _qualify_name("edXMLHeader")), find_header(root)
    message_rule = rules.STATUS_HEADER if is_status(root) else rules.DOCUMENT_HEADER
    for rule in (message_rule, rules.TRACE_LIST, rules.SIGNATURE):
        _apply_rule(header, rule, source)
    if not is_status(root):
        _write_attachments(tree, envelope, zip(nodes, contents, marks, strict=True))
    return tree


def _write_attachments(
    tree: etree._Element,
    envelope: etree._Element,
    attachments: Iterable[tuple[Node, PreparedAttachment, str]],
) -> None:
    body = etree.SubElement(envelope, _qualify_name("edXMLBody"))
    manifest = etree.SubElement(body, _qualify_name("edXMLManifest"), version="1.0")
    encoded = etree.SubElement(tree, _qualify_name("AttachmentEncoded"))
    for node, content, mark in attachments:
        _write_element(manifest, rules.REFERENCE, _describe_content(node, content.content_id, content.listed_type))
        _write_element(encoded, rules.ATTACHMENT, _describe_content(node, content.content_id, content.content_type))
        if not content.is_empty:
            etree.SubElement(encoded[-1], _qualify_name(CONTENT_ELEMENT), nsmap={"edXML": NS}).text = mark


def _describe_content(node: Node, content_id: str, content_type: str) -> Node:
    """Copy an Attachment with another id and type, which count because the last of a name does."""
    changed = [Node("ContentId", text=content_id), Node("ContentType", text=content_type)]
    return replace(node, children=node.children + changed)


def _apply_rule(parent: etree._Element, rule: ElementRule, source: Node) -> None:
    """Write an element of `source` under `parent` as a rule says, or nothing.

    Raises:
        RefusedError: 22, the library fails on it.
    """
    given = _select_nodes(rule, source.list_children(rule.name))
    if rule.is_leaf:
        for node in given:
            _write_text(parent, rule, node.text)
        if not given and rule.which is not Which.EACH:
            _write_text(parent, rule, None)
    elif given:
        for node in given:
            if _is_written(rule, node):
                _write_element(parent, rule, node)
    elif rule.presence is Presence.ALWAYS:
        _write_element(parent, rule, Node(rule.name, attributes=rule.absent_attributes))


def _select_nodes(rule: ElementRule, nodes: list[Node]) -> list[Node]:
    match rule.which:
        case Which.EACH:
            return nodes
        case Which.FIRST:
            return nodes[:1]
        case Which.LAST:
            return nodes[-1:]
        case Which.MERGED:
            return [Node(rule.name, children=[child for node in nodes for child in node.children])] if nodes else []


def _is_written(rule: ElementRule, node: Node) -> bool:
    match rule.presence:
        case Presence.WITH_ELEMENTS:
            return bool(node.children)
        case Presence.WITH_ITEMS:
            return any(node.list_children(child.name) for child in rule.children)
        case Presence.GIVEN | Presence.ALWAYS:
            return True


def _write_text(parent: etree._Element, rule: ElementRule, text: str | None) -> None:
    written = rule.convert(text)
    if written is not None:
        etree.SubElement(parent, _qualify_name(rule.name)).text = written.strip(XML_SPACE) or None


def _write_element(parent: etree._Element, rule: ElementRule, source: Node) -> None:
    if rule.required and not source.list_children(rule.required):
        raise RefusedError(ErrorCode.NOT_EDXML, f"the packet cannot be read: {rule.name} without {rule.required}")
    # The library writes a signature unprefixed: declared anew, the default namespace takes precedence.
    declared = {None: NS} if rule is rules.SIGNATURE else None
    element = etree.SubElement(parent, _qualify_name(rule.name), nsmap=declared)
    for name, default in rule.attributes.items():
        value = source.attributes.get(name) or default
        if value is not None:
            element.set(name, value)
    for child in rule.children:
        _apply_rule(element, child, source)


def _qualify_name(local: str) -> str:
    return f"{{{NS}}}{local}"


_NOT_XML = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def remove_non_xml(text: str) -> str:
    """Remove the characters that XML cannot hold."""
    return _NOT_XML.sub("", text)
