"""Keys of the gateway's clients: their hashes, what each may speak for, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update

from .._sql import TABLES
from ..rows import TableRow

if TYPE_CHECKING:
    from ..transaction import Tx

TABLE = TABLES["gateway_keys"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow(TableRow):
    """A key, as far as one agency is concerned."""

    agency: str
    key_id: str
    name: str
    digest: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Whether the key is taken at a time."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


@dataclass(slots=True, eq=False)
class GatewayKeys:
    """Keeps the keys of the gateway's clients.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def add(self, agency: str, *, key_id: str, name: str, digest: str) -> None:
        """Add a key that may speak for an agency."""
        values = {"agency": agency, "key_id": key_id, "name": name, "digest": digest, "created_at": self._tx.now}
        self._tx.connection.execute(insert(TABLE).values(values))

    def find(self, agency: str, key_id: str) -> KeyRow | None:
        """Find a key that may, or once might, speak for an agency."""
        query = select(TABLE).where(TABLE.c.agency == agency, TABLE.c.key_id == key_id)
        row = self._tx.connection.execute(query).mappings().first()
        return None if row is None else KeyRow.from_row(row)

    def list_all(self, agency: str) -> list[KeyRow]:
        """List every key that may, or once might, speak for an agency."""
        query = select(TABLE).where(TABLE.c.agency == agency).order_by(TABLE.c.id)
        return [KeyRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def revoke(self, agency: str, key_id: str) -> bool:
        """Refuse a key from now on; whether there was one that was not refused."""
        values = {"revoked_at": self._tx.now}
        query = update(TABLE).where(TABLE.c.agency == agency, TABLE.c.key_id == key_id, TABLE.c.revoked_at.is_(None))
        return self._tx.connection.execute(query.values(values)).rowcount > 0

    def expire(self, agency: str, key_id: str, *, at: datetime) -> None:
        """Refuse a key from a time on, unless it ends sooner."""
        ends_later = or_(TABLE.c.expires_at.is_(None), TABLE.c.expires_at > at)
        query = update(TABLE).where(TABLE.c.agency == agency, TABLE.c.key_id == key_id, ends_later)
        self._tx.connection.execute(query.values(expires_at=at))

    def record_use(self, row: KeyRow) -> None:
        """Record that a key was used."""
        self._tx.connection.execute(update(TABLE).where(TABLE.c.id == row.id).values(last_used_at=self._tx.now))
