"""Evidence pack: write everything about one document to a zip that others can check without a database.

A pack is a zip::

    packets/SHA256.edxml          each packet, byte for byte: the document, its statuses, what was set aside
    signatures/SHA256-N.xml       the signatures in it, the packet's own and the seal's, for reading
    certificates/SHA256.pem       the certificates of those who signed
    story.txt                     what happened, in both languages
    manifest.json                 the files with their hashes; for each packet its verification, and at what time
    chain.jsonl                   the evidence from the document's first entry to the entry about this pack
    head.json                     the chain's last hash, signed by the agency where it has a key

One holds the next: the chain's last entry names the manifest's hash, the manifest that of every file, the entries
those of the packets. Entries of other documents are shown by their digest only; that is enough to check the chain.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ..._core import open_atomic, open_file
from ...edxml import DS, SEAL_NAME, Packet, parse_xml, read
from ...errors import AttachmentError, NotFound, PacketError, StoreError
from ...evidence import GENESIS
from ...signing import Signer, Verification, VerifyMode, VerifyPolicy, verify
from ...store import DeliveryRow, OutgoingRow, PacketFile, ReceiptRow, Tx, translate_driver_errors
from .._context import ConnectorContext

PACK_FORMAT = "edoc-evidence/1"
PACK_ENTRY_KIND = "packed"
MANIFEST_FILE, CHAIN_FILE, HEAD_FILE, STORY_FILE = "manifest.json", "chain.jsonl", "head.json", "story.txt"
_CHUNK_BYTES = 1024 * 1024
_MAX_SEAL_BYTES = 1 << 20
_MAX_SIGNATURES, _MAX_SIGNATURE_BYTES = 20, 256 * 1024  # of one packet, for reading: what counts is in the packet


@dataclass(frozen=True, slots=True)
class _DocumentRows:
    """The rows that are about a document."""

    deliveries: tuple[DeliveryRow, ...]
    receipts: tuple[ReceiptRow, ...]
    outgoing: tuple[OutgoingRow, ...]

    @property
    def subjects(self) -> dict[str, list[int]]:
        """Their keys, by what the evidence calls them."""
        rows = {"delivery": self.deliveries, "receipt": self.receipts, "outgoing": self.outgoing}
        return {subject: [row.id for row in subject_rows] for subject, subject_rows in rows.items() if subject_rows}

    def list_packets(self) -> Iterator[tuple[str, str, str, datetime]]:
        """List each packet: its kind, its name in the spool, its hash, and the time to verify it at."""
        for subject, rows in (("delivery", self.deliveries), ("receipt", self.receipts), ("status", self.outgoing)):
            for row in rows:
                if row.spool_file and row.sha256:
                    yield subject, row.spool_file, row.sha256, row.created_at


@dataclass(slots=True)
class _PackWriter:
    """A zip in the making, with the list of its files."""

    zip: zipfile.ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, name: str, content: bytes) -> None:
        if name in self.names:
            return
        self.zip.writestr(name, content)
        self._register_file(name, hashlib.sha256(content).hexdigest(), len(content))

    def copy(self, name: str, file: PacketFile) -> None:
        digest = hashlib.sha256()
        size = 0
        with open_file(file) as source, self.zip.open(name, "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
                size += len(chunk)
        self._register_file(name, digest.hexdigest(), size)

    def _register_file(self, name: str, sha256: str, size: int) -> None:
        self.names.add(name)
        self.files.append({"name": name, "sha256": sha256, "size": size})


def write_pack(context: ConnectorContext, document_id: str, out: Path, *, story: str) -> Path:
    """Pack everything about a document, sent or received, and enter that in the evidence too.

    Args:
        context: the store, and the key that signs the head of the chain, where there is one.
        document_id: the document.
        out: the zip to write; what was there is replaced once it is complete.
        story: what happened, for a person.

    Raises:
        NotFound: nothing is known of the document.
        SigningError: the key cannot be used.
        StoreError: the disk is full, or the store will not have it.
    """
    with context.store.snapshot() as tx:
        document_rows = _find_document_rows(tx, context.agency, document_id)
        links = tx.audit_log.list_links_about(context.agency, document_rows.subjects)
    signer = context.get_signer()
    with (
        translate_driver_errors(),
        open_atomic(out, durable=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        writer = _PackWriter(archive)
        packets = [_add_packet(context, writer, *packet) for packet in document_rows.list_packets()]
        writer.add(STORY_FILE, story.encode())
        first_sequence = links[0].sequence if links else 1
        manifest = _build_manifest(
            context, document_id, writer, packets, first_sequence=first_sequence, is_signed=signer is not None
        )
        archive.writestr(MANIFEST_FILE, manifest)
        last_sequence = _record_pack(context, document_id, manifest)
        head = _write_chain(context, archive, first_sequence, {link.sequence for link in links}, last_sequence)
        archive.writestr(HEAD_FILE, _build_head(context.agency, head, signer))
    return out


def _find_document_rows(tx: Tx, agency: str, document_id: str) -> _DocumentRows:
    sent = tx.deliveries.find_all(agency, document_id=document_id)
    sent += tx.deliveries.list_changes_to(agency, document_id)
    received = tx.receipts.find_all(agency, document_id=document_id)
    if not sent and not received:
        raise NotFound(
            f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
            vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
        )
    for change in sent:
        if change.document_id != document_id:
            received += tx.receipts.find_all(agency, document_id=change.document_id)
    outgoing_rows = tx.outgoing.find_all(agency, receipt_id=[row.id for row in received])
    outgoing_rows += tx.outgoing.find_all(agency, delivery_id=[row.id for row in sent])
    return _DocumentRows(tuple(sent), tuple(received), tuple(outgoing_rows))


def _add_packet(
    context: ConnectorContext, writer: _PackWriter, subject: str, spool_file: str, sha256: str, at: datetime
) -> dict[str, Any]:
    """Add a packet with the verification of its signatures; one that is gone is named with the reason."""
    description: dict[str, Any] = {"what": subject, "sha256": sha256, "judged_at": at.isoformat()}
    name = f"packets/{sha256}.edxml"
    if name in writer.names:
        return description | {"file": name, "again": True}
    try:
        file = context.store.require_packet(spool_file, sha256)
    except (NotFound, StoreError) as error:
        return description | {"missing": error.message}
    writer.copy(name, file)
    return (
        description
        | {"file": name}
        | _add_verification(writer, file, sha256, policy=build_policy_at(context.policy, at))
    )


def build_policy_at(policy: VerifyPolicy, at: datetime) -> VerifyPolicy:
    """Build the policy that verifies a packet at its own time, on any machine."""
    return replace(policy, mode=VerifyMode.ANY, at=at, organisations={}, organisations_others=None, directory=None)


def _add_verification(writer: _PackWriter, file: PacketFile, sha256: str, *, policy: VerifyPolicy) -> dict[str, Any]:
    try:
        packet = read(file)
    except PacketError as error:
        return {"verification": "UNREADABLE", "reason": error.code}
    verification = verify(packet, policy)
    for number, xml in enumerate(_extract_signatures(packet), 1):
        writer.add(f"signatures/{sha256}-{number}.xml", xml)
    return {
        "verification": verification.status.name,
        "reason": verification.reason,
        "certificates": _add_certificates(writer, verification),
    }


def _extract_signatures(packet: Packet) -> Iterator[bytes]:
    roots = [packet.skeleton.root]
    for attachment in packet.attachments:
        if attachment.name == SEAL_NAME:
            try:
                with attachment.open() as stream:
                    roots.append(parse_xml(stream.read(_MAX_SEAL_BYTES)))
            except (AttachmentError, PacketError):
                continue  # what is no seal is still in the packet
    shown = (_show_signature(element) for root in roots for element in _iter_outermost(root))
    yield from islice((xml for xml in shown if xml is not None), _MAX_SIGNATURES)


def _iter_outermost(root: etree._Element) -> Iterator[etree._Element]:
    """Iterate over the signatures that stand in no other: one inside another is shown with that."""
    # Hubs copy the signature's parts into the edXML namespace; a person wants to see those too.
    tags = (f"{{{DS}}}Signature", "{*}Signature")
    for element in root.iter(*tags):
        if next(element.iterancestors(*tags), None) is None:
            yield element


def _show_signature(element: etree._Element) -> bytes | None:
    """Serialise a signature for reading; None where it is far larger than one is: it is in the packet all the same."""
    xml = etree.tostring(element, encoding="UTF-8", xml_declaration=True, with_tail=False)
    return xml if len(xml) <= _MAX_SIGNATURE_BYTES else None


def _add_certificates(writer: _PackWriter, verification: Verification) -> list[str]:
    names = []
    for certificate in verification.chain or ((verification.certificate,) if verification.certificate else ()):
        der = certificate.public_bytes(Encoding.DER)
        name = f"certificates/{hashlib.sha256(der).hexdigest()}.pem"
        writer.add(name, certificate.public_bytes(Encoding.PEM))
        names.append(name)
    return names


def _build_manifest(
    context: ConnectorContext,
    document_id: str,
    writer: _PackWriter,
    packets: list[dict[str, Any]],
    *,
    first_sequence: int,
    is_signed: bool,
) -> bytes:
    previous = GENESIS
    with context.store.snapshot() as tx:
        if first_sequence > 1:
            previous = next(tx.audit_log.read_chain(context.agency, first_sequence=first_sequence - 1)).hash
    manifest = {
        "format": PACK_FORMAT,
        "agency": context.agency,
        "document_id": document_id,
        "made_at": context.store.clock().isoformat(),
        "legacy_sha1": context.policy.legacy_sha1,
        "signed": is_signed,
        "chain": {"first": first_sequence, "previous": previous},
        "packets": packets,
        "files": writer.files,
    }
    return json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True).encode()


def _record_pack(context: ConnectorContext, document_id: str, manifest: bytes) -> int:
    """Add the last entry of the pack, which has its manifest's hash, and return its number."""
    digest = hashlib.sha256(manifest).hexdigest()
    with context.store.snapshot() as tx:
        last_before, _ = tx.audit_log.read_chain_head(context.agency)
    with context.store.transaction() as tx:
        pack_note = {"document_id": document_id, "manifest": digest}
        tx.audit_log.record(PACK_ENTRY_KIND, None, 0, pack_note, agency=context.agency)
    with context.store.snapshot() as tx:
        later_links = tx.audit_log.read_chain(context.agency, first_sequence=last_before + 1)
        pack_links = (link for link in later_links if link.kind == PACK_ENTRY_KIND)
        return next(link.sequence for link in pack_links if json.loads(link.entry)["manifest"] == digest)


