"""The strict writer: a packet in the standard's order, with attachments streamed and never held in memory.

The packet with placeholders for the long texts is a tree. Its serialised form and its canonical form are cut at the
placeholders; base64 is streamed between the pieces into the file, and hashed between the pieces of the canonical form
on the way. The signature stands before the attachments: its space is left blank and filled in at the end.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeAlias

from lxml import etree

from ..._core import open_atomic, sync_early
from ...errors import AttachmentError, DocumentError
from ..attachments import Attachment, AttachmentDigest, encode_base64
from ..message import (
    DOCUMENT_HEADER,
    DOCUMENT_TRACE,
    ENCODED_ATTACHMENT,
    MANIFEST_REFERENCE,
    STATUS_HEADER,
    Document,
    EncodedAttachment,
    Kind,
    Message,
    Priority,
    Row,
    Table,
    TraceHeader,
    ValueHolder,
)
from ..names import NS, SEAL_NAME, ZIP_TYPE
from ..rules import Problem, problems
from ..severity import Severity

SEAL_TYPE = "application/xml"
OTHER_ZIP_TYPE = "application/x-zip-compressed"
SealMaker: TypeAlias = Callable[[Sequence[AttachmentDigest]], bytes]
"""Makes the bytes of the seal from names, sizes and hashes of all other attachments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketForm:
    """How a packet is written; the defaults are those of the standard.

    Args:
        needed_elements: paths of elements below the header's child that are written empty where they have no value,
            such as ``To/OrganAdd``. A path that a message of the kind does not have is passed over.
        status_header: the header's child of a status packet.
    """

    needed_elements: tuple[str, ...] = ()
    status_header: Literal["MessageHeader", "Status"] = "MessageHeader"


class EnvelopedSigner(Protocol):
    """A signature over the whole packet, as the writer needs it."""

    @property
    def digest_algorithm(self) -> str:
        """The name in hashlib of the digest over the exclusive canonical form of the packet without Signature."""
        ...

    def blank(self) -> bytes:
        """Build a Signature element of the final length in bytes."""
        ...

    def signature(self, digest: bytes) -> bytes:
        """Build the Signature element for a digest, as long as that of `blank`."""
        ...


def write(
    message: Message,
    to: str | os.PathLike[str],
    *,
    at: datetime,
    signature: EnvelopedSigner | None = None,
    seal: SealMaker | None = None,
    durable: bool = True,
    checked: bool = False,
    form: PacketForm | None = None,
) -> None:
    """Write a packet.

    The file appears whole or not at all. The same message, time and signature give the same bytes.

    Args:
        message: the document or status.
        to: path of the packet; a file there is replaced.
        at: the time of writing, aware; it goes into the sender's TraceHeader.
        signature: signs the packet.
        seal: makes the seal, which becomes the last attachment; for documents.
        durable: whether the packet must outlive a power cut; False where the caller flushes it to the disk.
        checked: whether the caller has just found no error in the message by `problems`.
        form: what a hub asks for beyond the standard.

    Raises:
        DocumentError: the message breaks rules of the standard; all are listed.
        AttachmentError: a file to attach is missing, empty or unreadable.
        OSError: the packet cannot be written.
    """
    if not checked:
        refuse(problems(message, at=at))
    plan = _build_plan(_complete_message(message), at, signature is not None, seal, form or PacketForm())
    with open_atomic(Path(to), durable=durable) as out:
        _write_stream(plan, out, signature)


def write_to_memory(
    message: Message,
    *,
    at: datetime,
    signature: EnvelopedSigner | None = None,
    seal: SealMaker | None = None,
    form: PacketForm | None = None,
) -> bytes:
    """Write a small packet, in which no error was found, and return its bytes; they are those that `write` writes.

    Args:
        message: the document or status, checked by `problems`.
        at: the time of writing, aware; it goes into the sender's TraceHeader.
        signature: signs the packet.
        seal: makes the seal, which becomes the last attachment; for documents.
        form: what a hub asks for beyond the standard.

    Raises:
        AttachmentError: a file to attach is missing, empty or unreadable.
    """
    out = io.BytesIO()
    plan = _build_plan(_complete_message(message), at, signature is not None, seal, form or PacketForm())
    _write_stream(plan, out, signature)
    return out.getvalue()


