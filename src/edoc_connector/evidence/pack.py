"""Packs of evidence, second form: a zip about one document that others check without a database.

::

    packets/SHA256.edxml          each packet, byte for byte
    signatures/SHA256-N.xml       the signatures in it, for reading
    certificates/SHA256.pem       the certificates of those who signed packets, and of who signed the checkpoint
    story.txt                     what happened, for a person
    manifest.json                 the files with their hashes, each packet's verification, the agencies named
    entries.jsonl                 the entries about the document, and last the one about this pack; each with its proof
    checkpoint                    the log's head, signed by the agency
    checkpoint.tsr                its time-stamp (RFC 3161, DER), where there is one
    checkpoints.jsonl             earlier heads, each with the proof that the log went on from it

One holds the next: the checkpoint every entry, the last entry the manifest, the manifest every file, the entries the
packets. A reader takes nothing on trust: names, sizes and counts are bounded before anything is unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..errors import EvidenceError
from .checkpoint import Checkpoint, SignedCheckpoint, read_checkpoint
from .entry import MAX_ENTRY_BYTES, LogEntry, parse_entry
from .merkle import HASH_SIZE, hash_leaf, is_consistent, is_included
from .note import MAX_NOTE_BYTES, decode_base64
from .tiles import TreeReader

PACK_FORMAT_2 = "edoc-evidence/2"
PACK_ENTRY_KIND = "packed"
MANIFEST_FILE, STORY_FILE, ENTRIES_FILE = "manifest.json", "story.txt", "entries.jsonl"
CHECKPOINT_FILE, TIMESTAMP_FILE, CHECKPOINTS_FILE = "checkpoint", "checkpoint.tsr", "checkpoints.jsonl"
CHAIN_FILE = "chain.jsonl"
"""Of a pack of the first form: as long as what the agency did since, and read line by line."""
UNLISTED_FILES = frozenset({MANIFEST_FILE, ENTRIES_FILE, CHECKPOINT_FILE, TIMESTAMP_FILE, CHECKPOINTS_FILE})
"""Files that the manifest does not list: they are made after it, and hold it."""
PACKETS_FOLDER = "packets/"
MAX_FILES = 100_000
MAX_DIRECTORY_BYTES = 32 << 20
MAX_FILE_BYTES = 8 << 20
"""Bytes of one file that is no packet."""
MAX_BESIDE_BYTES = 64 << 20
"""Bytes of all files that are no packets."""
MAX_VALUES = 1_000_000
"""Values in one JSON text: what it takes in memory is many times its length."""
MAX_PROOF_HASHES = 64
_MAX_LINE_BYTES = 2 * MAX_ENTRY_BYTES + 16 * 1024
_MIN_PACKET_BYTES, _MAX_PACKET_RATIO = 1 << 30, 100
_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 1
_END_SIZE, _LOCATOR_SIZE, _MAX_COMMENT = 22, 20, 0xFFFF


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """An entry with the proof that it is in the log.

    Args:
        index: number of its leaf, from 0.
        canonical: its canonical bytes.
        proof: hashes beside the path to the root of the pack's checkpoint.
    """

    index: int
    canonical: bytes
    proof: tuple[bytes, ...]

    def is_in(self, head: Checkpoint) -> bool:
        """Tell whether it is in the log with this head."""
        leaf = hash_leaf(self.canonical)
        return is_included(leaf, index=self.index, size=head.size, proof=self.proof, root=head.root)

    def parse(self) -> LogEntry:
        """Parse what it says.

        Raises:
            EvidenceError: it is no entry.
        """
        return parse_entry(self.canonical)


@dataclass(frozen=True, slots=True)
class EarlierHead:
    """A head that the agency signed before, with the proof that the log went on from it.

    Args:
        signed: the head.
        proof: the proof of consistency with the pack's checkpoint.
    """

    signed: SignedCheckpoint
    proof: tuple[bytes, ...]

    def precedes(self, head: Checkpoint) -> bool:
        """Tell whether the log with that head goes on from this one.

        Raises:
            EvidenceError: this is no checkpoint.
        """
        old = read_checkpoint(self.signed)
        return old.origin == head.origin and is_consistent(
            old_size=old.size, new_size=head.size, proof=self.proof, old_root=old.root, new_root=head.root
        )


def prove_entries(reader: TreeReader, entries: Iterable[tuple[int, bytes]]) -> list[ProvenEntry]:
    """Prove entries, given by the numbers of their leaves and their canonical bytes.

    Raises:
        EvidenceError: there is no such leaf, or hashes are missing.
    """
    return [ProvenEntry(index, text, tuple(reader.prove_inclusion(index))) for index, text in entries]


def prove_heads(reader: TreeReader, heads: Iterable[SignedCheckpoint]) -> list[EarlierHead]:
    """Prove that the log goes on from earlier heads.

    Raises:
        EvidenceError: a head is none, or of a larger log, or hashes are missing.
    """
    return [EarlierHead(one, tuple(reader.prove_consistency(read_checkpoint(one).size))) for one in heads]


# -- writing


@dataclass(slots=True)
class PackWriter:
    """A pack in the making.

    Args:
        zip: where it is written.
        files: what was added, for the manifest.
    """

    zip: zipfile.ZipFile
    files: list[dict[str, Any]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, name: str, content: bytes) -> None:
        """Add a file; one that is there already is not added again."""
        if name not in self.names:
            self.zip.writestr(name, content)
            self._list_file(name, hashlib.sha256(content).hexdigest(), len(content))

    def copy(self, name: str, source: IO[bytes]) -> None:
        """Copy a file of any size."""
        digest, size = hashlib.sha256(), 0
        with self.zip.open(name, "w", force_zip64=True) as target:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                target.write(chunk)
                size += len(chunk)
        self._list_file(name, digest.hexdigest(), size)

    def write_manifest(self, facts: Mapping[str, Any]) -> str:
        """Write the manifest, when every file that it lists was added, and return its SHA-256, hex.

        The entry about the pack, of the kind ``packed``, holds that as ``manifest``.

        Args:
            facts: what the manifest says besides: agency, document, packets, organisations.
        """
        values = {**facts, "format": PACK_FORMAT_2, "files": self.files}
        manifest = json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True).encode()
        self.zip.writestr(MANIFEST_FILE, manifest)
        return hashlib.sha256(manifest).hexdigest()

    def finish(
        self, entries: Sequence[ProvenEntry], head: SignedCheckpoint, earlier: Sequence[EarlierHead] = ()
    ) -> None:
        """Write what holds the manifest: the entries, the one about this pack last, and the heads.

        Args:
            entries: in the order of the log.
            head: the head that their proofs lead to.
            earlier: heads that were signed before.
        """
        self.zip.writestr(ENTRIES_FILE, b"".join(map(_format_proven, entries)))
        self.zip.writestr(CHECKPOINT_FILE, head.note)
        if head.timestamp is not None:
            self.zip.writestr(TIMESTAMP_FILE, head.timestamp)
        self.zip.writestr(CHECKPOINTS_FILE, b"".join(map(_format_earlier, earlier)))

    def _list_file(self, name: str, sha256: str, size: int) -> None:
        self.names.add(name)
        self.files.append({"name": name, "sha256": sha256, "size": size})


def _format_proven(one: ProvenEntry) -> bytes:
    return _format_line({"index": one.index, "entry": one.canonical.decode(), "proof": _format_proof(one.proof)})


def _format_earlier(one: EarlierHead) -> bytes:
    stamp = one.signed.timestamp
    values = {"checkpoint": one.signed.note.decode(), "proof": _format_proof(one.proof)}
    return _format_line(values | ({"timestamp": base64.b64encode(stamp).decode()} if stamp is not None else {}))


def _format_proof(proof: Iterable[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in proof]


def _format_line(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# -- reading


@dataclass(slots=True)
class PackReader:
    """A pack that somebody handed over, of either form; open it with `open_pack`.

    Args:
        zip: the file.
        names: its files.
        duplicates: names that it has more than once.
    """

    zip: zipfile.ZipFile
    names: frozenset[str]
    duplicates: tuple[str, ...]

    def read(self, name: str, *, limit: int = MAX_FILE_BYTES) -> bytes:
        """Read a small file.

        Raises:
            EvidenceError: it is missing, there twice, or longer than the limit.
        """
        with self.open(name) as source:
            content = source.read(limit + 1)
        if len(content) > limit:
            raise _bad_pack_error(name, "it is too long")
        return content

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading.

        Raises:
            EvidenceError: it is missing or there twice.
        """
        if name not in self.names or name in self.duplicates:
            raise _bad_pack_error(name, "it is missing, or there twice")
        with self.zip.open(name) as source:
            yield source

    def read_json(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            EvidenceError: it is missing, too large, or no JSON.
        """
        return parse_json(self.read(name), name)

    def read_checkpoint(self) -> SignedCheckpoint:
        """Read the log's head.

        Raises:
            EvidenceError: it is missing or too long.
        """
        stamp = self.read(TIMESTAMP_FILE, limit=MAX_NOTE_BYTES) if TIMESTAMP_FILE in self.names else None
        return SignedCheckpoint(self.read(CHECKPOINT_FILE, limit=MAX_NOTE_BYTES), stamp)

    def read_entries(self) -> Iterator[ProvenEntry]:
        """Read the entries, one after the other.

        Raises:
            EvidenceError: they are missing, or one is no entry with a proof.
        """
        for values in self._read_lines(ENTRIES_FILE):
            index, text = values.get("index"), values.get("entry")
            if type(index) is not int or not isinstance(text, str):
                raise _bad_pack_error(ENTRIES_FILE, "an entry is none")
            yield ProvenEntry(index, text.encode(), _parse_proof(values, ENTRIES_FILE))

    def read_earlier_heads(self) -> Iterator[EarlierHead]:
        """Read the earlier heads.

        Raises:
            EvidenceError: they are missing, or one is none.
        """
        for values in self._read_lines(CHECKPOINTS_FILE):
            note, stamp = values.get("checkpoint"), values.get("timestamp")
            if not isinstance(note, str) or not isinstance(stamp, str | None):
                raise _bad_pack_error(CHECKPOINTS_FILE, "a checkpoint is none")
            signed = SignedCheckpoint(note.encode(), None if stamp is None else decode_base64(stamp))
            yield EarlierHead(signed, _parse_proof(values, CHECKPOINTS_FILE))

    def _read_lines(self, name: str) -> Iterator[Mapping[str, Any]]:
        with self.open(name) as source:
            while line := source.readline(_MAX_LINE_BYTES):
                values = parse_json(line, name)
                if not line.endswith(b"\n") or not isinstance(values, dict):
                    raise _bad_pack_error(name, "a line is too long, cut off, or no object")
                yield values


@contextmanager
def open_pack(path: Path) -> Iterator[PackReader]:
    """Open a pack, when its list of files is within limits.

    Raises:
        EvidenceError: it is no zip, or has too many files, or would unpack to far more than a pack holds.
        OSError: it cannot be read.
    """
    check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _bad_pack_error(path.name, "it is no zip") from error
    with archive:
        _check_sizes(archive, path)
        counts = Counter(archive.namelist())
        yield PackReader(archive, frozenset(counts), tuple(name for name, count in counts.items() if count > 1))


def parse_json(text: bytes, name: str) -> Any:
    """Parse JSON of anybody in memory that its length bounds.

    Raises:
        EvidenceError: it is none, or has too many values.
    """
    if text.count(b",") + text.count(b"[") + text.count(b"{") + text.count(b":") > MAX_VALUES:
        raise _bad_pack_error(name, "it has too many values")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad_pack_error(name, "it is no JSON") from error


def _parse_proof(values: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    hashes = values.get("proof")
    if not isinstance(hashes, list) or len(hashes) > MAX_PROOF_HASHES:
        raise _bad_pack_error(name, "a proof is none")
    proof = tuple(decode_base64(one) if isinstance(one, str) else b"" for one in hashes)
    if any(len(one) != HASH_SIZE for one in proof):
        raise _bad_pack_error(name, "a proof is none")
    return proof


def check_directory(path: Path) -> None:
    """Check how long the list of files is, before zipfile reads it as a whole (APPNOTE.TXT, 4.3.14 to 4.3.16).

    Raises:
        EvidenceError: it is no zip, or has too many files.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _END_SIZE - _MAX_COMMENT - _LOCATOR_SIZE))
        tail = file.read()
        place = tail.rfind(b"PK\x05\x06")
        if place < 0 or len(tail) - place < _END_SIZE:
            raise _bad_pack_error(path.name, "it is no zip")
        count, length = struct.unpack_from("<HI", tail, place + 10)
        locator = tail[max(0, place - _LOCATOR_SIZE) : place]
        if locator[:4] == b"PK\x06\x07":
            (offset,) = struct.unpack_from("<Q", locator, 8)
            file.seek(min(offset, size))
            record = file.read(56)
            if len(record) < 56 or record[:4] != b"PK\x06\x06":
                raise _bad_pack_error(path.name, "it is no zip")
            count, length = struct.unpack_from("<QQ", record, 32)
    if count > MAX_FILES or length > MAX_DIRECTORY_BYTES:
        raise _bad_pack_error(path.name, "it has too many files")


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    packet_bytes = beside_bytes = 0
    for info in archive.infolist():
        # other ways of compressing are unpacked by libraries that cannot be told to stop
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & _ENCRYPTED:
            raise _bad_pack_error(path.name, "it is compressed or encrypted as no pack is")
        if info.filename.startswith(PACKETS_FOLDER) or info.filename == CHAIN_FILE:
            packet_bytes += info.file_size
        else:
            beside_bytes += info.file_size
    if beside_bytes > MAX_BESIDE_BYTES:
        raise _bad_pack_error(path.name, f"what is beside the packets is {beside_bytes} bytes long")
    if packet_bytes > max(_MIN_PACKET_BYTES, _MAX_PACKET_RATIO * path.stat().st_size):
        raise _bad_pack_error(path.name, f"its packets would be {packet_bytes} bytes long")


def _bad_pack_error(where: str, why: str) -> EvidenceError:
    return EvidenceError(f"{where}: {why}", vi=f"{where}: gói bằng chứng không hợp lệ ({why})")
