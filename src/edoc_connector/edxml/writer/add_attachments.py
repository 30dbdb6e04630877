"""Attachments put back into a packet that was delivered without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lxml import etree

from ..attachments import guess_type
from ..limits import Limits
from ..names import NS
from ..reader import parse_xml

_ENCODED = "AttachmentEncoded"
_CONTENT = "ContentTransferEncoded"


def add_attachments(packet: bytes, files: Sequence[tuple[str, str]], *, limits: Limits | None = None) -> bytes:
    """Put files into a packet that it names and does not hold, or neither.

    Files that are in the packet are left as they are: some hubs give them twice.

    Args:
        packet: the packet.
        files: names, and contents as base64.
        limits: limits on the packet.

    Returns:
        The packet as it came where nothing was missing.

    Raises:
        PacketError: the packet is not XML, or goes over a limit.
        ValueError: a name or content cannot stand in XML.
    """
    root = parse_xml(packet, limits=limits)
    held = {_read_name(entry): entry for entry in _iter_children(_iter_children([root], _ENCODED), "Attachment")}
    missing = [(name, content) for name, content in files if name not in held or not _read_content(held[name])]
    if not missing:
        return packet
    encoded = next(_iter_children([root], _ENCODED), None)
    if encoded is None:
        encoded = etree.SubElement(root, f"{{{NS}}}{_ENCODED}")
    for number, (name, content) in enumerate(missing, start=1):
        entry = held.get(name)
        if entry is None:
            entry = _add_entry(encoded, f"added-{number}", name)
        _set_content(entry, content)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _iter_children(parents: Iterable[etree._Element], name: str) -> Iterator[etree._Element]:
    return (
        child
        for parent in parents
        for child in parent
        if isinstance(child.tag, str) and etree.QName(child).localname == name
    )


def _read_name(entry: etree._Element) -> str:
    return next((child.text or "" for child in _iter_children([entry], "AttachmentName")), "").strip()


def _read_content(entry: etree._Element) -> str:
    return next((child.text or "" for child in _iter_children([entry], _CONTENT)), "").strip()


def _add_entry(encoded: etree._Element, content_id: str, name: str) -> etree._Element:
    entry = etree.SubElement(encoded, f"{{{NS}}}Attachment")
    for tag, text in (("ContentId", content_id), ("AttachmentName", name), ("ContentType", guess_type(name))):
        etree.SubElement(entry, f"{{{NS}}}{tag}").text = text
    return entry


def _set_content(entry: etree._Element, content: str) -> None:
    place = next(_iter_children([entry], _CONTENT), None)
    if place is None:
        place = etree.SubElement(entry, f"{{{NS}}}{_CONTENT}")
    place.text = content
