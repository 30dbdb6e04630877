"""Directory of the agencies, with the codes of both systems (edXML, "OrganId": only the directory maps them).

An agency reads the directory of its hub, which agencies of one store share, and above it a list of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, ColumnElement, bindparam, delete, select

from ...edxml import VIETNAM
from .._sql import CompiledStatement, split_keys
from ..listing import PageRequest
from ..rows import DirectoryRow
from .difference import DirectoryUpdate, is_former_code
from .entries import DirectoryDifference, DirectoryEntry
from .search import list_matching_codes
from .sources import (
    AGENCIES,
    HUBS,
    OWN,
    attach,
    count_listed,
    find_full_at,
    is_read_from,
    is_taken_over,
    load_sources,
    mark_full,
    name_own_source,
    select_source,
)

if TYPE_CHECKING:
    from ..._core import Page
    from ..transaction import Tx

_MAX_STEPS = 8  # from heir to heir: codes that name each other end somewhere
_MAX_CODES = 500  # of one line of codes
_MAX_SINGLE = 20  # codes that are looked up one by one: a list of another length is another statement
_MIN_JUDGED = 20  # listed agencies, from which on a list that lost most of them is doubted

_BY_COLUMN = {
    column.name: CompiledStatement(
        select(AGENCIES).where(AGENCIES.c.directory_id == bindparam("source_id"), column == bindparam("value"))
    )
    for column in (AGENCIES.c.code, AGENCIES.c.other_code, AGENCIES.c.successor)
}


@dataclass(slots=True, eq=False)
class Directory:
    """Keeps the directories of agencies.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    # -- taking over

    def replace_agencies(self, agency: str, entries: Iterable[DirectoryEntry], *, source: str = "") -> int:
        """Take over a whole directory: new agencies are added, those that differ renewed, missing ones end.

        Args:
            agency: who reads it.
            entries: all agencies of it.
            source: names it, the same for all who read it; the agency's alone where it is left out.

        Returns:
            How many agencies the directory has now.
        """
        self.take_list(agency, source or name_own_source(agency), entries := list(entries))
        return len({entry.code for entry in entries})

    def take_list(
        self, agency: str, source: str, entries: Iterable[DirectoryEntry], *, deleted: Iterable[DirectoryEntry] = ()
    ) -> DirectoryDifference:
        """Take over a whole directory, and tell what differed; arguments as of `replace_agencies`.

        Args:
            agency: who reads it.
            source: names it.
            entries: all agencies of it.
            deleted: those that the hub says ended, and when.
        """
        found = self._open_update(agency, source)
        found.list_all(entries, deleted)
        mark_full(self._tx, found.source_id)
        return found.write()

    def take_changes(self, agency: str, source: str, entries: Iterable[DirectoryEntry]) -> DirectoryDifference:
        """Take over changes of a directory, the oldest first; what they do not name stays as it is."""
        found = self._open_update(agency, source)
        found.apply(entries)
        return found.write()

    def take_own_list(
        self, agency: str, entries: Collection[DirectoryEntry], *, is_whole: bool = False
    ) -> DirectoryDifference:
        """Take entries into the agency's own list.

        Args:
            agency: whose list it is.
            entries: what it says.
            is_whole: whether codes that are not named leave the list.
        """
        source_id = attach(self._tx, agency, f"list of {agency}", OWN)
        found = DirectoryUpdate(self._tx, source_id)
        found.take_own(entries)
        if is_whole:
            gone = [row_id for code, row_id in found.row_ids.items() if code not in found.wanted]
            for chunk in split_keys(gone):
                self._tx.connection.execute(delete(AGENCIES).where(AGENCIES.c.id.in_(chunk)))
        return found.write()

    def count_listed(self, source: str) -> int:
        """Count the agencies that a source lists."""
        return count_listed(self._tx, source)

    def is_doubtful_list(self, source: str, size: int) -> bool:
        """Tell whether a list lost so many of the agencies that it had that it may be cut off."""
        listed = self.count_listed(source)
        return listed >= _MIN_JUDGED and size * 2 < listed

    def needs_whole_list(self, agency: str, source: str, *, age: timedelta) -> bool:
        """Tell whether the agency never read a source as a whole, or not for so long."""
        full_at = find_full_at(self._tx, source)
        return full_at is None or self._tx.now - full_at > age or not is_read_from(self._tx, agency, source)

    def find_full_at(self, source: str) -> datetime | None:
        """Find when a source was last taken over as a whole."""
        return find_full_at(self._tx, source)

    def is_taken_over(self, agency: str) -> bool:
        """Tell whether the hub's directory was ever taken over for an agency."""
        return is_taken_over(self._tx, agency)

    def _open_update(self, agency: str, source: str) -> DirectoryUpdate:
        source_id = attach(self._tx, agency, source, HUBS)
        return DirectoryUpdate(self._tx, source_id, is_first=find_full_at(self._tx, source) is None)

    # -- looking up

    @property
    def today(self) -> date:
        """The day in Vietnam, by which codes begin and end."""
        return self._tx.now.astimezone(VIETNAM).date()

    def list_page(
        self, agency: str, *, active: bool | None = None, limit: int | None = None, after: str | None = None
    ) -> Page[DirectoryRow]:
        """List a page of the hub's directory as an agency sees it, by code.

        Args:
            agency: code of the agency.
            active: only agencies that the hub lists still, or only those that it does not.
            limit: rows at most.
            after: the cursor of the page before.

        Raises:
            InvalidQuery: a value cannot be, or the cursor is none of this list.
        """
        request = PageRequest.parse("directory", agency, {"active": active}, limit=limit, after=after, by_time=False)
        where: list[ColumnElement[bool]] = [AGENCIES.c.directory_id == select_source(agency, HUBS)]
        where += [] if active is None else [AGENCIES.c.active == active]
        where += [] if request.key is None else [AGENCIES.c.code > request.key[0]]
        query = select(AGENCIES).where(*where).order_by(AGENCIES.c.code).limit(request.limit + 1)
        rows = [DirectoryRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]
        return request.build_page(self._lay_own_over(agency, rows), lambda row: (row.code,))

    def list_agencies(self, agency: str) -> list[DirectoryRow]:
        """List the hub's directory as an agency sees it, by code."""
        query = select(AGENCIES).where(AGENCIES.c.directory_id == select_source(agency, HUBS))
        rows = self._tx.connection.execute(query.order_by(AGENCIES.c.code)).mappings()
        return self._lay_own_over(agency, [DirectoryRow.from_row(row) for row in rows])

    def list_by_code(self, agency: str, code: str, *, ended: bool = False) -> list[DirectoryRow]:
        """List the active agencies with a code of either system, and those that share another code with them.

        One, unless the hub gave a code to several.

        Args:
            agency: who asks.
            code: the code.
            ended: whether those that ended count too.
        """
        found = self._list_by_codes(agency, {code}, ended=ended)
        others = {one for row in found for one in (row.code, row.other_code) if one} - {code}
        return self._list_by_codes(agency, {code, *others}, ended=ended) if others else found

    def load(self, agency: str, codes: Collection[str]) -> dict[str, DirectoryRow]:
        """Load the agencies with some codes, ended or not, by the code that was asked for.

        A code that several agencies have as their other one is nobody's.
        """
        rows = self._list_by_codes(agency, codes, ended=True)
        by_other: dict[str, list[DirectoryRow]] = {}
        for row in rows:
            by_other.setdefault(row.other_code or "", []).append(row)
        alone = {code: only[0] for code, only in by_other.items() if len(only) == 1}
        return {code: row for code, row in (alone | {row.code: row for row in rows}).items() if code in codes}

    def search(self, agency: str, text: str, *, ended: bool | None = None, limit: int) -> list[DirectoryRow]:
        """Search agencies by the beginnings of words of their code or name, without diacritics, the best first.

        Args:
            agency: who asks.
            text: the words.
            ended: only codes that ended, or only those that did not.
            limit: rows at most.
        """
        codes = list_matching_codes(self._tx, agency, text, limit=limit if ended is None else 4 * limit)
        found = {row.code: row for row in self._list_exactly(agency, codes)}
        rows = [found[code] for code in codes]
        if ended is not None:
            rows = [row for row in rows if row.has_ended(self.today) == ended]
        return sorted(rows[:limit], key=lambda row: row.has_ended(self.today))

    # -- succession

    def find_heir(self, agency: str, code: str) -> DirectoryRow | None:
        """Find the agency that has taken the place of an ended code, over several reforms; None where none is known."""
        row = self.load(agency, [code]).get(code)
        for _ in range(_MAX_STEPS):
            if row is None or len(row.successors) != 1:
                return None
            (heir_code,) = row.successors
            row = self.load(agency, [heir_code]).get(heir_code) or _build_unlisted(heir_code, self._tx.now)
            if not row.has_ended(self.today):
                return row
        return None

    def list_heirs(self, agency: str, code: str) -> list[DirectoryRow]:
        """List the agencies that live today and came of an ended code: several where it, or an heir, was split."""
        found: dict[str, DirectoryRow] = {}
        seen, frontier = {code}, [code]
        for _ in range(_MAX_STEPS):
            rows = self.load(agency, frontier)
            frontier = []
            for heir_code in self._list_next(agency, rows.values()):
                row = self.load(agency, [heir_code]).get(heir_code) or _build_unlisted(heir_code, self._tx.now)
                if not row.has_ended(self.today):
                    found[row.code] = row
                elif heir_code not in seen and len(seen) < _MAX_CODES:
                    frontier.append(heir_code)
                seen.add(heir_code)
            if not frontier:
                break
        return list(found.values())

    def _list_next(self, agency: str, rows: Iterable[DirectoryRow]) -> list[str]:
        """List the codes that took the place of some, and those that the hub says had one of them before."""
        codes: list[str] = []
        for row in rows:
            codes += row.successors
            if not row.successor:
                named = self._join(agency, [row.code], (AGENCIES.c.other_code,))
                codes += [one.code for one in named if one.other_code == row.code and is_former_code(one)]
        return list(dict.fromkeys(codes))

    def list_line(self, agency: str, codes: Collection[str]) -> frozenset[str]:
        """List the codes from which some codes' agency came, and those that it became, with their other codes.

        Those that came of the same agency on another way, or went into the same one, are other agencies.
        """
        return frozenset({*self._walk(agency, codes, to_heirs=True), *self._walk(agency, codes, to_heirs=False)})

    def list_predecessors(self, agency: str, code: str) -> list[DirectoryRow]:
        """List the ended codes that a code took the place of, at once."""
        return self._list_steps(agency, {code}, to_heirs=False)

    def _walk(self, agency: str, codes: Collection[str], *, to_heirs: bool) -> set[str]:
        seen, frontier = set(codes), set(codes)
        for _ in range(_MAX_STEPS):
            rows = self._list_steps(agency, frontier, to_heirs=to_heirs)
            found = {row.successor or "" for row in rows} if to_heirs else {row.code for row in rows}
            frontier = (found | self._list_other_codes(agency, found)) - seen
            seen |= frontier
            if not frontier or len(seen) > _MAX_CODES:
                break
        return seen

    def _list_other_codes(self, agency: str, codes: Collection[str]) -> set[str]:
        """List the codes of the other system that agencies with some codes have, and nobody else."""
        rows = self._list_exactly(agency, codes)
        others = {row.other_code: row.code for row in rows if row.other_code and not is_former_code(row)}
        owners = self.load(agency, others)
        return {other for other, code in others.items() if other in owners and owners[other].code == code}

    def _list_steps(self, agency: str, codes: Collection[str], *, to_heirs: bool) -> list[DirectoryRow]:
        """List the ended agencies with one of the codes that have one heir, or those whose heir has one of them."""
        if to_heirs:
            rows = self._list_exactly(agency, codes)
        else:
            rows = [row for row in self._join(agency, codes, (AGENCIES.c.successor,)) if row.successor in codes]
        return [row for row in rows if len(row.successors) == 1 and row.has_ended(self.today)]

    # -- rows

    def _list_by_codes(self, agency: str, codes: Collection[str], *, ended: bool) -> list[DirectoryRow]:
        rows = self._join(agency, codes, (AGENCIES.c.code, AGENCIES.c.other_code))
        return [row for row in rows if ended or (row.active and not row.has_ended(self.today))]

    def _list_exactly(self, agency: str, codes: Collection[str]) -> list[DirectoryRow]:
        return self._join(agency, codes, (AGENCIES.c.code,))

    def _join(self, agency: str, codes: Collection[str], columns: Sequence[Column[Any]]) -> list[DirectoryRow]:
        """Join what several directories say of the codes in some columns, our own list before the hub."""
        sources = load_sources(self._tx, agency) if codes else {}
        if OWN not in sources:
            return [row for source_id in sources.values() for row in self._select(source_id, columns, codes)]
        found = {rank: self._select_by_code(source_id, columns, codes) for rank, source_id in sources.items()}
        for rank, source_id in sources.items():  # of a code that one of them names, the others speak too
            missing = {code for rows in found.values() for code in rows} - set(found[rank])
            found[rank] |= self._select_by_code(source_id, (AGENCIES.c.code,), missing)
        hubs, own = found.get(HUBS, {}), found[OWN]
        joined = [lay_over(hubs.get(code), own.get(code)) for code in dict.fromkeys([*hubs, *own])]
        return sorted(joined, key=lambda row: row.id)

    def _select_by_code(
        self, source_id: int, columns: Sequence[Column[Any]], codes: Collection[str]
    ) -> dict[str, DirectoryRow]:
        return {row.code: row for row in self._select(source_id, columns, codes)}

    def _select(self, source_id: int, columns: Sequence[Column[Any]], values: Collection[str]) -> list[DirectoryRow]:
        """Select the rows of a source that have one of some values in one of some columns, each once."""
        # a condition with OR would walk through the whole directory
        found = (row for column in columns for row in self._select_in(source_id, column, values))
        by_id = {row.id: row for row in found}
        return [by_id[row_id] for row_id in sorted(by_id)]

    def _select_in(self, source_id: int, column: Column[Any], values: Collection[str]) -> list[DirectoryRow]:
        if len(values) <= _MAX_SINGLE:
            statement = _BY_COLUMN[column.name]
            parts = [{"source_id": source_id, "value": value} for value in values]
            rows = [row for part in parts for row in statement.fetch_all(self._tx.connection, part)]
            return [DirectoryRow.from_row(row) for row in rows]
        query = select(AGENCIES).where(AGENCIES.c.directory_id == source_id)
        return [
            DirectoryRow.from_row(row)
            for chunk in split_keys(sorted(values))
            for row in self._tx.connection.execute(query.where(column.in_(chunk))).mappings()
        ]

    def _lay_own_over(self, agency: str, rows: list[DirectoryRow]) -> list[DirectoryRow]:
        own_id = load_sources(self._tx, agency).get(OWN) if rows else None
        if own_id is None:
            return rows
        own = self._select_by_code(own_id, (AGENCIES.c.code,), [row.code for row in rows])
        return [lay_over(row, own.get(row.code)) for row in rows]


def _build_unlisted(code: str, now: datetime) -> DirectoryRow:
    """Build the row of a code that is named as an heir and that no directory lists: all that is known is the code."""
    return DirectoryRow(
        id=0,
        directory_id=0,
        code=code,
        other_code=None,
        name="",
        parent=None,
        email=None,
        successor=None,
        valid_from=None,
        valid_to=None,
        active=True,
        updated_at=now,
    )


def lay_over(hub: DirectoryRow | None, own: DirectoryRow | None) -> DirectoryRow:
    """Lay what our own list says of a code over what the hub says.

    The list decides over the life of the code where it says anything of it: a first day alone means that it lives.
    """
    if hub is None or own is None:
        row = hub or own
        if row is None:
            raise ValueError("nobody says anything of the code")
        return row
    facts: dict[str, Any] = {
        name: getattr(own, name) for name in ("name", "other_code", "parent", "email") if getattr(own, name)
    }
    if own.valid_from or own.valid_to or own.successor:
        facts |= {"valid_from": own.valid_from or hub.valid_from, "valid_to": own.valid_to, "successor": own.successor}
        return replace(hub, **facts, active=True)
    return replace(hub, **facts)
