"""A packet that was read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from ..errors import AttachmentError
from .attachment import Attachment
from .findings import Finding
from .model import Document, Message
from .scan import Source
from .skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class Packet:
    """One edXML file, read.

    Args:
        message: what it says.
        attachments: the files in it, a seal among them, in the packet's order.
        findings: what is not as the standard has it.
        skeleton: its tree, for who verifies or walks it.
        source: its bytes.
    """

    message: Message
    attachments: tuple[Attachment, ...]
    findings: tuple[Finding, ...]
    skeleton: Skeleton = field(repr=False, compare=False)
    source: Source = field(repr=False, compare=False)

    @property
    def kind(self) -> Literal["document", "status"]:
        """Which of the two kinds of packet it is."""
        return "document" if isinstance(self.message, Document) else "status"

    @property
    def path(self) -> Path | None:
        """The file it was read from, None for bytes."""
        return self.source.path

    @property
    def size(self) -> int:
        """Bytes of the packet."""
        return self.source.size

    def raw(self) -> BinaryIO:
        """A stream of the packet's bytes as they came; the caller closes it."""
        return self.source.open()

    def content_findings(self) -> Iterator[Finding]:
        """Decode every attachment and report those that cannot be decoded or are empty."""
        for number, attachment in enumerate(self.attachments, 1):
            place = f"(//*[local-name()='Attachment'])[{number}]"
            try:
                empty = attachment.size == 0
            except AttachmentError as error:
                yield Finding("EDX-BASE64", place, attachment.name, str(error.__cause__ or error))
            else:
                if empty:
                    yield Finding("EDX-NO-CONTENT", place, attachment.name)
