"""The spool: packets as files, under names that we make."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from .._core import sync_folder
from ..errors import NotFound, StoreError
from ._sql import as_store_error, translate_driver_errors

_NAME_PATTERN = re.compile(r"[0-9a-f]{32}\.edxml")
_OWNER_MARK = "8"  # where a random UUID has its version, 4: a name that ends in its owner's tag
_TAG_DIGITS = 8  # digits of it
_CHUNK = 1024 * 1024


class Altered(StoreError):
    """A file's bytes are not those that were stored: reading it again cannot help."""


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file that is safe on disk.

    Args:
        name: its name in the spool.
        sha256: hash of its bytes, hex.
        size: its length in bytes.
    """

    name: str
    sha256: str
    size: int


class Spool:
    """Packets as files in one folder.

    No name comes from outside: a file is called by a random number, and lies in a sub-folder of its first two digits so
    that no folder grows without end. A file that has its name is complete: it was written under ``tmp``, flushed to the
    disk, renamed, and its folder was flushed too.

    The end of a name tells whose file it is (`parse_owner_tag`): agencies with databases of their own may share a
    folder, and a file that no row of one of them names may be another one's.

    Args:
        root: the folder; made where it is missing.
        owner: code of the agency that this object keeps files for; empty where nobody asks.
    """

    def __init__(self, root: Path, *, owner: str = "") -> None:
        self.root = root
        self._tmp = root / "tmp"
        self._owner_tag = compute_owner_tag(owner) if owner else ""
        self._flushed_folders: set[str] = set()
        with translate_driver_errors():
            self._tmp.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def draft_file(self) -> Iterator[Path]:
        """Give a path for a file in the making; a file left there at the end is removed.

        Yields:
            a path that does not exist yet, on the same disk as the spool.
        """
        draft = self._tmp / secrets.token_hex(16)
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)

    def keep_draft(self, draft: Path) -> SpoolFile:
        """Keep a finished draft in the spool.

        Raises:
            StoreError: the disk is full, or will not have it.
        """
        name = f"{self._make_name()}.edxml"
        folder = f"{self.root}/{name[:2]}"
        try:
            sha256, size = _hash_and_flush(draft)
            try:
                draft.rename(f"{folder}/{name}")
            except FileNotFoundError:
                Path(folder).mkdir(exist_ok=True)
                self._flushed_folders.discard(folder)
                draft.rename(f"{folder}/{name}")
            sync_folder(folder)
            if folder not in self._flushed_folders:  # whoever made it, its own name is on the disk from here on
                sync_folder(self.root)
                self._flushed_folders.add(folder)
        except OSError as error:
            raise as_store_error(error) from error
        return SpoolFile(name, sha256, size)

    def locate(self, name: str) -> Path:
        """Locate a file of the spool.

        Raises:
            StoreError: the name is none that the spool gives.
        """
        if not _NAME_PATTERN.fullmatch(name):
            raise StoreError(f"{name!r} is no name of a spool file.", vi=f"{name!r} không phải tên tệp trong kho tạm.")
        return Path(f"{self.root}/{name[:2]}/{name}")

    def verify_file(self, name: str, sha256: str) -> Path:
        """Verify a file against the hash that was stored; returns its path.

        Raises:
            NotFound: the file is gone.
            Altered: its bytes were changed.
            StoreError: it cannot be read now.
        """
        path = self.locate(name)
        try:
            actual = compute_sha256(path)
        except (FileNotFoundError, IsADirectoryError):
            raise NotFound(
                f"the packet {path} is gone from the spool: restore it from a backup.",
                vi=f"Gói tin {path} không còn trong kho tạm: hãy khôi phục từ bản sao lưu.",
            ) from None
        except OSError as error:
            raise as_store_error(error) from error
        if actual != sha256:
            raise Altered(
                f"the packet {path} is not the one that was stored: its hash is {actual}, it was {sha256}. "
                "Restore it from a backup.",
                vi=f"Gói tin {path} không còn là gói đã lưu (mã băm {actual}, trước đây {sha256}). "
                "Hãy khôi phục từ bản sao lưu.",
            )
        return path

    def has(self, name: str, sha256: str) -> bool:
        """Whether a packet is here with the bytes that were stored."""
        try:
            self.verify_file(name, sha256)
        except (NotFound, StoreError):
            return False
        return True

    def discard(self, name: str) -> None:
        """Remove a file that no row names: the transaction that was to keep it did not happen."""
        self.locate(name).unlink(missing_ok=True)

    def _make_name(self) -> str:
        number = uuid4().hex
        return f"{number[:12]}{_OWNER_MARK}{number[13:-_TAG_DIGITS]}{self._owner_tag}" if self._owner_tag else number


def compute_owner_tag(owner: str) -> str:
    """Compute the tag that ends the names of an agency's files."""
    return hashlib.sha256(owner.encode()).hexdigest()[:_TAG_DIGITS]


def parse_owner_tag(name: str) -> str | None:
    """Parse the tag of the agency whose file it is; None where its name does not tell, made by an older version."""
    number = name.partition(".")[0]
    return number[-_TAG_DIGITS:] if number[12] == _OWNER_MARK else None


def compute_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, hex."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_and_flush(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb+", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest(), size
