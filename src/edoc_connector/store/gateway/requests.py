"""Requests to the gateway that may be repeated: the key, the hash of the content, and the answer once there is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from .._sql import TABLES
from ..rows import TableRow

if TYPE_CHECKING:
    from ..transaction import Tx

TABLE = TABLES["gateway_requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow(TableRow):
    """A request that carried a key of its own."""

    agency: str
    key: str
    digest: str
    answer: str | None
    created_at: datetime


@dataclass(slots=True, eq=False)
class GatewayRequests:
    """Keeps requests that may be repeated.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def reserve(self, agency: str, key: str, digest: str) -> RequestRow:
        """Take a key for a request; or find the request that has it."""
        values = {"agency": agency, "key": key, "digest": digest, "created_at": self._tx.now}
        module = postgresql if self._tx.connection.dialect.name == "postgresql" else sqlite
        statement = module.insert(TABLE).values(values)
        self._tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["agency", "key"]))
        query = select(TABLE).where(TABLE.c.agency == agency, TABLE.c.key == key)
        return RequestRow.from_row(self._tx.connection.execute(query).mappings().one())

    def answer(self, row: RequestRow, answer: str) -> None:
        """Keep the answer to a request; the first one stays."""
        query = update(TABLE).where(TABLE.c.id == row.id, TABLE.c.answer.is_(None))
        self._tx.connection.execute(query.values(answer=answer))

    def release(self, row: RequestRow) -> None:
        """Give up the key of a request that failed, and had no effect."""
        self._tx.connection.execute(delete(TABLE).where(TABLE.c.id == row.id, TABLE.c.answer.is_(None)))

    def forget(self, older_than: timedelta) -> int:
        """Forget the requests of so long ago, and return how many there were."""
        query = delete(TABLE).where(TABLE.c.created_at < self._tx.now - older_than)
        return self._tx.connection.execute(query).rowcount
