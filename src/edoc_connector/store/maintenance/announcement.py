"""Announcements of a store on its database server, for whoever comes with another store in whichever database."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, Engine, text

from ..._core import ForkAware, get_logger, make_lock, watch_forks
from ...errors import StoreError
from .._sql import translate_driver_errors

log = get_logger("edoc_connector.store")

_ANNOUNCE = text(
    "SELECT pg_advisory_lock_shared(purpose, store) "
    "FROM unnest(CAST(:purpose AS int[]), CAST(:store AS int[])) AS one (purpose, store)"
)
_TAKE_BACK = text("SELECT pg_advisory_unlock_shared(:purpose, :store)")
_LOOK = text(
    "SELECT COALESCE(a.datname, '?') FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = "
    "'advisory' AND l.objsubid = 2 AND l.classid = :purpose AND l.objid <> :store AND l.granted LIMIT 1"
)


class Announcer(ForkAware):
    """Shared advisory locks on a connection of their own, one for all: the server shows them in all its databases.

    Args:
        engine: the database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._announced: dict[Announcement, None] = {}
        self._lock = make_lock()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Leave the connection, and what is announced on it, to the parent, whose session it is."""
        self._connection, self._announced = None, {}

    def find_other(self, announcement: Announcement) -> str | None:
        """Find another store that is announced for a purpose; where there is none, announce this one from now on.

        A connection that was lost is made anew with everything that was announced on it.

        Returns:
            The name of its database.

        Raises:
            StoreError: the server is out of reach; nothing is announced any more, until the next look.
        """
        with self._lock:
            try:
                with translate_driver_errors():
                    other: str | None = self._announce(announcement).execute(_LOOK, announcement.numbers).scalar()
                    if other is not None:
                        self._take_back(announcement)
            except BaseException:
                self._disconnect()
                raise
            return other

    def close(self, announcement: Announcement) -> None:
        """Take an announcement back; with the last one the connection is closed."""
        with self._lock:
            try:
                with translate_driver_errors():
                    self._take_back(announcement)
            except StoreError as error:
                log.warning("announcements end with their connection, and are made anew: %s", error)
                self._disconnect()

    def _announce(self, announcement: Announcement) -> Connection:
        missing = [] if announcement in self._announced else [announcement]
        self._announced[announcement] = None
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.detach()  # it is no pool's any more
            missing = list(self._announced)
        if missing:
            names = ("purpose", "store")
            self._connection.execute(_ANNOUNCE, {name: [one.numbers[name] for one in missing] for name in names})
        return self._connection

    def _take_back(self, announcement: Announcement) -> None:
        if announcement not in self._announced:
            return
        del self._announced[announcement]
        if not self._announced:
            self._disconnect()
        elif self._connection is not None:
            self._connection.execute(_TAKE_BACK, announcement.numbers)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Announcement:
    """The announcement of a store for one purpose: a shared advisory lock.

    Args:
        announcer: announces other stores' purposes too.
        purpose: what a store is used for; two stores with the same are one too many.
        key: which store it is.

    Attributes:
        numbers: what stands for both, as the locks of the server want it.
    """

    def __init__(self, announcer: Announcer, *, purpose: str, key: str) -> None:
        self._announcer = announcer
        self.numbers = {"purpose": _compute_number(purpose), "store": _compute_number(key)}

    def find_other(self) -> str | None:
        """Find another store that is announced; where there is none, this one is from now on.

        Returns:
            The name of its database.

        Raises:
            StoreError: the server is out of reach; this store is not announced any more.
        """
        return self._announcer.find_other(self)

    def close(self) -> None:
        """Take the announcement back."""
        self._announcer.close(self)


def _compute_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") & 0x7FFFFFFF
