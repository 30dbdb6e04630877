"""Archives of the evidence: old entries of a log in a file, with the proof that they are the ones that were signed.

It is a zip::

    archive.json                  whose entries, from which place to which, why and by whom; and the proofs
    entries/FIRST.jsonl           the entries in the log's order, about a thousand in each; FIRST is a place, 18 digits
    checkpoint                    a head of the log, signed by the agency
    checkpoint.tsr                its time-stamp (RFC 3161, DER), where there is one
    certificates.pem              the certificates of who signed it
    minutes.txt                   the minutes of the removal from the database

``range`` has the roots of the whole subtrees before the first entry: with the entries they lead to the root of the log
as it was behind the last one, and ``proof`` from there to the checkpoint (RFC 9162, 2.1.4). Of an entry that stayed in
the database, since a document is held, a file has the hash alone.
"""

from __future__ import annotations

import base64
import json
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509

from ..errors import ArchiveRefused, EvidenceError, describe_system_error, describe_system_error_vi
from ..signing import read_certificates
from .checkpoint import SignedCheckpoint, read_checkpoint
from .entry import MAX_ENTRY_BYTES
from .merkle import HASH_SIZE, CompactRange, hash_leaf, is_consistent
from .note import MAX_NOTE_BYTES, decode_base64
from .pack import CHECKPOINT_FILE, MAX_PROOF_HASHES, TIMESTAMP_FILE, check_directory, parse_json

ARCHIVE_FORMAT = "edoc-evidence-archive/1"
FACTS_FILE, MINUTES_FILE, CERTIFICATES_FILE = "archive.json", "minutes.txt", "certificates.pem"
MAX_ARCHIVE_ENTRIES = 1_000_000
"""Entries in one archive; what is older still goes to the next."""
_FOLDER, _SUFFIX, _DIGITS = "entries/", ".jsonl", 18
_CHUNK_ENTRIES, _CHUNK_BYTES = 1024, 1 << 20
_MAX_LINE_BYTES = 2 * MAX_ENTRY_BYTES + 1024
_MAX_SMALL_BYTES = 1 << 20
_MIN_BYTES, _MAX_RATIO = 1 << 30, 200

# What a file of anybody, or a damaged one, makes zipfile and its reader trip over.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, RuntimeError, LookupError,
           TypeError, ValueError)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArchivedLeaf:
    """An entry of an archive.

    Args:
        index: its place in the log, from 0.
        leaf_hash: the hash of its leaf.
        canonical: its canonical bytes; None where it stayed in the database.
    """

    index: int
    leaf_hash: bytes
    canonical: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFacts:
    """What an archive says of itself.

    Args:
        origin: the log's name.
        agency: code of the agency.
        first: place of the first entry, from 0.
        end: place behind the last.
        entries: how many it has; the others stayed.
        before: what is older was archived, ISO 8601.
        made_at: when, ISO 8601.
        by: who did it.
        signed: whether the checkpoint was signed.
        peaks: roots of the whole subtrees before the first entry, the largest first.
        proof: the proof that the log of the checkpoint goes on from the last entry.
    """

    origin: str
    agency: str
    first: int
    end: int
    entries: int
    before: str
    made_at: str
    by: str
    signed: bool
    peaks: tuple[bytes, ...]
    proof: tuple[bytes, ...]

    def format(self) -> bytes:
        """Format them as they stand in the file."""
        values = {
            "format": ARCHIVE_FORMAT, "origin": self.origin, "agency": self.agency, "first": self.first,
            "end": self.end, "entries": self.entries, "before": self.before, "made_at": self.made_at, "by": self.by,
            "signed": self.signed, "range": _encode(self.peaks), "proof": _encode(self.proof),
        }  # fmt: skip
        return json.dumps(values, ensure_ascii=False, indent=1).encode()


# -- writing


@dataclass(slots=True)
class ArchiveWriter:
    """An archive in the making.

    Args:
        zip: where it is written.
    """

    zip: zipfile.ZipFile
    _lines: list[bytes] = field(default_factory=list)
    _first: int = 0
    _size: int = 0

    def add(self, leaf: ArchivedLeaf) -> None:
        """Add the next entry of the log."""
        if not self._lines:
            self._first = leaf.index
        body = {"leaf": base64.b64encode(leaf.leaf_hash).decode()}
        if leaf.canonical is not None:
            body = {"entry": leaf.canonical.decode()}
        self._lines.append(json.dumps({"index": leaf.index, **body}, ensure_ascii=False).encode() + b"\n")
        self._size += len(self._lines[-1])
        if len(self._lines) >= _CHUNK_ENTRIES or self._size >= _CHUNK_BYTES:
            self._write_lines()

    def finish(self, facts: ArchiveFacts, head: SignedCheckpoint, *, certificates: bytes, minutes: str) -> None:
        """Write what holds the entries.

        Args:
            facts: what the archive says of itself.
            head: the checkpoint that the proof leads to.
            certificates: of who signed it, PEM.
            minutes: of the removal from the database.
        """
        self._write_lines()
        self.zip.writestr(CHECKPOINT_FILE, head.note)
        if head.timestamp is not None:
            self.zip.writestr(TIMESTAMP_FILE, head.timestamp)
        self.zip.writestr(CERTIFICATES_FILE, certificates)
        self.zip.writestr(MINUTES_FILE, minutes.encode())
        self.zip.writestr(FACTS_FILE, facts.format())

    def _write_lines(self) -> None:
        if self._lines:
            self.zip.writestr(f"{_FOLDER}{self._first:0{_DIGITS}}{_SUFFIX}", b"".join(self._lines))
            self._lines, self._size = [], 0


