"""The spool: packets as files, under names that we make."""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from ..._core import (
    AnyFile,
    HeldFile,
    create_private,
    get_path,
    make_private_folder,
    open_file,
    require_own_folder,
    sync_folder,
    tighten,
    tighten_folder,
)
from ...errors import NotFound, StoreError
from .._sql import as_store_error, translate_driver_errors
from .encrypted_file import Altered, EncryptedFile, SpoolKeys, compute_sha256, encrypt_stream

ORPHANS_FOLDER = "orphans"
ENCRYPTED_SUFFIX = ".enc"
_DRAFTS_FOLDER = "tmp"
_DRAFT_PATTERN = re.compile(r"\.?[0-9a-f]{32}(\..*)?|\.edoc-[0-9a-f]{16}\.part")
_FOLDER_PATTERN = re.compile(r"[0-9a-f]{2}")
_FILE_PATTERN = re.compile(r"(?:[0-9]+-)?([0-9a-f]{32}\.edxml)(\.enc)?")  # with a time where it was set aside
_NAME_PATTERN = re.compile(r"[0-9a-f]{32}\.edxml")
_OWNER_MARK = "8"  # where a random UUID has its version, 4: a name that ends in its owner's tag
_TAG_DIGITS = 8  # digits of it
_CHUNK = 1024 * 1024
_TRIAL_BYTES = bytes(64 * 1024)


