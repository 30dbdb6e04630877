"""Everything there is about one document, packed so that others can check it without a database.

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
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ...edxml import DS, SEAL_NAME, Packet, parse_xml, read
from ...errors import AttachmentError, NotFound, PacketError, StoreError
from ...signing import Signer, Verification, VerifyMode, VerifyPolicy, verify
from ...store import Tx, audit_log, deliveries, outgoing, receipts
from ...store._sql.engine import driver_errors
from ...store.audit_log import GENESIS, Note
from ...store.rows import DeliveryRow, OutgoingRow, ReceiptRow
from .._context import Session

FORMAT = "edoc-evidence/1"
PACKED = "packed"
MANIFEST, CHAIN, HEAD, STORY = "manifest.json", "chain.jsonl", "head.json", "story.txt"
_CHUNK = 1024 * 1024
_SEAL_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class _About:
    """The rows that are about a document."""

    deliveries: tuple[DeliveryRow, ...]
    receipts: tuple[ReceiptRow, ...]
    outgoing: tuple[OutgoingRow, ...]

    @property
    def subjects(self) -> dict[str, list[int]]:
        """Their keys, by what the evidence calls them."""
        rows = {"delivery": self.deliveries, "receipt": self.receipts, "outgoing": self.outgoing}
        return {subject: [row.id for row in found] for subject, found in rows.items() if found}

    def packets(self) -> Iterator[tuple[str, str, str, datetime]]:
        """What each packet is, its name in the spool, its hash, and the time to judge it at."""
        for subject, rows in (("delivery", self.deliveries), ("receipt", self.receipts), ("status", self.outgoing)):
            for row in rows:
                if row.spool_file and row.sha256:
                    yield subject, row.spool_file, row.sha256, row.created_at


@dataclass(slots=True)
class _Pack:
    """A zip in the making, and what is in it."""

    zip: zipfile.ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, name: str, content: bytes) -> None:
        if name in self.names:
            return
        self.zip.writestr(name, content)
        self._note(name, hashlib.sha256(content).hexdigest(), len(content))

    def copy(self, name: str, path: Path) -> None:
        digest = hashlib.sha256()
        with path.open("rb") as source, self.zip.open(name, "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        self._note(name, digest.hexdigest(), path.stat().st_size)

    def _note(self, name: str, sha256: str, size: int) -> None:
        self.names.add(name)
        self.files.append({"name": name, "sha256": sha256, "size": size})


def pack(session: Session, document_id: str, out: Path, *, story: str) -> Path:
    """Pack what there is about a document, sent or received; that it was packed goes in the evidence too.

    Args:
        session: the store, and the key that signs the head of the chain, where there is one.
        document_id: the document.
        out: the zip to write; what was there is replaced once it is complete.
        story: what happened, for a person.

    Raises:
        NotFound: nothing is known of the document.
        SigningError: the key cannot be used.
        StoreError: the disk is full, or the store will not have it.
    """
    with session.store.reading() as tx:
        about = _rows_about(tx, session.agency, document_id)
        links = audit_log.about(tx.connection, session.agency, about.subjects)
    signer = session.signer()
    draft = out.with_name(out.name + ".part")
    try:
        with driver_errors(), zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            made = _Pack(archive)
            packets = [_packet(session, made, *one) for one in about.packets()]
            made.add(STORY, story.encode())
            first = links[0].sequence if links else 1
            manifest = _manifest(session, document_id, made, packets, first=first, signed=signer is not None)
            archive.writestr(MANIFEST, manifest)
            last = _enter(session, document_id, manifest)
            head = _chain(session, archive, first, {link.sequence for link in links}, last)
            archive.writestr(HEAD, _head(session.agency, head, signer))
        with driver_errors():
            draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return out


def _rows_about(tx: Tx, agency: str, document_id: str) -> _About:
    sent = deliveries.find(tx, agency, deliveries.T.c.document_id == document_id)
    sent += deliveries.changes_to(tx, agency, document_id)
    came = receipts.find(tx, agency, receipts.T.c.document_id == document_id)
    if not sent and not came:
        raise NotFound(
            f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
            vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
        )
    for change in sent:
        if change.document_id != document_id:
            came += receipts.find(tx, agency, receipts.T.c.document_id == change.document_id)
    O = outgoing.T  # noqa: E741, N806  a table
    told = outgoing.find(tx, agency, O.c.receipt_id.in_([row.id for row in came]))
    told += outgoing.find(tx, agency, O.c.delivery_id.in_([row.id for row in sent]))
    return _About(tuple(sent), tuple(came), tuple(told))


def _packet(session: Session, made: _Pack, what: str, spool_file: str, sha256: str, at: datetime) -> dict[str, Any]:
    """Put a packet in, with what its signatures are worth; one that is gone is named with the reason."""
    said: dict[str, Any] = {"what": what, "sha256": sha256, "judged_at": at.isoformat()}
    name = f"packets/{sha256}.edxml"
    if name in made.names:
        return said | {"file": name, "again": True}
    try:
        path = session.packet(spool_file, sha256)
    except (NotFound, StoreError) as error:
        return said | {"missing": error.message}
    made.copy(name, path)
    return said | {"file": name} | _judged(made, path, sha256, policy=lasting(session.policy, at))


def lasting(policy: VerifyPolicy, at: datetime) -> VerifyPolicy:
    """The policy to judge a packet with at its own time, whoever does it, wherever."""
    return replace(policy, mode=VerifyMode.ANY, at=at, organisations={})


def _judged(made: _Pack, path: Path, sha256: str, *, policy: VerifyPolicy) -> dict[str, Any]:
    try:
        packet = read(path)
    except PacketError as error:
        return {"verification": "UNREADABLE", "reason": error.code}
    found = verify(packet, policy)
    for number, xml in enumerate(_signatures(packet), 1):
        made.add(f"signatures/{sha256}-{number}.xml", xml)
    return {"verification": found.status.name, "reason": found.reason, "certificates": _certificates(made, found)}


def _signatures(packet: Packet) -> Iterator[bytes]:
    roots = [packet.skeleton.root]
    for one in packet.attachments:
        if one.name == SEAL_NAME:
            try:
                with one.open() as stream:
                    roots.append(parse_xml(stream.read(_SEAL_LIMIT)))
            except (AttachmentError, PacketError):
                continue  # what is no seal is still in the packet
    for root in roots:
        # Hubs copy the signature's parts into the edXML namespace; a person wants to see those too.
        for element in root.iter(f"{{{DS}}}Signature", "{*}Signature"):
            yield etree.tostring(element, encoding="UTF-8", xml_declaration=True, with_tail=False)


def _certificates(made: _Pack, found: Verification) -> list[str]:
    names = []
    for certificate in found.chain or ((found.certificate,) if found.certificate else ()):
        der = certificate.public_bytes(Encoding.DER)
        name = f"certificates/{hashlib.sha256(der).hexdigest()}.pem"
        made.add(name, certificate.public_bytes(Encoding.PEM))
        names.append(name)
    return names


def _manifest(
    session: Session, document_id: str, made: _Pack, packets: list[dict[str, Any]], *, first: int, signed: bool
) -> bytes:
    previous = GENESIS
    with session.store.reading() as tx:
        if first > 1:
            previous = next(audit_log.links(tx.connection, session.agency, first=first - 1)).hash
    manifest = {
        "format": FORMAT,
        "agency": session.agency,
        "document_id": document_id,
        "made_at": session.store.clock().isoformat(),
        "legacy_sha1": session.policy.legacy_sha1,
        "signed": signed,
        "chain": {"first": first, "previous": previous},
        "packets": packets,
        "files": made.files,
    }
    return json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True).encode()


def _enter(session: Session, document_id: str, manifest: bytes) -> int:
    """Make the last entry of the pack: that it was made, with its manifest's hash; its number."""
    digest = hashlib.sha256(manifest).hexdigest()
    with session.store.reading() as tx:
        before, _ = audit_log.head(tx.connection, session.agency)
    with session.transaction() as tx:
        said = {"document_id": document_id, "manifest": digest}
        tx.notes.append(Note(PACKED, "", 0, tx.actor, said, agency=session.agency))
    with session.store.reading() as tx:
        behind = audit_log.links(tx.connection, session.agency, first=before + 1)
        packed = (link for link in behind if link.kind == PACKED)
        return next(link.sequence for link in packed if json.loads(link.entry)["manifest"] == digest)


