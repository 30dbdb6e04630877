"""Where elements stand in the file: lines and columns, which libxml2 counts up to 65,534 or not at all."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import TypeAlias
from xml.parsers import expat

from .scan import Scan, Span

Position: TypeAlias = tuple[int, int | None]
"""Line, and column in characters where it is known, both from 1."""

_LINE_END = re.compile(rb"[\r\n]")


def positions(found: Scan) -> list[Position]:
    """Where the start tag of every element begins, in the order of the packet.

    A column is not known behind an attachment's text that ends in that line after line ends of its own, nor behind a
    root element with undeclared prefixes in its line.

    Args:
        found: what the first pass over the packet gave.
    """
    places: list[Position] = []
    offsets = _Offsets(found)
    parser = expat.ParserCreate("UTF-8")

    def start(_name: str, _attributes: object) -> None:
        lines, columns = offsets.at(parser.CurrentByteIndex)
        column = None if columns is None else parser.CurrentColumnNumber + 1 + columns
        places.append((parser.CurrentLineNumber + lines, column))

    parser.StartElementHandler = start
    parser.Parse(found.skeleton, True)
    return places


class _Offsets:
    """How far the packet is ahead of its skeleton, in lines and columns, asked for from front to back."""

    def __init__(self, found: Scan) -> None:
        self._skeleton = found.skeleton
        self._spans = self._placed(found)
        self._next = next(self._spans, None)
        self._lines = 0
        self._columns: int | None = -1 if found.skeleton.startswith(BOM_UTF8) else 0  # a mark is no character
        self._since = 0
        """From where on a line end would make columns equal again."""
        self._added = found.namespace_errors  # declarations that the packet does not have, on the root element

    @staticmethod
    def _placed(found: Scan) -> Iterator[tuple[int, int, Span]]:
        if not found.spans:
            return
        for one in re.finditer(found.placeholders, found.skeleton):
            yield one.start(), one.end(), found.spans[one.group().decode("ascii")]

    def at(self, place: int) -> tuple[int, int | None]:
        """Lines and columns that the packet has more of before a byte of the skeleton; None where it is not known."""
        while self._next is not None and self._next[1] <= place:
            start, end, span = self._next
            self._level(start, end)
            self._lines += span.lines
            if span.lines:
                self._columns = None
            elif self._columns is not None:
                self._columns += span.end - span.start - (end - start)
            self._next = next(self._spans, None)
        self._level(place, place)
        known = self._lines, self._columns
        if self._added:
            self._added, self._columns = False, None
        return known

    def _level(self, place: int, then: int) -> None:
        if self._columns != 0 and _LINE_END.search(self._skeleton, self._since, place):
            self._columns = 0
        self._since = then
