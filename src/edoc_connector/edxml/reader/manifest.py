"""Reading of a packet's manifest and attachments, matched by content id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lxml import etree

from ...errors import AttachmentError
from ..attachments import (
    ZIP_HEADS,
    Attachment,
    Base64Content,
    BytesContent,
    Content,
    UnpackingBudget,
    ZippedContent,
    find_contradiction,
    guess_type,
    is_generic_type,
)
from ..limits import Limits
from ..message import ENCODED_ATTACHMENT, MANIFEST_REFERENCE, EncodedAttachment, Reference
from ..names import ZIP_TYPE
from .elements import ElementReader, iter_children, resolve_name
from .skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class AttachmentElement:
    """An attachment, and the element it was read from."""

    element: etree._Element
    attachment: Attachment


@dataclass(frozen=True, slots=True)
class _ManifestEntry:
    element: etree._Element
    content_id: str
    reference: Reference


def read_attachments(
    skeleton: Skeleton, envelope: etree._Element, reader: ElementReader, limits: Limits
) -> Sequence[AttachmentElement]:
    """Read the attachments in the packet's order.

    Args:
        skeleton: the skeleton of the packet.
        envelope: its edXMLEnvelope.
        reader: collects the findings.
        limits: bounds on zipped attachments.
    """
    manifest = _read_manifest(envelope, reader)
    by_id: dict[str, _ManifestEntry] = {}
    for manifest_entry in manifest:
        _check_unique(manifest_entry.element, manifest_entry.content_id, by_id, reader)
        by_id.setdefault(manifest_entry.content_id, manifest_entry)
    seen_ids: set[str] = set()
    budget = UnpackingBudget(limits.unpacked, limits.ratio)
    found: list[AttachmentElement] = []
    for element in _iter_attachment_elements(skeleton.root, envelope, reader):
        entry = reader.read_model(ENCODED_ATTACHMENT, element, EncodedAttachment)
        content_id = _without_cid(entry.content_id, element, reader)
        _check_unique(element, content_id, seen_ids, reader)
        seen_ids.add(content_id)
        reference = by_id.get(content_id)
        if reference is None:
            reader.report("EDX-NO-REFERENCE", element, entry.name or content_id)
        attachment_reader = _AttachmentReader(
            skeleton, element, entry, reference.reference if reference else Reference(), reader
        )
        found.append(AttachmentElement(element, attachment_reader.build_attachment(content_id, limits, budget)))
    for manifest_entry in manifest:
        if manifest_entry.content_id not in seen_ids:
            reader.report(
                "EDX-NO-ATTACHMENT", manifest_entry.element, manifest_entry.reference.name or manifest_entry.content_id
            )
    return found


def _read_manifest(envelope: etree._Element, reader: ElementReader) -> Sequence[_ManifestEntry]:
    found: list[_ManifestEntry] = []
    for body in _iter_named(envelope, "edXMLBody", reader):
        for place, manifest in enumerate(_iter_only(body, "edXMLManifest", reader)):
            if place:
                reader.report_repeated(manifest)
            for element in _iter_only(manifest, "Reference", reader):
                entry = reader.read_model(MANIFEST_REFERENCE, element, Reference)
                found.append(_ManifestEntry(element, _without_cid(entry.content_id, element, reader), entry))
    return found


def _iter_attachment_elements(
    root: etree._Element, envelope: etree._Element, reader: ElementReader
) -> Iterator[etree._Element]:
    groups = [
        group
        for parent in dict.fromkeys((root, envelope))
        for group in _iter_named(parent, "AttachmentEncoded", reader)
    ]
    for group in groups:
        if group is not groups[0]:
            reader.note_ambiguous(group)
        for child in group.iterchildren("*"):
            # the national hub's library takes any element that has elements in it for an attachment
            if resolve_name(child) != "Attachment" and len(child):
                reader.note_ambiguous(child, "Attachment")
        yield from _iter_only(group, "Attachment", reader)
    for manifest in _iter_named(envelope, "edXMLManifest", reader):  # of systems that write no body
        yield from _iter_only(manifest, "Attachment", reader)


def _iter_named(parent: etree._Element, wanted: str, reader: ElementReader) -> Iterator[etree._Element]:
    for name, child in iter_children(parent):
        if name == wanted:
            reader.check_name(child)
            yield child


def _iter_only(parent: etree._Element, wanted: str, reader: ElementReader) -> Iterator[etree._Element]:
    """Iterate over the children of a name; report everything else in the parent."""
    reader.report_stray_text(parent)
    for name, child in iter_children(parent):
        if name == wanted:
            reader.check_name(child)
            yield child
        else:
            reader.note_foreign(child, {wanted})
            reader.report_unknown(child)


def _check_unique(
    element: etree._Element, content_id: str, seen_ids: dict[str, _ManifestEntry] | set[str], reader: ElementReader
) -> None:
    if content_id and content_id in seen_ids:
        reader.report("EDX-CID-TWICE", element, content_id)


def _without_cid(content_id: str | None, element: etree._Element, reader: ElementReader) -> str:
    """Remove ``cid:`` from an id; hubs double it and some senders forget it."""
    if content_id is None:
        return ""
    bare = content_id
    while bare.startswith("cid:"):
        bare = bare.removeprefix("cid:").strip()
    if content_id != f"cid:{bare}":
        reader.report("EDX-CID", element, content_id, bare)
    return bare


@dataclass(slots=True)
class _AttachmentReader:
    """A reader of one attachment, from its element and its entry in the manifest."""

    skeleton: Skeleton
    element: etree._Element
    entry: EncodedAttachment
    reference: Reference
    reader: ElementReader

    def build_attachment(self, content_id: str, limits: Limits, budget: UnpackingBudget) -> Attachment:
        name = self.entry.name or self.reference.name or content_id
        if self.reference.name not in (None, name):
            self.reader.report("EDX-CONTENT-NAME", self.element, f"{self.reference.name}, {name}", name)
        content = self._build_content(name, limits, budget)
        attachment = Attachment(
            name=name,
            content=content,
            content_type=self._select_content_type(name, is_unpacked=isinstance(content, ZippedContent)),
            description=self.entry.description or self.reference.description,
            content_id=content_id or None,
            field_name=self.entry.field_name,
            mime_type=self.entry.mime_type,
        )
        self._check_type(attachment)
        return attachment

    def _check_type(self, attachment: Attachment) -> None:
        """Report content that is not of the type that its name or the packet states."""
        named = guess_type(attachment.name)
        types = [attachment.content_type] if named == attachment.content_type else [attachment.content_type, named]
        if all(map(is_generic_type, types)):
            return
        try:
            head = attachment.head()
        except AttachmentError:
            return  # reported when the content is read, see Packet.content_findings
        for stated in types:
            if real := find_contradiction(head, stated):
                seen = f"'{attachment.name}' ({stated})"
                self.reader.report("EDX-CONTENT-BYTES", self.element, seen, real)
                return

    def _select_content_type(self, name: str, *, is_unpacked: bool) -> str:
        stated = [kind for kind in (self.entry.content_type, self.reference.content_type) if kind]
        if len(stated) == 2 and stated[0] == stated[1] and stated[0].lower() != ZIP_TYPE:
            return stated[0]
        packed = self._is_packed(name)
        # the type of a zip tells how the file is packed, not its own type
        real = [kind for kind in stated if not (packed and kind.lower() == ZIP_TYPE)]
        understood = real[0] if real else guess_type(name)
        if is_unpacked:
            self.reader.report("EDX-PACKED", self.element, ZIP_TYPE, understood)
        if len(set(real)) > 1:
            self.reader.report("EDX-CONTENT-TYPE", self.element, ", ".join(real), understood)
        return understood

    def _build_content(self, name: str, limits: Limits, budget: UnpackingBudget) -> Content:
        if self.entry.content is None:
            self.reader.report("EDX-NO-CONTENT", self.element, name)
            return BytesContent(b"")
        if self.skeleton.is_spaced(self.entry.content):
            self.reader.report("EDX-BASE64-SPACE", self.element, name)
        base64 = self.skeleton.build_content(self.entry.content, name)
        for code in base64.find_deviations():
            self.reader.report(code, self.element, name)
        return self._unpack(base64, name, limits, budget) if self._is_packed(name) else base64

    def _is_packed(self, name: str) -> bool:
        """Tell whether the packet announces a zip around the file."""
        kind = self.entry.content_type or self.reference.content_type or ""
        return kind.lower() == ZIP_TYPE and not name.lower().endswith(".zip")

    def _unpack(self, base64: Base64Content, name: str, limits: Limits, budget: UnpackingBudget) -> Content:
        try:
            with base64.open() as stream:
                is_zip = stream.read(4) in ZIP_HEADS
        except AttachmentError as error:
            self.reader.report("EDX-BASE64", self.element, name, str(error.__cause__ or error))
            return base64
        if not is_zip:
            self.reader.report("EDX-NOT-ZIP", self.element, name)
            return base64
        return ZippedContent(name, base64, limits, budget)
