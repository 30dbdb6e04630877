"""Directory of the hub's agencies, with the codes of both systems (edXML, "OrganId": only the directory maps them)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, or_, select, update

from .._core import Page
from ._sql import TABLES, split_keys
from .listing import PageRequest
from .rows import DirectoryRow

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["directory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """An agency as a hub lists it.

    Args:
        code: its code, the form the hub uses.
        name: its name.
        other_code: its code of the other system, where the hub says.
        parent: the agency above it, as the hub names it.
        email: e-mail address.
    """

    code: str
    name: str
    other_code: str | None = None
    parent: str | None = None
    email: str | None = None


@dataclass(slots=True, eq=False)
class Directory:
    """Keeps the hub's directory of agencies.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def replace_agencies(self, agency: str, entries: Iterable[DirectoryEntry]) -> int:
        """Replace the directory: new agencies are added, known ones renewed, missing ones marked inactive.

        Returns:
            How many agencies the directory has now.
        """
        known = {row.code: row for row in self.list_agencies(agency)}
        listed = {entry.code: entry for entry in entries}
        for code, entry in listed.items():
            values = {**asdict(entry), "agency": agency, "active": True, "updated_at": self._tx.now}
            if code in known:
                self._tx.connection.execute(update(TABLE).where(TABLE.c.id == known[code].id).values(values))
            else:
                self._tx.connection.execute(insert(TABLE).values(values))
        missing_ids = [row.id for code, row in known.items() if code not in listed]
        if missing_ids:
            self._tx.connection.execute(
                update(TABLE).where(TABLE.c.id.in_(missing_ids)).values(active=False, updated_at=self._tx.now)
            )
        return len(listed)

    def list_page(
        self, agency: str, *, active: bool | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[DirectoryRow]:
        """List a page of the directory that an agency sees, by code.

        Args:
            agency: code of the agency.
            active: only agencies that the hub lists still, or only those that it does not.
            limit: rows at most.
            after: the cursor of the page before.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is none of this list.
        """
        request = PageRequest.parse("directory", agency, {"active": active}, limit=limit, after=after, by_time=False)
        where = [TABLE.c.agency == agency] if active is None else [TABLE.c.agency == agency, TABLE.c.active == active]
        where += [] if request.key is None else [TABLE.c.code > request.key[0]]
        query = select(TABLE).where(*where).order_by(TABLE.c.code).limit(request.limit + 1)
        rows = [DirectoryRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]
        return request.build_page(rows, lambda row: (row.code,))

    def list_agencies(self, agency: str) -> list[DirectoryRow]:
        """List the directory that an agency sees, by code."""
        query = select(TABLE).where(TABLE.c.agency == agency).order_by(TABLE.c.code)
        return [DirectoryRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def list_by_code(self, agency: str, code: str) -> list[DirectoryRow]:
        """List the active agencies with a code of either system, and those that share another code with them.

        One, unless the hub gave a code to several.
        """
        found = self._list_by_codes(agency, {code})
        others = {one for row in found for one in (row.code, row.other_code) if one} - {code}
        return self._list_by_codes(agency, {code, *others}) if others else found

    def _list_by_codes(self, agency: str, codes: Collection[str]) -> list[DirectoryRow]:
        found: dict[int, DirectoryRow] = {}
        for chunk in split_keys(sorted(codes)):
            has_one = or_(TABLE.c.code.in_(chunk), TABLE.c.other_code.in_(chunk))
            query = select(TABLE).where(TABLE.c.agency == agency, TABLE.c.active, has_one)
            rows = map(DirectoryRow.from_row, self._tx.connection.execute(query).mappings())
            found |= {row.id: row for row in rows}
        return [found[row_id] for row_id in sorted(found)]
