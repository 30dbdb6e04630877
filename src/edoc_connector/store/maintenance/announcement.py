"""Announcement of a store on its database server, for whoever comes with another store in whichever database."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, Engine, text

from ..._core import ForkAware, make_lock, watch_forks
from .._sql import translate_driver_errors

_ANNOUNCE = text("SELECT pg_advisory_lock_shared(:purpose, :store)")
_LOOK = text(
    "SELECT COALESCE(a.datname, '?') FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = "
    "'advisory' AND l.objsubid = 2 AND l.classid = :purpose AND l.objid <> :store AND l.granted LIMIT 1"
)


class Announcement(ForkAware):
    """A shared advisory lock, on a connection of its own: the server shows it in all its databases.

    Args:
        engine: the database.
        purpose: what a store is used for; two stores with the same are one too many.
        key: which store it is.
    """

    def __init__(self, engine: Engine, *, purpose: str, key: str) -> None:
        self._engine = engine
        self._numbers = {"purpose": _compute_number(purpose), "store": _compute_number(key)}
        self._connection: Connection | None = None
        self._lock = make_lock()
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Leave the connection to the parent, whose session it is."""
        self._connection = None

    def find_other(self) -> str | None:
        """Find another store that is announced; where there is none, this one is from now on.

        Returns:
            The name of its database.

        Raises:
            StoreError: the server is out of reach; this store is not announced any more.
        """
        with self._lock:
            try:
                with translate_driver_errors():
                    connection = self._announce()
                    other = connection.execute(_LOOK, self._numbers).scalar()
            except BaseException:
                self._close()
                raise
            if other is not None:
                self._close()
            return other

    def close(self) -> None:
        """Take the announcement back."""
        with self._lock:
            self._close()

    def _announce(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.detach()  # it is no pool's any more
            self._connection.execute(_ANNOUNCE, self._numbers)
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _compute_number(name: str) -> int:
    """Compute the number that stands for a name, as the locks of the server want it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") & 0x7FFFFFFF
