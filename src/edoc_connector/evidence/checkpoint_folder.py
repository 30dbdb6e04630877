"""Checkpoints outside the database: on another disk, the mount of an object store, or a colleague's machine.

A log has a folder of its own in it::

    H29.05-9f2c61d07be94a35/
        000000000000001024.checkpoint                        the signed note
        000000000000001024.tsr                               its time-stamp (RFC 3161, DER), where there is one
        000000000000000000-000000000000001024.leaves         hashes of the leaves since the one before, 32 bytes each
        SHA256.pem                                           certificates of those who signed

A checkpoint takes its name last, when all that belongs to it is there, and no file is ever written over. Whatever lies
in such a folder when it is read is somebody else's: names that are not of this form are left alone, and sizes are
bounded.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from .._core import make_private_folder, open_atomic
from ..errors import EvidenceError, describe_system_error, describe_system_error_vi
from ..signing import fingerprint, read_certificates
from .checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint, read_checkpoint
from .merkle import HASH_SIZE
from .note import MAX_NOTE_BYTES, parse_note

MAX_NAMES = 2_000_000
"""Files in one folder that are looked at."""
MAX_CERTIFICATES = 100
_MAX_SMALL_BYTES = 64 * 1024
_DIGITS = 18
_CHECKPOINT_NAME = re.compile(r"([0-9]{18})\.checkpoint", re.ASCII)
_LEAVES_NAME = re.compile(r"([0-9]{18})-([0-9]{18})\.leaves", re.ASCII)
_CERTIFICATE_NAME = re.compile(r"[0-9a-f]{64}\.pem", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeptCheckpoint:
    """A checkpoint that was kept.

    Args:
        checkpoint: what it says.
        signed: the note and its time-stamp.
        name: where it is, for a person.
    """

    checkpoint: Checkpoint
    signed: SignedCheckpoint
    name: str


@dataclass(frozen=True, slots=True)
class KeptLog:
    """What a folder has of one log.

    Args:
        checkpoints: by size, the smallest first.
        damaged: names of files that are no checkpoints, or cannot be read.
        certificates: those of who signed, none of them trusted for being here.
        leaf_files: files of leaf hashes: first leaf, leaf behind the last, path.
    """

    checkpoints: tuple[KeptCheckpoint, ...]
    damaged: tuple[str, ...]
    certificates: tuple[x509.Certificate, ...]
    leaf_files: tuple[tuple[int, int, Path], ...]

    def read_leaves(self, first: int, end: int) -> Iterator[bytes]:
        """Read the hashes of leaves that were kept; it ends early where one is missing.

        They are not vouched for: what they lead to must be the root of a checkpoint.

        Args:
            first: number of the first leaf.
            end: number behind the last.
        """
        for begin, behind, path in self.leaf_files:
            if begin <= first < behind and first < end:
                with _open_plain(path) as file:
                    file.seek((first - begin) * HASH_SIZE)
                    for _ in range(min(behind, end) - first):
                        leaf_hash = file.read(HASH_SIZE)
                        if len(leaf_hash) != HASH_SIZE:
                            return
                        yield leaf_hash
                first = min(behind, end)


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """A folder that keeps checkpoints.

    Args:
        path: the folder; `save` makes it.
    """

    path: Path

    def save(
        self,
        signed: SignedCheckpoint,
        *,
        certificates: Sequence[x509.Certificate] = (),
        first_leaf: int = 0,
        leaf_hashes: Sequence[bytes] = (),
    ) -> Path:
        """Save a checkpoint so that it outlives a power cut.

        Args:
            signed: the checkpoint.
            certificates: the signer's, then those that lead towards a root.
            first_leaf: number of the first of `leaf_hashes`: the size of the checkpoint before.
            leaf_hashes: hashes of the leaves that came since.

        Raises:
            EvidenceError: another head of that size was kept: the log was forked; or the folder cannot be written.
        """
        checkpoint = read_checkpoint(signed)
        folder = self.path / build_folder_name(checkpoint.origin)
        target = folder / f"{checkpoint.size:0{_DIGITS}}.checkpoint"
        try:
            make_private_folder(folder)
            if target.exists():
                _require_same_root(target, checkpoint)
                return target
            if leaf_hashes:
                name = f"{first_leaf:0{_DIGITS}}-{first_leaf + len(leaf_hashes):0{_DIGITS}}.leaves"
                _write_new(folder / name, b"".join(leaf_hashes))
            for certificate in certificates:
                _write_new(folder / f"{fingerprint(certificate)}.pem", certificate.public_bytes(Encoding.PEM))
            if signed.timestamp is not None:
                _write_new(target.with_suffix(".tsr"), signed.timestamp)
            _write_new(target, signed.note)
        except OSError as error:
            raise _cannot_keep_error(folder, error) from error
        return target

    def require_readable(self) -> None:
        """Require that the folder is there and can be read.

        Raises:
            EvidenceError: it is not, or cannot.
        """
        try:
            with os.scandir(self.path):
                return
        except OSError as error:
            raise _cannot_read_error(self.path, error) from error

    def read(self, origin: str) -> KeptLog:
        """Read what is kept of a log, in this folder itself or in the log's own folder in it.

        Args:
            origin: the log's name. Checkpoints of other logs are left out.

        Raises:
            EvidenceError: the folder cannot be read, or holds too many files.
        """
        try:
            found = [name for folder in self._list_folders(origin) for name in _list_files(folder)]
        except OSError as error:
            raise _cannot_read_error(self.path, error) from error
        kept, damaged = [], []
        for path in found:
            if not _CHECKPOINT_NAME.fullmatch(path.name):
                continue
            one = _read_kept(path)
            if one is None:
                damaged.append(path.name)
            elif one.checkpoint.origin == origin:
                kept.append(one)
        return KeptLog(
            checkpoints=tuple(sorted(kept, key=lambda one: one.checkpoint.size)),
            damaged=tuple(sorted(damaged)),
            certificates=tuple(_read_certificates(found)),
            leaf_files=tuple(sorted(_find_leaf_files(found))),
        )

    def _list_folders(self, origin: str) -> Iterator[Path]:
        yield self.path
        own = self.path / build_folder_name(origin)
        if own.is_dir() and not own.is_symlink():
            yield own


def build_folder_name(origin: str) -> str:
    """Build the name of a log's folder: its origin without the part that all have, in letters fit for any disk."""
    name = quote(origin.partition("/")[2] or origin, safe="").replace("%2F", "-")[-200:]
    return name if name.strip(".") else f"log{name}"