# -- reading


@dataclass(slots=True)
class ArchiveReader:
    """An archive; open it with `open_archive`.

    Args:
        path: the file.
        zip: the same, opened.
        facts: what it says of itself.
        chunks: place of the first entry of each part.
    """

    path: Path
    zip: zipfile.ZipFile
    facts: ArchiveFacts
    chunks: tuple[int, ...]
    _chunk: tuple[int, dict[int, ArchivedLeaf]] | None = None

    def read_leaf(self, index: int) -> ArchivedLeaf:
        """Read one entry.

        Raises:
            ArchiveRefused: it is not there, or the file is damaged.
        """
        first = self.chunks[max(0, bisect_right(self.chunks, index) - 1)]
        if self._chunk is None or self._chunk[0] != first:
            self._chunk = (first, {leaf.index: leaf for leaf in self._read_chunk(first)})
        found = self._chunk[1].get(index)
        if found is None:
            raise _refuse(self.path, f"entry {index + 1} is not in it", f"thiếu mục {index + 1}")
        return found

    def read_leaves(self) -> Iterator[ArchivedLeaf]:
        """Read every entry, in order.

        Raises:
            ArchiveRefused: one is missing, out of place or none, or the file is damaged.
        """
        expected = self.facts.first
        for first in self.chunks:
            for leaf in self._read_chunk(first):
                if leaf.index != expected:
                    raise _refuse(self.path, f"entry {expected + 1} is not in its place", f"sai vị trí {expected + 1}")
                expected += 1
                yield leaf
        if expected != self.facts.end:
            raise _refuse(
                self.path, f"it ends with entry {expected}, and not {self.facts.end}", f"bị cắt ở mục {expected}"
            )

    def read_head(self) -> SignedCheckpoint:
        """Read the checkpoint.

        Raises:
            ArchiveRefused: it is missing, or the file is damaged.
        """
        has_stamp = TIMESTAMP_FILE in self.zip.namelist()
        stamp = self._read(TIMESTAMP_FILE, MAX_NOTE_BYTES) if has_stamp else None
        return SignedCheckpoint(self._read(CHECKPOINT_FILE, MAX_NOTE_BYTES), stamp)

    def read_certificates(self) -> tuple[x509.Certificate, ...]:
        """Read the certificates of who signed the checkpoint; none of them is trusted for being here.

        Raises:
            ArchiveRefused: they are none, or the file is damaged.
        """
        pem = self._read(CERTIFICATES_FILE, _MAX_SMALL_BYTES)
        with _refuse_damage(self.path):
            return tuple(read_certificates(pem)) if pem else ()

    def require_proven(self) -> bytes:
        """Require that its entries lead to its checkpoint; returns the root of the log behind the last entry.

        Raises:
            ArchiveRefused: they do not: the file was changed or cut off.
        """
        grown, bodies = CompactRange(self.facts.first, list(self.facts.peaks)), 0
        for leaf in self.read_leaves():
            grown.extend((leaf.leaf_hash,))
            bodies += leaf.canonical is not None
        root = grown.compute_root()
        try:
            head = read_checkpoint(self.read_head())
        except EvidenceError as error:
            raise _refuse(self.path, error.message, error.vi) from error
        is_proven = head.origin == self.facts.origin and is_consistent(
            old_size=grown.size, new_size=head.size, proof=self.facts.proof, old_root=root, new_root=head.root
        )
        if not is_proven or bodies != self.facts.entries or head.agency != self.facts.agency:
            raise _refuse(
                self.path,
                "its entries do not lead to the checkpoint in it: it was changed",
                "các mục không dẫn tới điểm kiểm chứng trong tệp: tệp đã bị sửa đổi",
            )
        return root

    def _read_chunk(self, first: int) -> Iterator[ArchivedLeaf]:
        with (
            _refuse_damage(self.path),
            self.zip.open(f"{_FOLDER}{first:0{_DIGITS}}{_SUFFIX}") as lines,
        ):
            while line := lines.readline(_MAX_LINE_BYTES):
                yield _parse_leaf(line)

    def _read(self, name: str, limit: int) -> bytes:
        with _refuse_damage(self.path), self.zip.open(name) as source:
            content = source.read(limit + 1)
        if len(content) > limit:
            raise _refuse(self.path, f"{name} is too long", f"{name} quá dài")
        return content


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive of the evidence, whole or not, and not a pack.

    Raises:
        OSError: it cannot be read.
    """
    try:
        check_directory(path)
        with zipfile.ZipFile(path) as archive:
            return FACTS_FILE in archive.namelist()
    except (EvidenceError, *_DAMAGE):
        return False


@contextmanager
def open_archive(path: Path) -> Iterator[ArchiveReader]:
    """Open an archive, and read what it says of itself.

    Raises:
        ArchiveRefused: it is none, is cut off or damaged, would unpack to far more than an archive holds, or cannot be
            read.
    """
    with _refuse_damage(path):
        check_directory(path)
        archive = zipfile.ZipFile(path)
    with archive:
        with _refuse_damage(path):
            _check_sizes(archive, path)
            with archive.open(FACTS_FILE) as source:
                facts = _parse_facts(source.read(_MAX_SMALL_BYTES))
            names = (name for name in archive.namelist() if name.startswith(_FOLDER) and name.endswith(_SUFFIX))
            chunks = sorted(int(name.removeprefix(_FOLDER).removesuffix(_SUFFIX)) for name in names)
        if not chunks or chunks[0] != facts.first or not facts.first < facts.end:
            raise _refuse(path, "its first entry is missing", "thiếu mục đầu tiên")
        yield ArchiveReader(path, archive, facts, tuple(chunks))


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    methods = {info.compress_type for info in archive.infolist()}
    if methods - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or any(info.flag_bits & 1 for info in archive.infolist()):
        raise ValueError("it is compressed or encrypted as no archive is")
    if sum(info.file_size for info in archive.infolist()) > max(_MIN_BYTES, _MAX_RATIO * path.stat().st_size):
        raise ValueError("it would unpack to far more than an archive holds")


def _parse_facts(text: bytes) -> ArchiveFacts:
    values = parse_json(text, FACTS_FILE)
    if not isinstance(values, dict) or values.get("format") != ARCHIVE_FORMAT:
        raise ValueError(f"its format is not {ARCHIVE_FORMAT}")
    facts = ArchiveFacts(
        **{name: _take(values, name, str) for name in ("origin", "agency", "before", "made_at", "by")},
        **{name: _take(values, name, int) for name in ("first", "end", "entries")},
        signed=_take(values, "signed", bool),
        peaks=_decode(values, "range"),
        proof=_decode(values, "proof"),
    )
    if facts.first < 0 or len(facts.peaks) != facts.first.bit_count():
        raise ValueError("its range is none")
    return facts


def _take(values: Mapping[str, Any], name: str, kind: type) -> Any:
    value = values.get(name)
    if type(value) is not kind:
        raise ValueError(f"'{name}' is missing, or of another kind")
    return value


def _decode(values: Mapping[str, Any], name: str) -> tuple[bytes, ...]:
    texts = _take(values, name, list)
    hashes = tuple(decode_base64(str(one)) for one in texts[: MAX_PROOF_HASHES + 1])
    if len(hashes) > MAX_PROOF_HASHES or any(len(one) != HASH_SIZE for one in hashes):
        raise ValueError(f"'{name}' holds no hashes")
    return hashes


def _encode(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(one).decode() for one in hashes]


def _parse_leaf(line: bytes) -> ArchivedLeaf:
    values = parse_json(line, _FOLDER)
    if not line.endswith(b"\n") or not isinstance(values, dict):
        raise ValueError("a line is too long, cut off, or no object")
    index = _take(values, "index", int)
    if "entry" in values:
        canonical = _take(values, "entry", str).encode()
        return ArchivedLeaf(index, hash_leaf(canonical), canonical)
    leaf_hash = decode_base64(_take(values, "leaf", str))
    if len(leaf_hash) != HASH_SIZE:
        raise ValueError("a leaf has no hash")
    return ArchivedLeaf(index, leaf_hash, None)


@contextmanager
def _refuse_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except ArchiveRefused:
        raise
    except EvidenceError as error:
        raise _refuse(path, error.message, error.vi) from error
    except OSError as error:
        raise _refuse(path, describe_system_error(error), describe_system_error_vi(error)) from error
    except _DAMAGE as error:
        why, why_vi = "it is none, or damaged", "không phải tệp lưu trữ hoặc đã hỏng"
        raise _refuse(path, f"{why}: {error}", f"{why_vi}: {error}") from error


def _refuse(path: Path, why: str, why_vi: str) -> ArchiveRefused:
    return ArchiveRefused(
        f"{path} is no archive of the evidence that can be used: {why.rstrip('.')}. Take another copy of the file.",
        vi=f"không dùng được tệp lưu trữ bằng chứng {path}: {why_vi.rstrip('.')}. Hãy dùng bản sao khác của tệp.",
    )