def refuse(found: Sequence[Problem]) -> None:
    """Raise one error that lists all problems of severity error; return where there are none."""
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    if not errors:
        return
    lines = "; ".join(f"{problem.field} {problem.message}" for problem in errors)
    lines_vi = "; ".join(f"{problem.field} {problem.message_vi}" for problem in errors)
    raise DocumentError(
        f"the message breaks the standard and was not written: {lines}",
        vi=f"nội dung trái quy chuẩn nên không ghi gói tin: {lines_vi}",
        problems=errors,
    )


def complete(document: Document) -> Document:
    """Copy a document with the values that are written although nobody gave them.

    SteeringType 0, and Priority 0 where anything else of OtherInfo is written: hubs add both, and receivers that do not
    know this would take what a hub adds for a change.
    """
    values: dict[str, Any] = {}
    if document.steering is None:
        values["steering"] = False
    rows = [row for row in DOCUMENT_HEADER.rows if row.tags[0] == "OtherInfo"]
    if document.priority is None and _has_any_content(rows, document):
        values["priority"] = Priority.NORMAL
    return document.model_copy(update=values) if values else document


def _complete_message(message: Message) -> Message:
    return complete(message) if isinstance(message, Document) else message


_TextMaker: TypeAlias = Callable[[], Iterator[bytes]]


@dataclass(slots=True)
class _WritePlan:
    """The skeleton, and the texts in place of its placeholders."""

    root: etree._Element
    token: str
    signature_mark: str
    form: PacketForm
    texts: dict[str, _TextMaker] = field(default_factory=dict)


def _build_plan(
    message: Message, at: datetime, has_signature: bool, seal: SealMaker | None, form: PacketForm
) -> _WritePlan:
    token = f"edoc-{secrets.token_hex(16)}-"
    root = etree.Element(f"{{{NS}}}edXML", nsmap={None: NS})
    envelope = etree.SubElement(root, f"{{{NS}}}edXMLEnvelope", nsmap={"edXML": NS})
    header = _add_child(envelope, "edXMLHeader")
    plan = _WritePlan(root, token, f"{token}signature-" if has_signature else "", form)
    last = _add_child(header, "MessageHeader" if isinstance(message, Document) else form.status_header)
    if isinstance(message, Document):
        _write_rows(last, DOCUMENT_HEADER, message)
        add_needed_elements(last, DOCUMENT_HEADER, form.needed_elements)
        last = _add_child(header, "TraceHeaderList")
        _write_rows(last, DOCUMENT_TRACE, _TraceHolder(message, at))
        _add_attachments(plan, envelope, message, seal)
    else:
        _write_rows(last, STATUS_HEADER, message)
        add_needed_elements(last, STATUS_HEADER, form.needed_elements)
    last.tail = plan.signature_mark or None
    return plan


class _TraceHolder:
    """The values of a document's TraceHeaderList; the sender is the first station."""

    def __init__(self, document: Document, at: datetime) -> None:
        self.trace = document.trace or (TraceHeader(organ_id=document.sender.id, timestamp=at),)
        self.business = document.business


def _add_child(parent: etree._Element, tag: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{NS}}}{tag}")