def _write_chain(
    context: ConnectorContext,
    archive: zipfile.ZipFile,
    first_sequence: int,
    shown_sequences: set[int],
    last_sequence: int,
) -> tuple[int, str]:
    """Write the chain up to the entry about this pack, and return the last number and hash."""
    with archive.open(CHAIN_FILE, "w", force_zip64=True) as out, context.store.snapshot() as tx:
        for link in tx.audit_log.read_chain(context.agency, first_sequence=first_sequence):
            line: Mapping[str, Any] = {"digest": link.digest}
            if link.sequence in shown_sequences or link.sequence == last_sequence:
                line = {"entry": json.loads(link.entry)}
            out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            if link.sequence == last_sequence:
                return link.sequence, link.hash
    raise StoreError("the evidence ends before its last entry.", vi="Chuỗi bằng chứng bị ngắt giữa chừng.")


def _build_head(agency: str, head: tuple[int, str], signer: Signer | None) -> bytes:
    head_fields: dict[str, Any] = {"agency": agency, "sequence": head[0], "hash": head[1]}
    if signer is not None:
        head_fields |= {
            "algorithm": str(signer.algorithm),
            "signature": base64.b64encode(signer.sign(build_head_text(agency, *head))).decode(),
            "certificates": [certificate.public_bytes(Encoding.PEM).decode() for certificate in signer.certificates],
        }
    return json.dumps(head_fields, ensure_ascii=False, indent=2).encode()


def build_head_text(agency: str, sequence: int, hash_: str) -> bytes:
    """Build the text of a chain's head that the agency signs, and that can be nothing else."""
    return f"{PACK_FORMAT}\n{agency}\n{sequence}\n{hash_}\n".encode()
