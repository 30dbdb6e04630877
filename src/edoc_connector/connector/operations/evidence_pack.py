"""Evidence pack: write everything about one document to a zip that others can check without a database.

`evidence.pack` describes its files, and how one holds the next. Packs of the first form, which `evidence_check` checks
too, had in place of entries with proofs::

    chain.jsonl                   the evidence from the document's first entry to the entry about this pack
    head.json                     the chain's last hash, signed by the agency where it has a key
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ..._core import open_atomic, open_file
from ...edxml import DS, SEAL_NAME, Packet, parse_xml, read
from ...errors import AttachmentError, NotFound, PacketError, StoreError
from ...evidence import (
    PACK_ENTRY_KIND,
    STORY_FILE,
    PackWriter,
    SignedCheckpoint,
    prove_entries,
    prove_heads,
    read_checkpoint,
)
from ...signing import Verification, VerifyMode, VerifyPolicy, fingerprint, verify
from ...store import (
    DeliveryRow,
    OutgoingRow,
    PacketFile,
    ReceiptRow,
    StoredCheckpoint,
    Tx,
    name_hidden,
    translate_driver_errors,
)
from .._context import ConnectorContext

Organisations: TypeAlias = Mapping[str, tuple[str, ...]]
"""The certificates by which agencies are known, by code."""

PACK_FORMAT = "edoc-evidence/1"
CHAIN_FILE, HEAD_FILE = "chain.jsonl", "head.json"
_NEWEST_HEADS, _MAX_FIRST_HEADS = 8, 16
_MAX_SEAL_BYTES = 1 << 20
_MAX_SIGNATURES, _MAX_SIGNATURE_BYTES = 20, 256 * 1024  # of one packet, for reading: what counts is in the packet


@dataclass(frozen=True, slots=True)
class DocumentRows:
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


def write_pack(context: ConnectorContext, document_id: str, out: Path, *, story: str) -> Path:
    """Pack everything about a document, sent or received, and enter that in the evidence too.

    Args:
        context: the store, and the key that signs the head of the log, where there is one.
        document_id: the document.
        out: the zip to write; what was there is replaced once it is complete.
        story: what happened, for a person.

    Raises:
        NotFound: nothing is known of the document.
        SigningError: the key cannot be used.
        ArchiveMissing: entries about it are in the file of an archive that is not there.
        EvidenceError: hashes of the log are missing.
        StoreError: the disk is full, or the store will not have it.
    """
    with context.store.snapshot() as tx:
        document_rows = find_document_rows(tx, context.agency, document_id)
    signer = context.get_signer()
    entries = _list_entries(context, document_rows)
    with (
        translate_driver_errors(),
        open_atomic(out, durable=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        writer = PackWriter(archive)
        organisations = _build_organisations(context, document_rows)
        packets = [_add_packet(context, writer, organisations, *packet) for packet in document_rows.list_packets()]
        earlier = _list_earlier_heads(context, [index for index, _ in entries])
        for signers in (signer.certificates if signer is not None else (), *(head.certificates for head in earlier)):
            for certificate in signers:
                _add_certificate(writer, certificate)
        writer.add(STORY_FILE, story.encode())
        manifest = writer.write_manifest(
            {
                "agency": context.agency,
                "document_id": document_id,
                "made_at": context.store.clock().isoformat(),
                "legacy_sha1": context.policy.legacy_sha1,
                "signed": signer is not None,
                "packets": packets,
                "entries": [index for index, _ in entries],
                "organisations": {code: {"certificates": list(known)} for code, known in organisations.items()},
            }
        )
        with context.store.transaction() as tx:
            pack_note = {"document_id": document_id, "manifest": manifest}
            tx.audit_log.record(PACK_ENTRY_KIND, None, 0, pack_note, agency=context.agency)
        _finish_pack(context, writer, entries, manifest, [head.signed for head in earlier])
    return out


def _list_entries(context: ConnectorContext, document_rows: DocumentRows) -> list[tuple[int, bytes]]:
    """List the entries about a document that have a place in the log: its number, and their canonical bytes."""
    context.store.link_evidence(context.agency)
    with context.store.snapshot() as tx:
        entries = tx.evidence_log.list_required_about(context.agency, document_rows.subjects)
    return sorted((one.leaf, one.canonical) for one in entries if one.leaf is not None)


def _finish_pack(
    context: ConnectorContext,
    writer: PackWriter,
    entries: Sequence[tuple[int, bytes]],
    manifest: str,
    earlier: Sequence[SignedCheckpoint],
) -> None:
    """Write the entries about the document and the pack, proven by a head of now."""
    signed = context.checkpoints.keep()
    with context.store.snapshot() as tx:
        packed = tx.evidence_log.require_packed(context.agency, manifest)
        tree = tx.evidence_log.open_tree(context.agency, read_checkpoint(signed).size)
        writer.finish(prove_entries(tree, [*entries, packed]), signed, prove_heads(tree, earlier))


def _list_earlier_heads(context: ConnectorContext, leaves: Sequence[int]) -> list[StoredCheckpoint]:
    """List the first head over each entry about a document, and the newest ones: those that others may have kept."""
    with context.store.snapshot() as tx:
        newest = tx.evidence_log.list_newest_checkpoints(context.agency, _NEWEST_HEADS)
        first = [tx.evidence_log.find_checkpoint_over(context.agency, leaf) for leaf in leaves[:_MAX_FIRST_HEADS]]
    by_size = {one.size: one for one in (*newest, *first) if one is not None}
    return [by_size[size] for size in sorted(by_size)]


def _build_organisations(context: ConnectorContext, document_rows: DocumentRows) -> Organisations:
    """Build how the certificates of the agencies named are known here, by code."""
    codes = {context.agency, *(row.sender for row in document_rows.receipts if row.sender)}
    known = {code: context.policy.organisations.get(code) for code in sorted(codes)}
    return {code: tuple(entries) for code, entries in known.items() if entries}


def find_document_rows(tx: Tx, agency: str, document_id: str) -> DocumentRows:
    """Find the rows that are about a document; also of one whose taking over was undone.

    Raises:
        NotFound: nothing is known of it.
    """
    sent, received = _find_main_rows(tx, agency, document_id)
    if not sent and not received:
        sent, received = _find_main_rows(tx, name_hidden(agency), document_id)
    if not sent and not received:
        raise NotFound(
            f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
            vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
        )
    for change in sent:
        if change.document_id != document_id:
            received += tx.receipts.find_all(agency, document_id=change.document_id)
    outgoing_rows = tx.outgoing.list_about(agency, receipt_ids=[row.id for row in received])[::-1]
    outgoing_rows += tx.outgoing.list_about(agency, delivery_ids=[row.id for row in sent])[::-1]
    return DocumentRows(tuple(sent), tuple(received), tuple(outgoing_rows))


def _find_main_rows(tx: Tx, agency: str, document_id: str) -> tuple[list[DeliveryRow], list[ReceiptRow]]:
    """Find the rows of a document and of its changes, under a code."""
    sent = tx.deliveries.find_all(agency, document_id=document_id)
    sent += tx.deliveries.list_changes_to(agency, document_id)
    return sent, tx.receipts.find_all(agency, document_id=document_id)


def _add_packet(
    context: ConnectorContext,
    writer: PackWriter,
    organisations: Organisations,
    subject: str,
    spool_file: str,
    sha256: str,
    at: datetime,
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
    with open_file(file) as source:
        writer.copy(name, source)
    policy = build_policy_at(context.policy, at)
    return description | {"file": name} | _add_verification(writer, file, sha256, organisations, policy=policy)


def build_policy_at(policy: VerifyPolicy, at: datetime) -> VerifyPolicy:
    """Build the policy that verifies a packet at its own time, on any machine."""
    return replace(policy, mode=VerifyMode.ANY, at=at, organisations={}, organisations_others=None, directory=None)


def _add_verification(
    writer: PackWriter, file: PacketFile, sha256: str, organisations: Organisations, *, policy: VerifyPolicy
) -> dict[str, Any]:
    try:
        packet = read(file)
    except PacketError as error:
        return {"verification": "UNREADABLE", "reason": error.code}
    verification = verify(packet, policy)
    judged = verify(packet, replace(policy, organisations=organisations)) if organisations else verification
    for number, xml in enumerate(_extract_signatures(packet), 1):
        writer.add(f"signatures/{sha256}-{number}.xml", xml)
    return {
        "verification": verification.status.name,
        "judged": judged.status.name,
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


def _add_certificates(writer: PackWriter, verification: Verification) -> list[str]:
    chain = verification.chain or ((verification.certificate,) if verification.certificate else ())
    return [_add_certificate(writer, certificate) for certificate in chain]


def _add_certificate(writer: PackWriter, certificate: x509.Certificate) -> str:
    name = f"certificates/{fingerprint(certificate)}.pem"
    writer.add(name, certificate.public_bytes(Encoding.PEM))
    return name


def build_head_text(agency: str, sequence: int, hash_: str) -> bytes:
    """Build the text of the head of a chain of the first form, as the agency signed it; it can be nothing else."""
    return f"{PACK_FORMAT}\n{agency}\n{sequence}\n{hash_}\n".encode()
