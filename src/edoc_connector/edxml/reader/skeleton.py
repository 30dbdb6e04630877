"""The skeleton of a packet: its tree without the long texts, and its canonical form with them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lxml import etree

from ..attachments import Base64Content, MemoryText, SpanText, has_spaces, has_url_safe_letters
from ..findings import Finding
from ..limits import Limits
from ..source import Source
from .parser import parse_scanned
from .positions import Position, find_positions
from .scan import Scan, scan
from .utf16 import recode_utf16

MAX_SHOWN = 10_000
"""Most characters of a text in a message."""


class Skeleton:
    """The tree of a packet in which a placeholder stands for each attachment's text.

    Args:
        source: the packet's bytes.
        limits: limits on its size and depth.

    Raises:
        PacketError: the packet cannot be read.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source, recoding = recode_utf16(source, limits)
        self._cached_source = self._source.cache_if_small()
        self.limits = limits
        self._scan: Scan = scan(self._cached_source, limits)
        self._findings = (*recoding, *self._scan.findings)
        self.root: etree._Element = parse_scanned(self._scan.skeleton, find_line=self._scan.find_line)
        self._positions: dict[etree._Element, Position] | None = None

    @property
    def findings(self) -> Sequence[Finding]:
        """The findings of the first pass."""
        return self._findings

    @property
    def source(self) -> Source:
        """The packet in UTF-8."""
        return self._source

    @property
    def has_namespace_errors(self) -> bool:
        """Whether an undeclared prefix is used: such a packet has no canonical form."""
        return self._scan.has_namespace_errors

    def find_position(self, element: etree._Element) -> Position:
        """Find the line and column of an element's start tag in the packet, from 1; the column where it is known.

        The first call computes all positions, which most packets never need.
        """
        if self._positions is None:
            self._positions = dict(zip(self.root.iter("*"), find_positions(self._scan), strict=True))
        return self._positions[element]

    @property
    def cached_bytes(self) -> bytes | None:
        """The packet's bytes as they were scanned; None for a large packet, which has to be read again."""
        return self._cached_source.data if self._cached_source.path is None else None

    @property
    def has_comments(self) -> bool:
        """Whether comments stand in the texts that the tree leaves out; other comments are in the tree."""
        return any(span.has_comments for span in self._scan.spans.values())

    def is_spaced(self, text: str) -> bool:
        """Tell whether a text of the tree is the placeholder of a text with spaces or line ends."""
        span = self._scan.spans.get(text)
        return span is not None and span.has_spaces

    def build_content(self, text: str, name: str) -> Base64Content:
        """Build the content of a base64 text of the tree, or of the text behind a placeholder.

        Args:
            text: text of an element of the tree.
            name: the attachment's name, for errors.
        """
        span = self._scan.spans.get(text)
        if span is None:
            text_bytes = text.encode()
            return Base64Content(
                name,
                MemoryText(text_bytes),
                has_spaces=has_spaces(text_bytes),
                is_url_safe=has_url_safe_letters(text_bytes),
            )
        span_text = SpanText(self._source, span)
        is_url_safe = span.is_url_safe
        if is_url_safe and not span.is_plain:  # hyphens of a comment are none of the text's
            is_url_safe = any(map(has_url_safe_letters, span_text.iter_characters()))
        # a reference may stand for a space
        spaced = span.has_spaces or not span.is_plain
        return Base64Content(name, span_text, has_spaces=spaced, is_url_safe=is_url_safe)

    def format_excerpt(self, text: str) -> str:
        """Format a text of the tree for a message: the size in place of a placeholder, and no endless text."""
        if self._scan.token in text:
            text = re.sub(self._scan.placeholders.decode("ascii"), self._format_length, text)
        return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}… ({len(text)})"

    def _format_length(self, placeholder: re.Match[str]) -> str:
        span = self._scan.spans[placeholder.group()]
        return f"[{span.end - span.start} bytes]"

    def iter_canonical(self, *, exclusive: bool, exclude: Sequence[etree._Element] = ()) -> Iterator[bytes]:
        """Iterate over the Canonical XML 1.0 of the whole packet, without comments, in pieces.

        Args:
            exclusive: whether to use Exclusive XML Canonicalization 1.0 instead of the inclusive one.
            exclude: elements of the tree to leave out, as the enveloped-signature transform does.

        Raises:
            etree.C14NError: the packet has no canonical form (a namespace that is a relative reference).
        """
        paths = [self.root.getroottree().getelementpath(element) for element in exclude]
        # the copy is parsed anew: removal of elements from the shared tree would change it for its other users
        tree = parse_scanned(self._scan.skeleton).getroottree()
        for element in [tree.find(path) for path in paths]:
            if element is not None:
                _remove_element(element)
        text = etree.tostring(tree, method="c14n", exclusive=exclusive, with_comments=False)
        return self._insert_texts(text)

    def _insert_texts(self, text: bytes) -> Iterator[bytes]:
        token = self._scan.token
        first, *rest = text.split(f"{token}-".encode())
        yield first
        with self._cached_source.open_shared():
            for piece in rest:
                number, _, after = piece.partition(b"-")
                yield from SpanText(
                    self._cached_source, self._scan.spans[f"{token}-{number.decode('ascii')}-"]
                ).iter_canonical()
                yield after


def _remove_element(element: etree._Element) -> None:
    """Remove an element from its tree and keep the text behind it."""
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
