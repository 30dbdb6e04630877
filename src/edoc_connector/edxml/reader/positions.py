"""Where an element stands: its XPath, its line and its column.

libxml2 counts lines up to 65,534, and columns not at all.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import TypeAlias
from xml.parsers import expat

from lxml import etree

from ..source import Span
from .scan import Scan

Position: TypeAlias = tuple[int, int | None]
"""Line, and column in characters where it is known, both from 1."""

_LINE_END = re.compile(rb"[\r\n]")


def find_positions(scan_result: Scan) -> list[Position]:
    """Find the start of every element's start tag, in the order of the packet.

    A column is not known behind an attachment's text that ends in that line after line ends of its own, nor behind a
    root element with undeclared prefixes in its line.

    Args:
        scan_result: the result of the first pass over the packet.
    """
    found_positions: list[Position] = []
    offsets = _SkeletonOffsets(scan_result)
    parser = expat.ParserCreate("UTF-8")

    def handle_start(_name: str, _attributes: object) -> None:
        lines, columns = offsets.compute_offsets(parser.CurrentByteIndex)
        column = None if columns is None else parser.CurrentColumnNumber + 1 + columns
        found_positions.append((parser.CurrentLineNumber + lines, column))

    parser.StartElementHandler = handle_start
    parser.Parse(scan_result.skeleton, True)
    return found_positions


class _SkeletonOffsets:
    """The distance of the packet from its skeleton, in lines and columns, computed from front to back."""

    def __init__(self, scan_result: Scan) -> None:
        self._skeleton = scan_result.skeleton
        self._spans = self._iter_placed_spans(scan_result)
        self._next = next(self._spans, None)
        self._lines = 0
        # a byte order mark is no character
        self._columns: int | None = -1 if scan_result.skeleton.startswith(BOM_UTF8) else 0
        self._since = 0
        """Offset behind which a line end makes columns equal again."""
        # the skeleton's root element then has declarations that the packet's has not
        self._has_added_declarations = scan_result.has_namespace_errors

    @staticmethod
    def _iter_placed_spans(scan_result: Scan) -> Iterator[tuple[int, int, Span]]:
        if not scan_result.spans:
            return
        for match in re.finditer(scan_result.placeholders, scan_result.skeleton):
            yield match.start(), match.end(), scan_result.spans[match.group().decode("ascii")]

    def compute_offsets(self, place: int) -> tuple[int, int | None]:
        """Compute how many more lines and columns the packet has before a byte of the skeleton; None if unknown."""
        while self._next is not None and self._next[1] <= place:
            start, end, span = self._next
            self._reset_columns_at_line_end(start, end)
            self._lines += span.lines
            if span.lines:
                self._columns = None
            elif self._columns is not None:
                self._columns += span.end - span.start - (end - start)
            self._next = next(self._spans, None)
        self._reset_columns_at_line_end(place, place)
        offsets = self._lines, self._columns
        if self._has_added_declarations:
            self._has_added_declarations, self._columns = False, None
        return offsets

    def _reset_columns_at_line_end(self, place: int, next_place: int) -> None:
        if self._columns != 0 and _LINE_END.search(self._skeleton, self._since, place):
            self._columns = 0
        self._since = next_place


class XPathIndex:
    """XPaths of the elements of one tree, with the names' namespaces left out.

    Positions are counted once per parent: a packet with many odd elements must not cost their square.
    """

    def __init__(self) -> None:
        self._positions: dict[etree._Element, dict[etree._Element, str]] = {}

    def find_xpath(self, element: etree._Element) -> str:
        """Find the XPath of an element, with a position where it has siblings of its name."""
        steps: list[str] = []
        while (parent := element.getparent()) is not None:
            steps.append(str(etree.QName(element).localname) + self._find_position(parent, element))
            element = parent
        return "/" + "/".join([str(etree.QName(element).localname), *reversed(steps)])

    def _find_position(self, parent: etree._Element, element: etree._Element) -> str:
        if parent not in self._positions:
            by_name: dict[str, list[etree._Element]] = {}
            for child in parent.iterchildren("*"):
                by_name.setdefault(str(etree.QName(child).localname), []).append(child)
            self._positions[parent] = {
                child: f"[{position}]" if len(group) > 1 else ""
                for group in by_name.values()
                for position, child in enumerate(group, 1)
            }
        return self._positions[parent][element]