def _list_files(folder: Path) -> list[Path]:
    found: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(found) >= MAX_NAMES:
                raise EvidenceError(
                    f"{folder} holds more than {MAX_NAMES} files; give the folder of the checkpoints.",
                    vi=f"{folder} chứa hơn {MAX_NAMES} tệp; hãy chỉ đúng thư mục lưu điểm kiểm chứng.",
                )
            if entry.is_file(follow_symlinks=False):
                found.append(Path(entry.path))
    return found


def _read_kept(path: Path) -> KeptCheckpoint | None:
    """Read a checkpoint; None where the file is none, or not of the size in its name."""
    note = _read_small(path, MAX_NOTE_BYTES)
    if note is None:
        return None
    try:
        checkpoint = parse_checkpoint(parse_note(note).text)
    except EvidenceError:
        return None
    if checkpoint.size != int(path.stem):
        return None
    return KeptCheckpoint(checkpoint, SignedCheckpoint(note, _read_small(path.with_suffix(".tsr"))), path.name)


def _read_certificates(paths: Sequence[Path]) -> Iterator[x509.Certificate]:
    named = sorted(path for path in paths if _CERTIFICATE_NAME.fullmatch(path.name))
    for path in named[:MAX_CERTIFICATES]:
        try:
            yield from read_certificates(_read_small(path) or b"")
        except ValueError:
            continue  # a signature that needs it is then one of an unknown key


def _find_leaf_files(paths: Sequence[Path]) -> Iterator[tuple[int, int, Path]]:
    for path in paths:
        if (found := _LEAVES_NAME.fullmatch(path.name)) and int(found[1]) < int(found[2]):
            yield int(found[1]), int(found[2]), path


def _require_same_root(target: Path, checkpoint: Checkpoint) -> None:
    kept = _read_kept(target)
    if kept is None or (kept.checkpoint.origin, kept.checkpoint.root) != (checkpoint.origin, checkpoint.root):
        raise EvidenceError(
            f"{target} was kept before, and is not the head that the log has now: the log was rewritten, or its "
            "database restored to an older copy. Run edoc fsck, and keep that file.",
            vi=f"{target} đã được lưu trước đó và khác với nhật ký hiện tại: nhật ký đã bị viết lại hoặc cơ sở dữ liệu "
            "được khôi phục từ bản cũ. Hãy chạy edoc fsck và giữ nguyên tệp này.",
        )


def _write_new(target: Path, content: bytes) -> None:
    """Write a file whole, unless one of that name is there: it was written before a crash, or by another process."""
    if not target.exists():
        with open_atomic(target, durable=True) as out:
            out.write(content)


def _read_small(path: Path, limit: int = _MAX_SMALL_BYTES) -> bytes | None:
    """Read a small plain file; None where there is none, or it is too long."""
    try:
        with _open_plain(path) as file:
            content = file.read(limit + 1)
    except OSError:
        return None
    return content if len(content) <= limit else None


@contextmanager
def _open_plain(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, but no link and no pipe, which might never end.

    Raises:
        OSError: it is not there, or no plain file.
    """
    flags = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(22, "no plain file")
        yield file


def _cannot_keep_error(folder: Path, error: OSError) -> EvidenceError:
    return EvidenceError(
        f"the checkpoint cannot be kept in {folder}: {describe_system_error(error)}; mend [evidence] checkpoints.",
        vi=f"không lưu được điểm kiểm chứng vào {folder}: {describe_system_error_vi(error)}; "
        "hãy sửa mục checkpoints trong [evidence].",
    )


def _cannot_read_error(folder: Path, error: OSError) -> EvidenceError:
    return EvidenceError(
        f"the checkpoints in {folder} cannot be read: {describe_system_error(error)}.",
        vi=f"không đọc được điểm kiểm chứng trong {folder}: {describe_system_error_vi(error)}.",
    )
