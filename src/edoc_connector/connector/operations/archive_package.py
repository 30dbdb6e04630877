"""Archive package of a document: what an archives system takes in, as one zip after BagIt (RFC 8493).

::

    NAME/bagit.txt, bag-info.txt         that it is a bag, and of what
    NAME/manifest-sha256.txt             the SHA-256 of every file below data
    NAME/tagmanifest-sha256.txt          that of the files beside it
    NAME/data/metadata.xml               what the document says of itself
    NAME/data/packet.edxml               the packet, byte for byte
    NAME/data/documents/…                the files in it
    NAME/data/evidence.zip               the pack of evidence

Elements of the metadata have the names that archives use for a document (Circular 02/2019/TT-BNV), where there is one.
It is no package of Circular 05/2025/TT-BNV (METS, EAD, PREMIS): what only archives know (fonds, file, ordinal, period)
is not in a document, and is theirs to add.
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from ..._core import open_atomic, open_file
from ...edxml import CHUNK_SIZE, SEAL_NAME, Attachment, DistinctNames, Document, read, safe_name
from ...errors import NotFound
from ...store import DeliveryRow, PacketFile, ReceiptRow, translate_driver_errors
from .._context import ConnectorContext

METADATA_NAMESPACE = "urn:edoc-connector:archive:1"
_BAG_DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(slots=True)
class _Bag:
    """A bag in the making.

    Args:
        zip: where it is written.
        name: its folder.
    """

    zip: zipfile.ZipFile
    name: str
    hashes: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def add(self, name: str, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Add a file, and return its SHA-256, hex, and its size."""
        digest, size = hashlib.sha256(), 0
        with self.zip.open(f"{self.name}/{name}", "w", force_zip64=True) as out:
            for piece in pieces:
                digest.update(piece)
                out.write(piece)
                size += len(piece)
        self.hashes[name] = digest.hexdigest()
        self.size += size
        return self.hashes[name], size

    def finish(self, info: dict[str, str]) -> None:
        """Write what makes it a bag (RFC 8493, 2.1 and 2.2)."""
        payload = dict(self.hashes)
        oxum = f"{self.size}.{len(payload)}"
        self.add("manifest-sha256.txt", [_format_manifest(payload)])
        self.add("bagit.txt", [_BAG_DECLARATION])
        lines = {**info, "Payload-Oxum": oxum}
        self.add("bag-info.txt", ["".join(f"{name}: {value}\n" for name, value in lines.items()).encode()])
        tags = {name: digest for name, digest in self.hashes.items() if name not in payload}
        self.add("tagmanifest-sha256.txt", [_format_manifest(tags)])


