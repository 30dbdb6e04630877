"""A packet's tree without its long texts, and its canonical form with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lxml import etree

from ..attachments.base64_text import has_spaces
from ..attachments.content import Base64Content, GivenText, SpanText
from ..findings import Finding
from ..source import Source
from .parser import parse_scanned
from .positions import Position, positions
from .scan import Limits, Scan, scan

MOST_SHOWN = 10_000
"""Characters of a text that a message repeats."""


class Skeleton:
    """The tree of a packet in which a placeholder stands for each attachment's text.

    Args:
        source: the packet's bytes.
        limits: how large and deep it may be.

    Raises:
        PacketError: the packet cannot be read.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source = source
        self._held = source.held()
        self.limits = limits
        self._scan: Scan = scan(self._held, limits)
        self.root: etree._Element = parse_scanned(self._scan.skeleton, line_at=self._scan.line_at)
        self._positions: dict[etree._Element, Position] | None = None

    @property
    def findings(self) -> Sequence[Finding]:
        """What the first pass reports."""
        return self._scan.findings

    @property
    def namespace_errors(self) -> bool:
        """Whether a prefix is used that is not declared: such a packet has no canonical form."""
        return self._scan.namespace_errors

    def position(self, element: etree._Element) -> Position:
        """Line and column of the packet at which an element's start tag begins, from 1; the column where it is known.

        They are looked for when they are first asked for: most packets are never asked.
        """
        if self._positions is None:
            self._positions = dict(zip(self.root.iter("*"), positions(self._scan), strict=True))
        return self._positions[element]

    @property
    def whole(self) -> bytes | None:
        """The packet's bytes as they were scanned, where they are few; else they have to be read again."""
        return self._held.data if self._held.path is None else None

    @property
    def comments(self) -> bool:
        """Whether comments stand in the texts that the tree leaves out; those elsewhere are in the tree."""
        return any(span.commented for span in self._scan.spans.values())

    def spaced(self, text: str) -> bool:
        """Whether spaces or line ends stand in what a text of the tree stands for."""
        span = self._scan.spans.get(text)
        return span is not None and span.spaced

    def content(self, text: str, name: str) -> Base64Content:
        """The content whose base64 is the text, or what the text stands for where it is a placeholder.

        Args:
            text: text of an element of the tree.
            name: the attachment's name, for errors.
        """
        span = self._scan.spans.get(text)
        if span is None:
            given = text.encode()
            return Base64Content(name, GivenText(given), spaced=has_spaces(given))
        # a reference may stand for a space
        return Base64Content(name, SpanText(self._source, span), spaced=span.spaced or not span.plain)

    def shown(self, text: str) -> str:
        """A text of the tree as messages show it: placeholders told by their length, nothing endless."""
        if self._scan.token in text:
            text = re.sub(self._scan.placeholders.decode("ascii"), self._length, text)
        return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text)})"

    def _length(self, placeholder: re.Match[str]) -> str:
        span = self._scan.spans[placeholder.group()]
        return f"[{span.end - span.start} bytes]"

    def canonical(self, *, exclusive: bool, without: Sequence[etree._Element] = ()) -> Iterator[bytes]:
        """Canonical XML 1.0 of the whole packet, without comments, in pieces.

        Args:
            exclusive: Exclusive XML Canonicalization 1.0 instead of the inclusive one.
            without: elements of `root` to leave out, as the enveloped-signature transform does.

        Raises:
            etree.C14NError: the packet has no canonical form (a namespace that is a relative reference).
        """
        paths = [self.root.getroottree().getelementpath(element) for element in without]
        # the copy is parsed anew: removing elements from the shared tree would change what others read
        tree = parse_scanned(self._scan.skeleton).getroottree()
        for element in [tree.find(path) for path in paths]:
            if element is not None:
                _remove(element)
        text = etree.tostring(tree, method="c14n", exclusive=exclusive, with_comments=False)
        return self._with_texts(text)

    def _with_texts(self, text: bytes) -> Iterator[bytes]:
        token = self._scan.token
        first, *rest = text.split(f"{token}-".encode())
        yield first
        with self._held.opened():
            for piece in rest:
                number, _, after = piece.partition(b"-")
                yield from SpanText(self._held, self._scan.spans[f"{token}-{number.decode('ascii')}-"]).canonical()
                yield after


def _remove(element: etree._Element) -> None:
    """Take an element out of its tree and leave the text behind it."""
    parent = element.getparent()
    if parent is None:
        raise ValueError("the root cannot be removed")
    previous = element.getprevious()
    tail = element.tail or ""
    if previous is not None:
        previous.tail = (previous.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(element)
