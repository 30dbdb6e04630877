"""The only XML parser of the package for bytes from outside."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from ..findings import packet_error
from ..limits import Limits
from ..source import Source
from .scan import scan


def parse_xml(data: bytes, *, limits: Limits | None = None) -> etree._Element:
    """Parse a small XML document from a stranger: no DTD, no entities, no network, bounded depth and size.

    Args:
        data: the document, UTF-8.
        limits: limits on its size and depth.

    Raises:
        PacketError: the data is not XML, or goes over a limit.
    """
    scan(Source.from_value(data), limits or Limits())
    return parse_scanned(data)


def parse_scanned(data: bytes, *, find_line: Callable[[int, int], int] | None = None) -> etree._Element:
    """Parse bytes that passed `scan`.

    Args:
        data: the bytes.
        find_line: finds the line of the packet for a line and column of the bytes, where these are its skeleton.

    Raises:
        PacketError: names are used in a way that namespaces do not allow.
    """
    # huge_tree lifts libxml2's limits on text and depth; scan has set tighter ones
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=True, encoding="UTF-8"
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        place = find_line(line, column) if find_line and line else line or 1
        raise packet_error("EDX-NOT-XML", str(error.msg), position=(place, column)) from None
