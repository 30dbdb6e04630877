"""What a watched folder remembers: whose documents came through it, and which statuses it was told of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Table, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ._sql import TABLES
from .rows import TableRow

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["folder_items"]
POSITIONS_TABLE = TABLES["folder_positions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderItemRow(TableRow):
    """A document that came through a watched folder."""

    agency: str
    document_id: str
    department: str
    name: str
    taken_at: datetime


@dataclass(slots=True, eq=False)
class FolderItems:
    """Keeps what a watched folder remembers.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def add(self, agency: str, document_id: str, *, department: str, name: str) -> None:
        """Note that a document came from a department; one that came before belongs to where it comes from now.

        Args:
            agency: code of the agency.
            document_id: the DocumentId.
            department: name of the department's folder; empty for none.
            name: name of the file that held it, without its ending.
        """
        values = {"department": department, "name": name, "taken_at": self._tx.now}
        statement = self._insert(TABLE).values(agency=agency, document_id=document_id, **values)
        self._tx.connection.execute(
            statement.on_conflict_do_update(index_elements=["agency", "document_id"], set_=values)
        )

    def find(self, agency: str, document_id: str) -> FolderItemRow | None:
        """Find a document that came through the folder; None where it came otherwise."""
        query = select(TABLE).where(TABLE.c.agency == agency, TABLE.c.document_id == document_id)
        row = self._tx.connection.execute(query).mappings().one_or_none()
        return None if row is None else FolderItemRow.from_row(row)

    def begin(self, agency: str, position: int) -> int:
        """Begin at an entry of the timeline, unless the folder is further already; returns where it stands.

        Args:
            agency: code of the agency.
            position: number of the last entry that is not told.
        """
        statement = self._insert(POSITIONS_TABLE).values(agency=agency, position=position)
        self._tx.connection.execute(statement.on_conflict_do_nothing(index_elements=["agency"]))
        query = select(POSITIONS_TABLE.c.position).where(POSITIONS_TABLE.c.agency == agency)
        return int(self._tx.connection.execute(query).scalar_one())

    def find_position(self, agency: str) -> int | None:
        """Find the number of the last entry that was told; None where the folder was never looked at."""
        query = select(POSITIONS_TABLE.c.position).where(POSITIONS_TABLE.c.agency == agency)
        position = self._tx.connection.execute(query).scalar_one_or_none()
        return None if position is None else int(position)

    def advance(self, agency: str, position: int) -> None:
        """Note that everything up to an entry was told."""
        query = update(POSITIONS_TABLE).where(POSITIONS_TABLE.c.agency == agency)
        self._tx.connection.execute(query.values(position=position))

    def _insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        module = postgresql if self._tx.connection.dialect.name == "postgresql" else sqlite
        statement: postgresql.Insert | sqlite.Insert = module.insert(table)
        return statement