def write_package(context: ConnectorContext, document_id: str, out: Path, *, pack: Callable[[Path], object]) -> Path:
    """Write the archive package of a document.

    Args:
        context: the store.
        document_id: the document, sent or received.
        out: the zip to write; what was there is replaced once it is complete.
        pack: writes the pack of evidence to a path.

    Raises:
        NotFound: nothing is known of it, or its packet is gone.
        PacketError: its packet cannot be read.
        StoreError: the disk is full.
    """
    row = _require_row(context, document_id)
    if row.spool_file is None or row.sha256 is None:
        raise NotFound(
            f"{document_id} has no packet yet: it was announced, and did not come in.",
            vi=f"Văn bản {document_id} chưa có gói tin: trục mới báo, chưa tải về được.",
        )
    file = context.store.require_packet(row.spool_file, row.sha256)
    with (
        translate_driver_errors(),
        tempfile.TemporaryDirectory(prefix="edoc-archive-") as folder,
        open_atomic(out, durable=True) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        evidence = Path(folder) / "evidence.zip"
        pack(evidence)
        bag = _Bag(archive, safe_name(document_id))
        _fill(bag, context, row, file)
        with evidence.open("rb") as source:
            bag.add("data/evidence.zip", iter(lambda: source.read(CHUNK_SIZE), b""))
        now = context.store.clock()
        bag.finish(
            {
                "Bagging-Date": f"{now:%Y-%m-%d}",
                "Source-Organization": _as_line(context.agency),
                "External-Identifier": _as_line(document_id),
                "External-Description": _as_line(row.subject or ""),
            }
        )
    return out


def _require_row(context: ConnectorContext, document_id: str) -> DeliveryRow | ReceiptRow:
    """Require the row of a document itself, sent or received: not a status about it, nor a copy that was set aside."""
    with context.store.snapshot() as tx:
        sent = tx.deliveries.find_by_document_id(context.agency, document_id)
        if sent is not None:
            return sent
        received = [
            row
            for row in tx.receipts.find_all(context.agency, document_id=document_id)
            if row.message_type == "edoc" and row.spool_file is not None
        ]
    kept = [row for row in received if row.was_admitted] or received
    if not kept:
        raise NotFound(
            f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
            vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
        )
    return kept[0]


def _fill(bag: _Bag, context: ConnectorContext, row: DeliveryRow | ReceiptRow, file: PacketFile) -> None:
    """Add the packet, its files, and the metadata."""
    with open_file(file) as source:
        bag.add("data/packet.edxml", iter(lambda: source.read(CHUNK_SIZE), b""))
    packet = read(file)
    names = DistinctNames(())
    files = []
    for attachment in packet.attachments:
        if attachment.name != SEAL_NAME:
            name = f"documents/{names.pick(safe_name(attachment.name))}"
            files.append((attachment, name, *bag.add(f"data/{name}", attachment.pieces())))
    root = etree.Element(f"{{{METADATA_NAMESPACE}}}Package", nsmap={None: METADATA_NAMESPACE})
    message = packet.message
    document = _add(root, "Document")
    for name, value in _list_metadata(message) if isinstance(message, Document) else ():
        _add(document, name, value)
    _add_exchange(_add(root, "Exchange"), context, row)
    listed = _add(root, "Files")
    for attachment, name, sha256, size in files:
        _add_file(listed, attachment, name, sha256, size)
    xml = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    bag.add("data/metadata.xml", [xml])


def _list_metadata(document: Document) -> Iterator[tuple[str, object]]:
    """List what a document says of itself; names of Circular 02/2019/TT-BNV where it has one.

    Two names of that circular are left to the archives: OrganId is the code of the fonds there, and Format the physical
    state of a paper.
    """
    yield "DocCode", document.id
    yield "TypeName", document.type_name
    yield "CodeNumber", document.number
    yield "CodeNotation", document.notation
    yield "IssuedDate", document.issued_on
    yield "OrganName", document.sender.name
    yield "SenderId", document.sender.id
    yield "Subject", document.subject
    yield "Language", "Tiếng Việt"
    yield "PageAmount", document.pages
    yield "SignerName", document.signer.full_name
    yield "SignerPosition", document.signer.position
    yield "SignerCompetence", document.signer.competence
    yield "Place", document.place
    yield "DueDate", document.due_date
    yield "Business", document.business.type and document.business.type.name
    for recipient in document.recipients:
        yield "Recipient", f"{recipient.id} {recipient.name}"
    for answered in document.responses_for:
        yield "InAnswerTo", answered.document_id or answered.code


def _add_exchange(element: etree._Element, context: ConnectorContext, row: DeliveryRow | ReceiptRow) -> None:
    """Add what the store knows of the exchange."""
    is_sent = isinstance(row, DeliveryRow)
    _add(element, "Direction", "sent" if is_sent else "received")
    _add(element, "Agency", context.agency)
    _add(element, "HubDocumentId", row.hub_doc_id)
    _add(element, "State", row.state)
    _add(element, "StoredAt", row.created_at.isoformat())
    if isinstance(row, DeliveryRow):
        _add(element, "SentAt", row.sent_at and row.sent_at.isoformat())
    else:
        _add(element, "ConfirmedAt", row.confirmed_at and row.confirmed_at.isoformat())
        _add(element, "Signature", row.verification)
    _add(element, "PacketSha256", row.sha256)


def _add_file(element: etree._Element, attachment: Attachment, name: str, sha256: str, size: int) -> None:
    file = _add(element, "File")
    values: dict[str, Any] = {
        "Path": name, "Name": attachment.name, "ContentType": attachment.content_type,
        "Description": attachment.description, "Size": size, "Sha256": sha256,
    }  # fmt: skip
    for key, value in values.items():
        _add(file, key, value)


def _add(parent: etree._Element, name: str, value: object = None) -> etree._Element:
    """Add an element, and return it; one whose value is missing is left out."""
    element = etree.Element(f"{{{METADATA_NAMESPACE}}}{name}")
    if value is not None:
        element.text = str(value)
        parent.append(element)
    elif name in _GROUPS:
        parent.append(element)
    return element


_GROUPS = frozenset({"Document", "Exchange", "Files", "File"})


def _format_manifest(hashes: dict[str, str]) -> bytes:
    """Format a manifest (RFC 8493, 2.1.3): line ends and percent signs in names are encoded."""
    encoded = {name.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D"): one for name, one in hashes.items()}
    return "".join(f"{digest}  {name}\n" for name, digest in encoded.items()).encode()


def _as_line(text: str) -> str:
    return " ".join(text.split())
