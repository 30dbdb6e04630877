"""The manifest and the attachments of a packet, matched by content id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from ...errors import AttachmentError
from ..attachments.attachment import Attachment
from ..attachments.content import Base64Content, BytesContent, Content, ZippedContent
from ..attachments.media_types import contradiction, says_nothing, type_of
from ..attachments.zip_stream import ZIP_HEADS
from ..message.model import EncodedAttachment, Reference
from ..message.table import ATTACHMENT, REFERENCE
from ..names import ZIP_TYPE
from .elements import Reading, children
from .scan import Limits
from .skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class Encoded:
    """An attachment, and the element it was read from."""

    element: etree._Element
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class _Listed:
    element: etree._Element
    content_id: str
    entry: Reference


def read_attachments(
    skeleton: Skeleton, envelope: etree._Element, reading: Reading, limits: Limits
) -> Sequence[Encoded]:
    """Read the attachments in the packet's order.

    Args:
        skeleton: the packet.
        envelope: its edXMLEnvelope.
        reading: takes the findings.
        limits: bounds on zipped attachments.
    """
    listed = _listed(envelope, reading)
    by_id: dict[str, _Listed] = {}
    for one in listed:
        _check_once(one.element, one.content_id, by_id, reading)
        by_id.setdefault(one.content_id, one)
    seen: set[str] = set()
    found: list[Encoded] = []
    for element in _encoded(skeleton.root, envelope, reading):
        entry = reading.model(ATTACHMENT, element, EncodedAttachment)
        content_id = _bare(entry.content_id, element, reading)
        _check_once(element, content_id, seen, reading)
        seen.add(content_id)
        reference = by_id.get(content_id)
        if reference is None:
            reading.add("EDX-NO-REFERENCE", element, entry.name or content_id)
        reader = _Reader(skeleton, element, entry, reference.entry if reference else Reference(), reading)
        found.append(Encoded(element, reader.attachment(content_id, limits)))
    for one in listed:
        if one.content_id not in seen:
            reading.add("EDX-NO-ATTACHMENT", one.element, one.entry.name or one.content_id)
    return found


def _listed(envelope: etree._Element, reading: Reading) -> Sequence[_Listed]:
    found: list[_Listed] = []
    for body in _named(envelope, "edXMLBody", reading):
        for manifest in _only(body, "edXMLManifest", reading):
            for element in _only(manifest, "Reference", reading):
                entry = reading.model(REFERENCE, element, Reference)
                found.append(_Listed(element, _bare(entry.content_id, element, reading), entry))
    return found


def _encoded(root: etree._Element, envelope: etree._Element, reading: Reading) -> Iterator[etree._Element]:
    for parent in dict.fromkeys((root, envelope)):
        for group in _named(parent, "AttachmentEncoded", reading):
            yield from _only(group, "Attachment", reading)


def _named(parent: etree._Element, wanted: str, reading: Reading) -> Iterator[etree._Element]:
    for name, child in children(parent):
        if name == wanted:
            reading.check_name(child)
            yield child


def _only(parent: etree._Element, wanted: str, reading: Reading) -> Iterator[etree._Element]:
    """The children of that name; everything else in the parent is reported."""
    reading.stray_text(parent)
    for name, child in children(parent):
        if name == wanted:
            reading.check_name(child)
            yield child
        else:
            reading.unknown(child)


def _check_once(
    element: etree._Element, content_id: str, before: dict[str, _Listed] | set[str], reading: Reading
) -> None:
    if content_id and content_id in before:
        reading.add("EDX-CID-TWICE", element, content_id)


def _bare(written: str | None, element: etree._Element, reading: Reading) -> str:
    """The id without ``cid:``, which hubs double and some senders forget."""
    if written is None:
        return ""
    bare = written
    while bare.startswith("cid:"):
        bare = bare.removeprefix("cid:").strip()
    if written != f"cid:{bare}":
        reading.add("EDX-CID", element, written, bare)
    return bare


@dataclass(slots=True)
class _Reader:
    """One attachment: what stands beside its content, and what the manifest says of it."""

    skeleton: Skeleton
    element: etree._Element
    entry: EncodedAttachment
    listed: Reference
    reading: Reading

    def attachment(self, content_id: str, limits: Limits) -> Attachment:
        name = self.entry.name or self.listed.name or content_id
        if self.listed.name not in (None, name):
            self.reading.add("EDX-CONTENT-NAME", self.element, f"{self.listed.name}, {name}", name)
        content = self._content(name, limits)
        attachment = Attachment(
            name=name,
            content=content,
            content_type=self._content_type(name, unpacked=isinstance(content, ZippedContent)),
            description=self.entry.description or self.listed.description,
            content_id=content_id or None,
            field_name=self.entry.field_name,
            mime_type=self.entry.mime_type,
        )
        self._check_bytes(attachment)
        return attachment

    def _check_bytes(self, attachment: Attachment) -> None:
        """Report content that is not of the type its name or the packet gives it."""
        named = type_of(attachment.name)
        types = [attachment.content_type] if named == attachment.content_type else [attachment.content_type, named]
        if all(map(says_nothing, types)):
            return
        try:
            head = attachment.head()
        except AttachmentError:
            return  # reading the content says so, see Packet.content_findings
        for stated in types:
            if real := contradiction(head, stated):
                seen = f"'{attachment.name}' ({stated})"
                self.reading.add("EDX-CONTENT-BYTES", self.element, seen, real)
                return

    def _content_type(self, name: str, *, unpacked: bool) -> str:
        stated = [kind for kind in (self.entry.content_type, self.listed.content_type) if kind]
        if len(stated) == 2 and stated[0] == stated[1] and stated[0].lower() != ZIP_TYPE:
            return stated[0]
        packed = self._is_packed(name)
        # zip says how the file is packed, not what it is
        real = [kind for kind in stated if not (packed and kind.lower() == ZIP_TYPE)]
        understood = real[0] if real else type_of(name)
        if unpacked:
            self.reading.add("EDX-PACKED", self.element, ZIP_TYPE, understood)
        if len(set(real)) > 1:
            self.reading.add("EDX-CONTENT-TYPE", self.element, ", ".join(real), understood)
        return understood

    def _content(self, name: str, limits: Limits) -> Content:
        if self.entry.content is None:
            self.reading.add("EDX-NO-CONTENT", self.element, name)
            return BytesContent(b"")
        if self.skeleton.spaced(self.entry.content):
            self.reading.add("EDX-BASE64-SPACE", self.element, name)
        base64 = self.skeleton.content(self.entry.content, name)
        return self._unpacked(base64, name, limits) if self._is_packed(name) else base64

    def _is_packed(self, name: str) -> bool:
        """Whether the packet announces a zip around the file."""
        kind = self.entry.content_type or self.listed.content_type or ""
        return kind.lower() == ZIP_TYPE and not name.lower().endswith(".zip")

    def _unpacked(self, base64: Base64Content, name: str, limits: Limits) -> Content:
        try:
            with base64.open() as stream:
                is_zip = stream.read(4) in ZIP_HEADS
        except AttachmentError as error:
            self.reading.add("EDX-BASE64", self.element, name, str(error.__cause__ or error))
            return base64
        if not is_zip:
            self.reading.add("EDX-NOT-ZIP", self.element, name)
            return base64
        return ZippedContent(name, base64, limits)
