"""The result of reading a packet: message, attachments and findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from lxml import etree

from ...errors import AttachmentError
from ..attachments import Attachment, NotWrapping
from ..findings import Finding
from ..message import Document, Message
from ..source import Source
from .positions import XPathIndex
from .skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that was read.

    Args:
        message: the document or status.
        attachments: the files in it, a seal among them, in the packet's order.
        findings: the deviations from the standard.
        unknown: the elements that no table has, as elements of the tree; no more than findings are listed.
        skeleton: its tree, for verification and for a search of elements.
        source: its bytes.
        elements: the elements of `attachments`.
        ambiguous: the elements that readers take differently, by name and text: those that occur more often than the
            standard allows, and those of another namespace under a name of the standard's. Nothing of such a packet
            counts as signed.
    """

    message: Message
    attachments: tuple[Attachment, ...]
    findings: tuple[Finding, ...]
    unknown: tuple[etree._Element, ...] = field(repr=False, compare=False)
    skeleton: Skeleton = field(repr=False, compare=False)
    source: Source = field(repr=False, compare=False)
    elements: tuple[etree._Element, ...] = field(repr=False, compare=False)
    ambiguous: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)

    @property
    def kind(self) -> Literal["document", "status"]:
        """The kind of packet."""
        return "document" if isinstance(self.message, Document) else "status"

    @property
    def path(self) -> Path | None:
        """The path of the packet's file, None for bytes."""
        return self.source.path

    @property
    def size(self) -> int:
        """Bytes of the packet."""
        return self.source.size

    def raw(self) -> BinaryIO:
        """Open a stream of the packet's bytes as they came; the caller closes it."""
        return self.source.open()

    def open_utf8(self) -> BinaryIO:
        """Open a stream of the packet's bytes as they were read, which is in UTF-8; the caller closes it."""
        return self.skeleton.source.open()

    def content_findings(self) -> Iterator[Finding]:
        """Decode every attachment; yield findings on damaged and empty ones, and on zips of more than one file."""
        places = XPathIndex()
        for element, attachment in zip(self.elements, self.attachments, strict=True):
            code, understood = _find_content_fault(attachment)
            if code:
                place = places.find_xpath(element)
                yield Finding(code, place, attachment.name, understood, *self.skeleton.find_position(element))


def _find_content_fault(attachment: Attachment) -> tuple[str, str]:
    """Find the code of the finding for an attachment's content, empty if none, and its field ``{understood}``."""
    try:
        size = attachment.size
    except AttachmentError as error:
        code = "EDX-ZIP-MORE" if isinstance(error.__cause__, NotWrapping) else "EDX-BASE64"
        return code, str(error.__cause__ or error)
    return ("EDX-NO-CONTENT", "") if size == 0 else ("", "")