PacketFile: TypeAlias = Path | EncryptedFile


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file that is safe on disk.

    Args:
        name: its name in the spool.
        sha256: hash of its bytes, hex.
        size: its length in bytes.
        held: the same bytes in memory, of a small file that was written just now.
    """

    name: str
    sha256: str
    size: int
    held: HeldFile | None = field(default=None, repr=False, compare=False)


class Spool:
    """Packets as files in one folder.

    No name comes from outside: a file is called by a random number, and lies in a sub-folder of its first two digits so
    that no folder grows without end. A file that has its name is complete: it was written under ``tmp``, flushed to the
    disk, renamed, and its folder was flushed too.

    The end of a name tells whose file it is (`parse_owner_tag`): agencies with databases of their own may share a
    folder, and a file that no row of one of them names may be another one's.

    Folders and files are for this user alone; those that an older version left open to others are closed.

    With a key, what comes in is encrypted, and lies under its name with ``.enc`` behind it; what is there is read as it
    is, until `rewrite` encrypts it.

    Args:
        root: the folder; made where it is missing.
        owner: code of the agency that this object keeps files for; empty where nobody asks.
        keys: the keys of encrypted files.
        drafts: folder of files in the making, which are not encrypted; left out, one in `root`. Another file system
            than that of `root` is possible with a key only.

    Raises:
        StoreError: the folder of files in the making is another user's.
    """

    def __init__(
        self, root: Path, *, owner: str = "", keys: SpoolKeys | None = None, drafts: Path | None = None
    ) -> None:
        self.root = root
        self.drafts_folder = drafts if drafts is not None else root / _DRAFTS_FOLDER
        self._owner_tag = compute_owner_tag(owner) if owner else ""
        self._keys = keys or SpoolKeys()
        self._flushed_folders: set[str] = set()
        with translate_driver_errors():
            _make_private(root)
            make_private_folder(self.drafts_folder)
            if drafts is not None:
                require_own_folder(drafts, beside=root)

    @contextmanager
    def draft_file(self) -> Iterator[Path]:
        """Give a path for a file in the making; a file left there at the end is removed.

        Yields:
            a path that does not exist yet, on the same disk as the spool.
        """
        draft = self.drafts_folder / secrets.token_hex(16)
        try:
            yield draft
        finally:
            with translate_driver_errors():  # a folder that is read-only says so of what is not there, too
                draft.unlink(missing_ok=True)

    def require_writable(self) -> None:
        """Require that the folder takes files: one of a few bytes is written, flushed to the disk and removed.

        Raises:
            StoreError: it does not; the disk is full for example.
        """
        with translate_driver_errors(), self.draft_file() as draft, create_private(draft) as file:
            file.write(_TRIAL_BYTES)
            file.flush()
            os.fsync(file.fileno())

    def keep_draft(self, draft: Path) -> SpoolFile:
        """Keep a finished draft in the spool.

        Raises:
            StoreError: the disk is full, or will not have it.
        """
        name = f"{self._make_name()}.edxml"
        try:
            sha256, size = self._keep(draft, name)
        except OSError as error:
            raise as_store_error(error) from error
        return SpoolFile(name, sha256, size)

    def keep_content(self, content: bytes) -> SpoolFile:
        """Keep a small packet in the spool that is in memory: it is hashed once and written once.

        Raises:
            StoreError: the disk is full, or will not have it.
        """
        name = f"{self._make_name()}.edxml"
        plain, encrypted = self._list_places(name)
        held = HeldFile(plain, hashlib.sha256(content).hexdigest(), content)
        try:
            if self._keys.current is not None:
                self._encrypt(held, encrypted, name)
            else:
                self._write_plain(content, plain)
        except OSError as error:
            raise as_store_error(error) from error
        return SpoolFile(name, held.sha256, len(content), held)

    def _write_plain(self, content: bytes, place: Path) -> None:
        with self.draft_file() as draft:
            with create_private(draft) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self._rename_durably(draft, place)

    def _keep(self, draft: Path, name: str) -> tuple[str, int]:
        plain, encrypted = self._list_places(name)
        if self._keys.current is not None:
            return self._encrypt(draft, encrypted, name)
        written = _hash_and_flush(draft)
        self._rename_durably(draft, plain)
        return written

    def _rename_durably(self, source: Path, target: Path) -> None:
        """Give a flushed file its name in a folder of the spool."""
        folder = os.path.dirname(target)  # noqa: PTH120  twice as fast, for each packet
        try:
            source.replace(target)
        except FileNotFoundError:
            make_private_folder(Path(folder))
            self._flushed_folders.discard(folder)
            source.replace(target)
        sync_folder(folder)
        if folder not in self._flushed_folders:  # whoever made it, its own name is on the disk from here on
            sync_folder(self.root)
            self._flushed_folders.add(folder)

    def _encrypt(self, file: AnyFile, target: Path, name: str) -> tuple[str, int]:
        """Encrypt a draft, or a packet that is here; the file that was read stays."""
        if self._keys.current is None:
            raise ValueError("no key is configured")
        part = self.root / _DRAFTS_FOLDER / secrets.token_hex(16)
        make_private_folder(part.parent)
        try:
            with open_file(file) as plain, create_private(part) as out:
                written = encrypt_stream(plain, out, key=self._keys.current, name=name)
                out.flush()
                os.fsync(out.fileno())
            self._rename_durably(part, target)
        finally:
            part.unlink(missing_ok=True)
        return written

    def locate(self, name: str) -> PacketFile:
        """Locate a file of the spool.

        Raises:
            StoreError: the name is none that the spool gives.
        """
        plain, encrypted = self._list_places(name)
        if self._keys.current is None and os.path.lexists(plain):
            return plain
        return EncryptedFile(encrypted, name, self._keys) if os.path.lexists(encrypted) else plain

    def is_here(self, name: str) -> bool:
        """Whether there is a file of a name, whatever its bytes."""
        return os.path.lexists(get_path(self.locate(name)))

    def verify_file(self, name: str, sha256: str) -> PacketFile:
        """Verify a file against the hash that was stored, and return it.

        Raises:
            NotFound: the file is gone.
            Altered: its bytes were changed.
            StoreError: it cannot be read now.
        """
        file = self.locate(name)
        path = get_path(file)
        try:
            actual = compute_sha256(file)
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
        return file

    def has(self, name: str, sha256: str) -> bool:
        """Whether a packet is here with the bytes that were stored."""
        try:
            self.verify_file(name, sha256)
        except (NotFound, StoreError):
            return False
        return True

    def delete_file(self, name: str) -> None:
        """Delete a file; the caller has made sure that no row needs it.

        Raises:
            StoreError: the spool is read-only.
        """
        with translate_driver_errors():
            for path in self._list_places(name):
                path.unlink(missing_ok=True)

    def measure_on_disk(self, name: str) -> int:
        """Measure what a packet takes on the disk, in bytes; 0 where it is gone."""
        with translate_driver_errors():
            return sum(path.stat().st_size for path in self._list_places(name) if path.exists())

    def list_files(self) -> Iterator[tuple[str, PacketFile]]:
        """List the files of the spool, each with its name; one that lies here in both forms twice."""
        for folder in sorted(self.root.iterdir()):
            if _FOLDER_PATTERN.fullmatch(folder.name) and folder.is_dir():
                yield from self._list_folder(folder)

    def find_own_packet(self, *, before: datetime | None = None) -> Path | None:
        """Find any packet whose name tells that it is the owner's; with `before`, one that was written before that."""
        folders = (path for path in self.root.iterdir() if _FOLDER_PATTERN.fullmatch(path.name) and path.is_dir())
        files = (path for folder in folders for path in folder.iterdir())
        latest = math.inf if before is None else before.timestamp()
        return next((path for path in files if self._is_own(path.name) and path.stat().st_mtime < latest), None)

    def _is_own(self, file_name: str) -> bool:
        found = _FILE_PATTERN.fullmatch(file_name)
        return found is not None and parse_owner_tag(found[1]) == self._owner_tag

    def _list_folder(self, folder: Path) -> Iterator[tuple[str, PacketFile]]:
        for path in sorted(folder.iterdir()):
            found = _FILE_PATTERN.fullmatch(path.name)
            if found is not None:
                yield found[1], EncryptedFile(path, found[1], self._keys) if found[2] else path

    def list_drafts(self) -> list[Path]:
        """List what lies in the folders of files in the making."""
        own = self.root / _DRAFTS_FOLDER
        drafts = [path for path in sorted(self.drafts_folder.iterdir())
                  if self.drafts_folder == own or _DRAFT_PATTERN.fullmatch(path.name)]  # fmt: skip
        return drafts if self.drafts_folder == own or not own.is_dir() else drafts + sorted(own.iterdir())

    def restore(self, file: PacketFile, name: str) -> None:
        """Put a file of the spool into the place of a packet; what lay there is set aside.

        Raises:
            OSError: the disk will not have it.
        """
        for path in self._list_places(name):
            if os.path.lexists(path):
                self.set_aside(path)
        if isinstance(file, Path) and self._keys.current is None:
            self._rename_durably(file, self._list_places(name)[0])
            return
        with self.draft_file() as draft:  # an encrypted file is bound to its own name
            _copy_plain(file, draft)
            self._keep(draft, name)
        get_path(file).unlink(missing_ok=True)

    def set_aside(self, path: Path) -> None:
        """Move a file to the orphans; nothing is deleted, for it may be all there is of something.

        Raises:
            OSError: the disk will not have it.
        """
        folder = self.root / ORPHANS_FOLDER
        make_private_folder(folder)
        path.replace(folder / f"{time.time_ns()}-{path.name}")

    @property
    def key_id(self) -> str | None:
        """The id of the key that encrypts new files; None where they are plain."""
        return self._keys.current.id if self._keys.current is not None else None

    def rewrite(self) -> Iterator[tuple[Path, bool]]:
        """Rewrite every file that is not as the keys have it: encrypted with the current one, or plain without one.

        Other programs may use the spool meanwhile only where one key takes the place of another, and they have both: a
        file that is encrypted, or plain, for the first time moves to another place, where a program that had just
        located it does not look. The packets' hashes stay; a file is replaced only by one that was read back and is
        the same.

        Yields:
            The place of each file, and whether it was rewritten.

        Raises:
            StoreError: a file cannot be decrypted, or the disk will not have it; what was rewritten stays so.
        """
        with translate_driver_errors():
            orphans = self.root / ORPHANS_FOLDER
            files = [*self.list_files(), *(self._list_folder(orphans) if orphans.is_dir() else ())]
            for name, file in files:
                place = get_path(file)
                plain = place.with_name(place.name.removesuffix(ENCRYPTED_SUFFIX))
                yield plain, self._rewrite_file(file, plain, name)

    def _rewrite_file(self, file: PacketFile, plain: Path, name: str) -> bool:
        """Rewrite a file; one in both forms, as a crash may leave it, loses the form that is not wanted."""
        current, encrypted = self._keys.current, EncryptedFile(Path(f"{plain}{ENCRYPTED_SUFFIX}"), name, self._keys)
        try:
            if current is None:
                return isinstance(file, EncryptedFile) and self._decrypt(file, plain)
            if isinstance(file, EncryptedFile) and file.read_key_id() == current.id:
                return False
            sha256, _ = self._encrypt(file, encrypted.path, name)
            _require_same(sha256, compute_sha256(encrypted), encrypted.path)
        except FileNotFoundError:  # removed meanwhile, or in the other form by now
            return False
        plain.unlink(missing_ok=True)
        return True

    def _decrypt(self, file: EncryptedFile, plain: Path) -> bool:
        with self.draft_file() as draft:
            _copy_plain(file, draft)
            _require_same(compute_sha256(file), _hash_and_flush(draft)[0], file.path)
            self._rename_durably(draft, plain)
        file.path.unlink(missing_ok=True)
        return True

    def _list_places(self, name: str) -> tuple[Path, Path]:
        return list_packet_places(self.root, name)

    def _make_name(self) -> str:
        number = uuid4().hex
        return f"{number[:12]}{_OWNER_MARK}{number[13:-_TAG_DIGITS]}{self._owner_tag}" if self._owner_tag else number


