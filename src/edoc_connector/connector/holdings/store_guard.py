"""Guard against two stores for one agency at one hub: each would receive, handle and confirm what is the other's too.

As long as a connector works with the hub, its store is announced wherever another one could be seen: by a lock in this
user's folder on this machine, beside the database and in the spool, and by an advisory lock on a database server.
Programs on one store share them; whoever comes with another store is refused. A store that shares none of these (on
another machine, with a database and a spool of its own) is not seen: VXP has no call by which it could be announced.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..._core import get_logger, make_private_folder
from ...errors import StoreError
from ...store import Announcement, Store
from .folder_locks import HeldLock, LockFolders

log = get_logger("edoc_connector.connector")

_LOOK_SECONDS = 60.0  # between looks at the server, whose lock ends with the connection


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStore:
    """Another store that is used for the agency at this hub.

    Args:
        database: the path of its file, or the name of its database.
        seen_at: where its lock is: a folder, or "database server".
    """

    database: str
    seen_at: str


class StoreGuard:
    """Holds the locks of an agency at a hub for one store.

    Args:
        agency: code of the agency.
        hub: address of the hub.
        database: the store's database, as this machine finds it.
        key: what no other spelling of that changes; the database itself where it is left out.
        folders: folders where another store of the agency would be seen, besides this user's own.
        announcement: the lock on the database's server, where there is one.
        lock_folders: the locks of other agencies of the process too; left out, they are this one's alone.
    """

    def __init__(
        self,
        *,
        agency: str,
        hub: str,
        database: str,
        key: str = "",
        folders: tuple[Path, ...] = (),
        announcement: Announcement | None = None,
        lock_folders: LockFolders | None = None,
    ) -> None:
        self._agency = agency
        self._database = database
        self._key = key or database
        self._name = hashlib.sha256(f"{agency}\0{hub}".encode()).hexdigest()[:32]
        self._folders = folders
        self._announcement = announcement
        self._locks = lock_folders or LockFolders()
        self._held: list[HeldLock] = []
        self._has_files = False
        self._next_look = 0.0
        self._is_released = False
        self._lock = threading.Lock()

    @classmethod
    def of_store(cls, store: Store, *, agency: str, hub: str, lock_folders: LockFolders | None = None) -> StoreGuard:
        """Make the guard of a store that is open; `lock_folders` as for the guard."""
        folders = [store.spool.root, *([store.folder] if store.folder is not None else [])]
        return cls(
            agency=agency,
            hub=hub,
            database=store.database,
            key=store.key,
            folders=tuple(dict.fromkeys(folder.resolve() for folder in folders)),
            announcement=store.announce(f"{agency}\0{hub}"),
            lock_folders=lock_folders,
        )

    def require_alone(self) -> None:
        """Require that no program in sight works with another store of the agency; hold the locks from now on.

        Raises:
            StoreError: one does.
        """
        if self._has_files and time.monotonic() < self._next_look and all(lock.is_held for lock in self._held):
            return
        other = self.find_other()
        if other is not None:
            raise self._build_error(other)

    def find_other(self) -> OtherStore | None:
        """Find another store that is used for the agency; where there is none, hold the locks until `release`."""
        with self._lock:
            try:
                return self._find_and_hold()
            finally:
                if self._is_released:  # a call that outlives its connector: nobody would give the locks back again
                    self._let_go()

    def release(self) -> None:
        """Give the locks back, for good: who looks afterwards holds none."""
        with self._lock:
            self._is_released = True
            self._let_go()

    def _find_and_hold(self) -> OtherStore | None:
        if not all(lock.is_in_place() for lock in self._held):
            self._release_files()
        if not self._has_files:
            other = self._lock_folders()
            if other is not None:
                self._release_files()
                return other
            self._has_files = True
        other = self._look_at_server()
        self._next_look = 0.0 if other is not None else time.monotonic() + _LOOK_SECONDS
        return other

    def _let_go(self) -> None:
        self._release_files()
        if self._announcement is not None:
            self._announcement.close()

    def _release_files(self) -> None:
        held, self._held, self._has_files = self._held, [], False
        for lock in held:
            lock.release()

    def _lock_folders(self) -> OtherStore | None:
        for folder in _list_folders(self._folders):
            try:
                lock = self._locks.find(folder).acquire(self._name, self._key, self._database)
            except OSError as error:
                log.warning("whether another store is used for %s cannot be found out: %s", self._agency, error)
                continue
            if not isinstance(lock, HeldLock):
                return OtherStore(database=lock, seen_at=str(folder))
            self._held.append(lock)
        return None

    def _look_at_server(self) -> OtherStore | None:
        if self._announcement is None:
            return None
        try:
            other = self._announcement.find_other()
        except StoreError as error:  # it is away: who needs the database is told so, and this looks again
            log.warning("whether another store is used for %s cannot be found out: %s", self._agency, error)
            return None
        return None if other is None else OtherStore(database=other, seen_at="database server")

    def _build_error(self, other: OtherStore) -> StoreError:
        return StoreError(
            f"another program works for {self._agency} at this hub with another store ({other.database}, seen at "
            f"{other.seen_at}), this one with {self._database}: documents would be handled twice. Use one store for "
            "both, or end one.",
            vi=f"Có chương trình khác đang làm việc cho {self._agency} với kho dữ liệu khác ({other.database}, thấy "
            f"tại {other.seen_at}), còn chương trình này dùng {self._database}: văn bản sẽ bị xử lý hai lần. Hãy dùng "
            "chung một kho hoặc dừng một trong hai.",
        )


def _list_folders(folders: tuple[Path, ...]) -> Iterator[Path]:
    """List the folders of locks, this user's own first; without it where somebody else made it."""
    own = _find_own_folder()
    yield from folders if own is None else (own, *folders)


def _find_own_folder() -> Path | None:
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
