"""Lock file that names its holder: shared by all who name the same, refused to others."""

from __future__ import annotations

import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover  there is no such lock on Windows
    fcntl = None  # type: ignore[assignment]

_ATTEMPTS = 50
_ATTEMPT_SECONDS = 0.02
_MAX_NAME_BYTES = 4096


class LockFile:
    """A lock that the system ends with the program that holds it.

    Args:
        path: the file, made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, key: str, name: str) -> str | None:
        """Acquire the lock, unless somebody else holds it.

        Args:
            key: what holds it, one line; the same for all who may share it.
            name: what a person calls that.

        Returns:
            The name of the other holder; None where the lock is held now, or the system knows no such locks.

        Raises:
            OSError: the file cannot be made or locked.
        """
        if fcntl is None:
            return None
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            other = _lock(descriptor, key, name)
        except BaseException:
            os.close(descriptor)
            raise
        if other is not None:
            os.close(descriptor)
            return other
        self._descriptor = descriptor
        return None

    def is_in_place(self) -> bool:
        """Whether the lock is held, and by the file that others find: cleaners of temporary files remove old ones."""
        if self._descriptor is None:
            return fcntl is None
        try:
            found = self._path.stat()
        except OSError:
            return False
        return os.path.samestat(found, os.fstat(self._descriptor))

    def release(self) -> None:
        """Give the lock back, where it is held."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int, key: str, name: str) -> str | None:
    """Lock the file shared; returns the name of another holder."""
    for _ in range(_ATTEMPTS):
        if _try_lock(descriptor, fcntl.LOCK_EX):  # nobody holds it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{key}\n{name}".encode(), 0)
        if _try_lock(descriptor, fcntl.LOCK_SH):
            found_key, _, found_name = os.pread(descriptor, _MAX_NAME_BYTES, 0).decode(errors="replace").partition("\n")
            return None if found_key == key else found_name
        time.sleep(_ATTEMPT_SECONDS)  # another program is between the two
    return None


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