def list_packet_places(root: Path, name: str) -> tuple[Path, Path]:
    """List where a packet may lie in a spool, plain and encrypted.

    Raises:
        StoreError: the name is none that a spool gives.
    """
    if not _NAME_PATTERN.fullmatch(name):
        raise StoreError(f"{name!r} is no name of a spool file.", vi=f"{name!r} không phải tên tệp trong kho tạm.")
    plain = f"{root}/{name[:2]}/{name}"
    return Path(plain), Path(plain + ENCRYPTED_SUFFIX)


def compute_owner_tag(owner: str) -> str:
    """Compute the tag that ends the names of an agency's files."""
    return hashlib.sha256(owner.encode()).hexdigest()[:_TAG_DIGITS]


def parse_owner_tag(name: str) -> str | None:
    """Parse the tag of the agency whose file it is; None where its name does not tell, made by an older version."""
    number = name.partition(".")[0]
    return number[-_TAG_DIGITS:] if number[12] == _OWNER_MARK else None


def _make_private(root: Path) -> None:
    """Make the spool's folder; close what an older version left open to others, and nothing that is not the spool's."""
    if make_private_folder(root):
        return
    entries = list(root.iterdir())
    ours = [path for path in entries if _is_folder_of_ours(path)]
    for folder in ours:
        tighten_folder(folder)
    if ours and len(ours) == len(entries):
        tighten(root)


def _is_folder_of_ours(path: Path) -> bool:
    is_known = path.name in (_DRAFTS_FOLDER, ORPHANS_FOLDER) or _FOLDER_PATTERN.fullmatch(path.name) is not None
    return is_known and path.is_dir() and not path.is_symlink()


def _copy_plain(file: PacketFile, draft: Path) -> None:
    with open_file(file) as stream, create_private(draft) as out:
        shutil.copyfileobj(stream, out, _CHUNK)


def _require_same(expected: str, actual: str, path: Path) -> None:
    if actual != expected:
        raise Altered(
            f"{path} changed while it was rewritten: stop other programs that write to the spool, and try again.",
            vi=f"{path} bị thay đổi trong khi ghi lại: hãy dừng chương trình khác đang ghi vào kho tạm rồi thử lại.",
        )


def _hash_and_flush(path: Path) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    with path.open("rb+", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
        os.fsync(file.fileno())
    return digest.hexdigest(), size