def _write_rows(parent: etree._Element, table: Table, holder: ValueHolder | _TraceHolder) -> None:
    """Write the values of a holder in the table's order; an empty value leaves no element."""
    groups: dict[tuple[str, ...], etree._Element] = {(): parent}
    for row in table.rows:
        value, kind = getattr(holder, row.attr), row.kind
        if value is None:
            continue
        for item in value if row.many else (value,):
            if isinstance(kind, Kind):
                if text := kind.write(item):
                    etree.SubElement(_ensure_group(groups, row.qualified_tags[:-1]), row.qualified_tags[-1]).text = text
            elif _has_content(kind, item):
                _write_rows(
                    etree.SubElement(_ensure_group(groups, row.qualified_tags[:-1]), row.qualified_tags[-1]), kind, item
                )


def _has_content(kind: Kind | Table, item: Any) -> bool:
    if isinstance(kind, Kind):
        return bool(kind.write(item))
    return _has_any_content(kind.rows, item)


def _has_any_content(rows: Sequence[Row], holder: Any) -> bool:
    values = ((row, getattr(holder, row.attr)) for row in rows)
    return any(
        _has_content(row.kind, one)
        for row, value in values
        for one in (value if row.many else (value,))
        if one is not None
    )


def _ensure_group(groups: dict[tuple[str, ...], etree._Element], path: tuple[str, ...]) -> etree._Element:
    """Find the group of a row's element, or make it on first use, so that no empty group is written."""
    if path not in groups:
        groups[path] = etree.SubElement(_ensure_group(groups, path[:-1]), path[-1])
    return groups[path]


def _add_attachments(plan: _WritePlan, envelope: etree._Element, document: Document, seal: SealMaker | None) -> None:
    manifest = _add_child(_add_child(envelope, "edXMLBody"), "edXMLManifest")
    manifest.set("version", "1.0")
    encoded = _add_child(plan.root, "AttachmentEncoded")
    digests: list[AttachmentDigest] = []
    texts = [(attachment, _build_file_text(attachment, digests)) for attachment in document.attachments]
    if seal is not None:
        # its bytes are made when its place in the file is reached: by then every other attachment is hashed
        entry = Attachment.from_bytes(b"", name=SEAL_NAME, content_type=SEAL_TYPE)
        texts.append((entry, lambda: _encode_pieces(iter((seal(tuple(digests)),)))))
    free = _iter_free_ids(document)
    for attachment, text in texts:
        name = str(len(plan.texts))
        plan.texts[name] = text
        mark = f"{plan.token}{name}-"
        part = EncodedAttachment.from_attachment(
            attachment, content_id=attachment.content_id or next(free), content=mark
        )
        if part.content_type == ZIP_TYPE and not attachment.name.strip().endswith(".zip"):
            # of a name in .ZIP the national hub's library takes the first entry for the file
            part = replace(part, content_type=OTHER_ZIP_TYPE)
        _write_rows(_add_child(manifest, "Reference"), MANIFEST_REFERENCE, part)
        _write_rows(_add_child(encoded, "Attachment"), ENCODED_ATTACHMENT, part)


def _iter_free_ids(document: Document) -> Iterator[str]:
    used_ids = {attachment.content_id for attachment in document.attachments}
    return (one for number in count(1) if (one := f"attachment-{number}") not in used_ids)


def _build_file_text(attachment: Attachment, digests: list[AttachmentDigest]) -> _TextMaker:
    """Build the base64 text of a file, which notes name, size and hash in `digests` when it is written."""

    def encode_file() -> Iterator[bytes]:
        digest, size = hashlib.sha256(), 0
        for piece in attachment.pieces():
            digest.update(piece)
            size += len(piece)
            yield piece
        if size == 0:
            raise AttachmentError.withholding(
                "attachment '{name}' is empty (0 bytes); nothing was written: attach the right file",
                vi="tệp đính kèm '{name}' rỗng (0 byte); chưa ghi gì: hãy đính kèm đúng tệp",
                hidden={"name": attachment.name},
            )
        digests.append(AttachmentDigest(attachment.name, size, digest.hexdigest(), attachment.description or ""))

    return lambda: _encode_pieces(encode_file())


