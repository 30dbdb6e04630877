"""Locks in a folder that name their holder: shared by all who name the same one, refused to others.

The system locks files, and a file for each lock would be one more open file for each agency of a program. So whoever
holds locks has one file in the folder, locked as long as it is used, and in it the list of them. Who wants a lock reads
the lists of the others, one at a time. A list that nobody has locked is of a program that ended; it is removed.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from ..._core import HAS_ADVISORY_LOCKS, ForkAware, get_logger, make_lock, try_lock, watch_forks

log = get_logger("edoc_connector.connector")

_GATE = ".edoc-gate.lock"
_PREFIX, _SUFFIX = ".edoc-held-", ".lock"
_ATTEMPTS = 250
_ATTEMPT_SECONDS = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class HeldLock:
    """A lock that is held.

    Args:
        name: its name.
        key: what holds it; the same for all who may share it.
        holder: what a person calls that.
        locks: the folder's.
    """

    name: str
    key: str
    holder: str
    locks: FolderLocks = field(repr=False)

    @property
    def is_held(self) -> bool:
        """Whether it was not given back yet, nor lost by a fork or by whoever removed the list."""
        return self.locks.holds(self)

    def is_in_place(self) -> bool:
        """Whether it is held, and others find the list: cleaners of temporary files remove old ones."""
        self.locks.drop_if_removed()
        return self.is_held

    def release(self) -> None:
        """Give the lock back, where it is held."""
        self.locks.release(self)


class FolderLocks(ForkAware):
    """What one holder of locks has in a folder. Safe to share between threads, and by any number of agencies.

    Args:
        folder: the folder; it has to be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = make_lock()
        self._held: dict[HeldLock, bytes] = {}
        self._path = folder
        self._descriptor: int | None = None
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Hold nothing: the list is the parent's, and goes on being locked by it."""
        self._forget()

    def acquire(self, name: str, key: str, holder: str) -> HeldLock | str:
        """Acquire a lock, unless somebody else holds it.

        Args:
            name: its name.
            key: what holds it; the same for all who may share it.
            holder: what a person calls that.

        Returns:
            The lock, which is this system's best where it knows none; or the name of another holder.

        Raises:
            OSError: the folder cannot be read or written, or somebody is at its locks for too long.
        """
        held = HeldLock(name, key, holder, self)
        with self._lock:
            if not HAS_ADVISORY_LOCKS:
                self._held[held] = b""
                return held
            with _enter_gate(self._folder):
                self._drop_if_removed()
                other = self._find_other(name, key)
                if other is not None:
                    return other
                self._held[held] = json.dumps([name, key, holder]).encode() + b"\n"
                try:
                    self._write()
                except BaseException:
                    del self._held[held]
                    raise
        return held

    def holds(self, held: HeldLock) -> bool:
        """Whether a lock was not given back or lost."""
        return held in self._held

    def release(self, held: HeldLock) -> None:
        """Give a lock back, where it is held; where the list cannot be written, every one, to be taken again."""
        with self._lock:
            if self._held.pop(held, None) is None or not HAS_ADVISORY_LOCKS:
                return
            try:
                self._shorten()
            except OSError as error:
                log.warning("the locks in %s are given back: %s", self._folder, error)
                self._forget()

    def drop_if_removed(self) -> None:
        """Forget every lock, where the list was removed: somebody else may have come since."""
        with self._lock:
            self._drop_if_removed()

    def _drop_if_removed(self) -> None:
        if self._descriptor is not None and not self._is_in_place():
            self._forget()

    def _find_other(self, name: str, key: str) -> str | None:
        """Find who holds a lock for something else: here, or in another list."""
        ours = ((held.name, held.key, held.holder) for held in self._held)
        theirs = (_parse(line, self._folder) for line in self._read_others())
        # every line of the others is read: a list that cannot be may hold the lock
        found = [holder for list_ in (ours, theirs) for its_name, its_key, holder in list_
                 if its_name == name and its_key != key]  # fmt: skip
        return found[0] if found else None

    def _read_others(self) -> Iterator[bytes]:
        for name in os.listdir(self._folder):  # noqa: PTH208  names are enough, and a spool has many
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX) and name != self._path.name:
                yield from _read_list(self._folder / name)

    def _shorten(self) -> None:
        """Write the list without a lock that was given back, or remove it with the last one."""
        if not self._held or not self._is_in_place():
            self._remove()
            return
        with _enter_gate(self._folder):
            self._write()

    def _write(self) -> None:
        """Write the list over; readers wait at the gate."""
        if self._descriptor is None:
            self._open()
        if self._descriptor is not None:
            content = b"".join(self._held.values())
            os.pwrite(self._descriptor, content, 0)
            os.ftruncate(self._descriptor, len(content))

    def _open(self) -> None:
        path = self._folder / f"{_PREFIX}{uuid4().hex}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try_lock(descriptor)  # nobody else knows the file yet
        except BaseException:
            os.close(descriptor)
            path.unlink()
            raise
        self._path, self._descriptor = path, descriptor

    def _is_in_place(self) -> bool:
        try:
            found = self._path.stat()
        except OSError:
            return False
        return self._descriptor is not None and os.path.samestat(found, os.fstat(self._descriptor))

    def _remove(self) -> None:
        """Remove the list, where it is still ours."""
        if self._is_in_place():
            self._path.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        """Hold nothing; the next list is another file, and this one is read as anybody's."""
        self._held.clear()
        self._path = self._folder
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


class LockFolders:
    """The locks of several agencies, by folder: one open file for each folder. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._by_folder: dict[Path, FolderLocks] = {}

    def find(self, folder: Path) -> FolderLocks:
        """Find the locks in a folder."""
        with self._lock:
            return self._by_folder.setdefault(folder, FolderLocks(folder))


@contextmanager
def _enter_gate(folder: Path) -> Iterator[None]:
    """Keep everybody else from the locks of a folder meanwhile."""
    path = folder / _GATE
    for _ in range(_ATTEMPTS):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if try_lock(descriptor) and _is_same_file(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)
        time.sleep(_ATTEMPT_SECONDS)
    raise TimeoutError(errno.ETIMEDOUT, "another program is at the locks for too long", str(path))


def _is_same_file(path: Path, descriptor: int) -> bool:
    """Whether a file that was opened is the one that others find."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read_list(path: Path) -> list[bytes]:
    """Read the list of another holder; that of one who is gone is removed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:  # it ended meanwhile
        return []
    try:
        if try_lock(descriptor):
            path.unlink(missing_ok=True)
            return []
        with os.fdopen(os.dup(descriptor), "rb") as stream:
            return stream.read().splitlines()
    finally:
        os.close(descriptor)


@lru_cache(maxsize=4096)  # each of hundreds of agencies reads the same list
def _parse(line: bytes, folder: Path) -> tuple[str, str, str]:
    try:
        name, key, holder = json.loads(line)
    except ValueError as error:
        raise OSError(errno.EILSEQ, "a list of locks cannot be read", str(folder)) from error
    return name, key, holder
