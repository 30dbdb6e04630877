"""Guard against two stores for one agency at one hub: each would receive, handle and confirm what is the other's too.

A lock file per agency and hub, in a folder of this user's on this machine, is held shared by every program that works
on one store, and names that store. Whoever comes with another one is refused. What runs on another machine, as another
user or with a temporary folder of its own (a container, systemd's ``PrivateTmp``) is not seen.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
import time
from pathlib import Path

from .._core import get_logger, make_private_folder
from ..errors import StoreError

try:
    import fcntl
except ImportError:  # pragma: no cover  there is no such lock on Windows
    fcntl = None  # type: ignore[assignment]

log = get_logger("edoc_connector.connector")

_ATTEMPTS = 50
_ATTEMPT_SECONDS = 0.02
_MAX_NAME_BYTES = 4096


class StoreGuard:
    """Holds the lock of an agency at a hub for one store.

    Args:
        agency: code of the agency.
        hub: address of the hub.
        database: the store's database, as this machine finds it.
    """

    def __init__(self, *, agency: str, hub: str, database: str) -> None:
        self._agency = agency
        self._database = database
        self._name = hashlib.sha256(f"{agency}\0{hub}".encode()).hexdigest()[:32]
        self._descriptor: int | None = None
        self._is_checked = False
        self._lock = threading.Lock()

    def require_alone(self) -> None:
        """Require that no program on this machine works with another store of the agency; hold the lock from now on.

        Raises:
            StoreError: one does.
        """
        if self._is_checked:
            return
        with self._lock:
            if not self._is_checked:
                self._acquire()
                self._is_checked = True

    def release(self) -> None:
        """Give the lock back."""
        with self._lock:
            descriptor, self._descriptor, self._is_checked = self._descriptor, None, False
        if descriptor is not None:
            os.close(descriptor)

    def _acquire(self) -> None:
        folder = _find_folder()
        if folder is None or fcntl is None:
            return
        try:
            descriptor = os.open(folder / f"{self._name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning("whether another store is used for %s cannot be found out: %s", self._agency, error)
            return
        try:
            other = self._lock_file(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if other is not None:
            os.close(descriptor)
            raise self._build_error(other)
        self._descriptor = descriptor

    def _lock_file(self, descriptor: int) -> str | None:
        """Lock the file shared; returns the name of another store that holds it."""
        for _ in range(_ATTEMPTS):
            if _try_lock(descriptor, fcntl.LOCK_EX):  # nobody holds it: it is this store's
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, self._database.encode(), 0)
            if _try_lock(descriptor, fcntl.LOCK_SH):
                holder = os.pread(descriptor, _MAX_NAME_BYTES, 0).decode(errors="replace")
                return None if holder == self._database else holder
            time.sleep(_ATTEMPT_SECONDS)  # another program is between the two
        return None

    def _build_error(self, other: str) -> StoreError:
        return StoreError(
            f"another program on this machine works for {self._agency} at this hub with another store ({other}), "
            f"this one with {self._database}: documents would be handled twice. Use one store for both, or end one.",
            vi=f"Trên máy này có chương trình khác đang làm việc cho {self._agency} với kho dữ liệu khác ({other}), "
            f"còn chương trình này dùng {self._database}: văn bản sẽ bị xử lý hai lần. Hãy dùng chung một kho hoặc "
            "dừng một trong hai.",
        )


def _find_folder() -> Path | None:
    """Find the folder of locks; None where somebody else made it."""
    folder = Path(tempfile.gettempdir()) / f"edoc-connector-{os.geteuid()}"
    try:
        make_private_folder(folder)
        found = folder.lstat()
    except OSError as error:
        log.warning("there is no folder for locks: %s", error)
        return None
    if found.st_uid != os.geteuid() or stat.S_ISLNK(found.st_mode) or found.st_mode & 0o077:
        log.warning("%s is not this user's alone: whether another store is used cannot be found out", folder)
        return None
    return folder


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