def _encode_pieces(data: Iterator[bytes]) -> Iterator[bytes]:
    """Encode bytes in pieces as base64 without line breaks."""
    carried = b""
    for piece in data:
        cut = len(carried) - len(carried) % 3
        if cut:
            yield encode_base64(carried[:cut])
        carried = carried[cut:] + piece
    yield encode_base64(carried)


def _write_stream(plan: _WritePlan, out: IO[bytes], signature: EnvelopedSigner | None) -> None:
    written = _split_at_placeholders(etree.tostring(plan.root, xml_declaration=True, encoding="UTF-8"), plan.token)
    canonical = _split_at_placeholders(
        etree.tostring(plan.root, method="c14n", exclusive=True, with_comments=False), plan.token
    )
    digest = hashlib.new(signature.digest_algorithm if signature else "sha256")
    place, blank = 0, b""
    with sync_early(out) as note_growth:
        for (name, file_piece), (_, canonical_piece) in zip(written, canonical, strict=True):
            if name in plan.texts:
                for text in plan.texts[name]():
                    out.write(text)
                    digest.update(text)
                    note_growth(len(text))
            elif name and signature is not None:
                place, blank = out.tell(), signature.blank()
                out.write(blank)
            out.write(file_piece)
            digest.update(canonical_piece)
    if signature is not None:
        _fill_blank(out, place, blank, signature.signature(digest.digest()))


def _split_at_placeholders(text: bytes, token: str) -> Iterator[tuple[str, bytes]]:
    """Split a text at its placeholders into pieces, each with the name of the placeholder before it."""
    first, *rest = text.split(token.encode("ascii"))
    yield "", first
    for piece in rest:
        name, _, text_after = piece.partition(b"-")
        yield name.decode("ascii"), text_after


def _fill_blank(out: IO[bytes], place: int, blank: bytes, signature: bytes) -> None:
    if len(signature) != len(blank):
        raise ValueError(f"the signature is {len(signature)} bytes long, its space {len(blank)}")
    out.seek(place)
    out.write(signature)


# -- elements that a hub wants though they are empty


def add_needed_elements(parent: etree._Element, table: Table, paths: Sequence[str]) -> None:
    """Add the elements of paths that are not there, empty, each at its place in the table's order.

    Args:
        parent: the table's element.
        table: the table.
        paths: element names joined by ``/``.
    """
    for path in paths:
        _add_needed(parent, table, (), tuple(path.split("/")))


def _add_needed(element: etree._Element, table: Table, above: tuple[str, ...], path: tuple[str, ...]) -> None:
    order = list(dict.fromkeys(_list_children(table, above)))
    if not path or path[0] not in order:
        return
    found = [child for child in element if child.tag == f"{{{NS}}}{path[0]}"]
    inner_table, inner_above = _descend(table, (*above, path[0]))
    for child in found or [_insert(element, path[0], order)]:
        _add_needed(child, inner_table, inner_above, path[1:])


def _list_children(table: Table, above: tuple[str, ...]) -> Iterator[str]:
    """List the names of the elements in a group of a table, in the table's order."""
    depth = len(above)
    return (row.tags[depth] for row in table.rows if row.tags[:depth] == above and len(row.tags) > depth)


def _descend(table: Table, path: tuple[str, ...]) -> tuple[Table, tuple[str, ...]]:
    """Find the table, and the group in it, that an element's children belong to."""
    inner = next((row.kind for row in table.rows if row.tags == path and isinstance(row.kind, Table)), None)
    return (table, path) if inner is None else (inner, ())


def _insert(element: etree._Element, name: str, order: Sequence[str]) -> etree._Element:
    later = {f"{{{NS}}}{one}" for one in order[order.index(name) + 1 :]}
    place = next((number for number, child in enumerate(element) if child.tag in later), len(element))
    made = etree.Element(f"{{{NS}}}{name}")
    element.insert(place, made)
    return made