def _chain(session: Session, archive: zipfile.ZipFile, first: int, shown: set[int], last: int) -> tuple[int, str]:
    """Write the chain up to the entry about this pack; the last number and hash."""
    with archive.open(CHAIN, "w", force_zip64=True) as out, session.store.reading() as tx:
        for link in audit_log.links(tx.connection, session.agency, first=first):
            line: Mapping[str, Any] = {"digest": link.digest}
            if link.sequence in shown or link.sequence == last:
                line = {"entry": json.loads(link.entry)}
            out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            if link.sequence == last:
                return link.sequence, link.hash
    raise StoreError("the evidence ends before its last entry.", vi="Chuỗi bằng chứng bị ngắt giữa chừng.")


def _head(agency: str, head: tuple[int, str], signer: Signer | None) -> bytes:
    said: dict[str, Any] = {"agency": agency, "sequence": head[0], "hash": head[1]}
    if signer is not None:
        said |= {
            "algorithm": str(signer.algorithm),
            "signature": base64.b64encode(signer.sign(to_sign(agency, *head))).decode(),
            "certificates": [one.public_bytes(Encoding.PEM).decode() for one in signer.certificates],
        }
    return json.dumps(said, ensure_ascii=False, indent=2).encode()


def to_sign(agency: str, sequence: int, hash_: str) -> bytes:
    """What the agency signs of a chain's head: a text that can be nothing else."""
    return f"{FORMAT}\n{agency}\n{sequence}\n{hash_}\n".encode()
