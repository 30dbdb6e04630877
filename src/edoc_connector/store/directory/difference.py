"""The difference between a directory as it is here and as it is told now: only what differs is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from ...edxml import VIETNAM, OrganId
from .._sql import CompiledStatement
from ..rows import DirectoryRow
from .entries import DirectoryDifference, DirectoryEntry
from .folding import fold
from .sources import AGENCIES

if TYPE_CHECKING:
    from ..transaction import Tx


class _Facts(NamedTuple):
    """What is told of a code; the names are those of the columns."""

    name: str
    other_code: str | None
    parent: str | None
    email: str | None
    hub_id: str | None
    successor: str | None
    valid_from: date | None
    valid_to: date | None
    active: bool


_KNOWN = CompiledStatement(
    select(AGENCIES.c.id, AGENCIES.c.code, *(AGENCIES.c[name] for name in _Facts._fields)).where(
        AGENCIES.c.directory_id == bindparam("source_id")
    )
)
_ADD = CompiledStatement(insert(AGENCIES))
_CHANGE = CompiledStatement(update(AGENCIES).where(AGENCIES.c.id == bindparam("row_id")))


@dataclass(slots=True)
class DirectoryUpdate:
    """Brings the rows of one source to what was told.

    Args:
        tx: the transaction.
        source_id: key of the source.
        is_first: whether nothing was taken over before, so that nothing is new.
    """

    tx: Tx
    source_id: int
    is_first: bool = False
    row_ids: dict[str, int] = field(init=False, default_factory=dict)
    known: dict[str, _Facts] = field(init=False, default_factory=dict)
    wanted: dict[str, _Facts] = field(init=False, default_factory=dict)
    _today: date = field(init=False)

    def __post_init__(self) -> None:
        self._today = self.tx.now.astimezone(VIETNAM).date()
        for row in _KNOWN.fetch_all(self.tx.connection, {"source_id": self.source_id}):
            self.row_ids[row["code"]] = row["id"]
            self.known[row["code"]] = _Facts(*(row[name] for name in _Facts._fields))

    def list_all(self, entries: Iterable[DirectoryEntry], deleted: Iterable[DirectoryEntry] = ()) -> None:
        """Take a whole list: codes that are missing in it ended, unless that is known already.

        Args:
            entries: all agencies.
            deleted: those that the hub says ended, and when.
        """
        listed = {entry.code: entry for entry in entries}
        codes_by_hub_id = {entry.hub_id: entry.code for entry in listed.values() if entry.hub_id}
        for code, entry in listed.items():
            self.wanted[code] = self._build_facts(entry, codes_by_hub_id)
        for code, facts in self.known.items():
            if code not in listed and facts.active:
                self.wanted[code] = facts._replace(active=False, valid_to=facts.valid_to or self._today)
        for entry in deleted:
            if entry.code not in listed:
                self._end(entry)
        self._end_former_codes(listed)

    def apply(self, entries: Iterable[DirectoryEntry]) -> None:
        """Take changes: codes that are not named stay as they are; of a code named twice the last one counts."""
        named = {entry.code: entry for entry in entries}
        codes_by_hub_id = {facts.hub_id: code for code, facts in self.known.items() if facts.hub_id}
        codes_by_hub_id |= {entry.hub_id: entry.code for entry in named.values() if entry.hub_id}
        for code, entry in named.items():
            if entry.is_deleted:
                self._end(entry)
                continue
            facts, known = self._build_facts(entry, codes_by_hub_id), self.known.get(code)
            if known is not None:  # changes tell no other code, and often no parent
                facts = facts._replace(
                    other_code=facts.other_code or known.other_code, parent=facts.parent or known.parent
                )
            self.wanted[code] = facts

    def take_own(self, entries: Iterable[DirectoryEntry]) -> None:
        """Take a list of our own, of which every word counts as it stands."""
        for entry in entries:
            self.wanted[entry.code] = self._build_facts(entry, {})._replace(valid_from=entry.valid_from)

    def write(self) -> DirectoryDifference:
        """Write what differs, and nothing else."""
        added = [code for code in self.wanted if code not in self.known]
        changed = [code for code, facts in self.wanted.items() if code in self.known and facts != self.known[code]]
        if added:
            _ADD.execute_many(self.tx.connection, [self._build_row(code) for code in added])
        if changed:
            rows = [self._build_row(code) | {"row_id": self.row_ids[code]} for code in changed]
            _CHANGE.execute_many(self.tx.connection, rows)
        return DirectoryDifference(
            agencies=sum(facts.active for facts in (self.known | self.wanted).values()),
            added=len(added),
            changed=len(changed),
            ended=sum(self._has_ended(code) for code in self.wanted),
        )

    def _build_facts(self, entry: DirectoryEntry, codes_by_hub_id: Mapping[str, str]) -> _Facts:
        known = self.known.get(entry.code)
        first_day = None if self.is_first or known is not None else self._today
        return _Facts(
            name=entry.name,
            other_code=entry.other_code,
            parent=entry.parent or codes_by_hub_id.get(entry.parent_id or ""),
            email=entry.email,
            hub_id=entry.hub_id,
            successor=entry.successor,
            valid_from=entry.valid_from or (known.valid_from if known is not None else first_day),
            valid_to=entry.valid_to,
            active=True,
        )

    def _end(self, entry: DirectoryEntry) -> None:
        """End a code as a change says; one that was never here is kept too, so that its end is known."""
        known = self.known.get(entry.code)
        facts = known or self._build_facts(entry, {})._replace(valid_from=None)
        last_day = known.valid_to if known is not None and not known.active else None
        self.wanted[entry.code] = facts._replace(active=False, valid_to=entry.valid_to or last_day or self._today)

    def _end_former_codes(self, listed: Mapping[str, DirectoryEntry]) -> None:
        """Make what a hub calls an agency's other code, and is of the same system, a code of before with its heir."""
        heirs = [(entry.other_code or "", entry) for entry in listed.values() if is_former_code(entry)]
        times_named = Counter(former for former, _ in heirs)
        for former, heir in heirs:
            if former in listed:
                continue
            facts = self.wanted.get(former) or self.known.get(former)
            if facts is None:
                facts = self._build_facts(heir, {})._replace(valid_from=None, hub_id=None, other_code=None)
            successor = heir.code if times_named[former] == 1 else None
            self.wanted[former] = facts._replace(active=False, successor=successor)

    def _build_row(self, code: str) -> dict[str, Any]:
        facts = self.wanted[code]
        folded = fold(f"{code} {facts.other_code or ''} {facts.name}")
        own = {"directory_id": self.source_id, "code": code, "folded": folded, "updated_at": self.tx.now}
        return facts._asdict() | own

    def _has_ended(self, code: str) -> bool:
        known = self.known.get(code)
        return not self.wanted[code].active and (known is None or known.active)


def is_former_code(entry: DirectoryEntry | DirectoryRow) -> bool:
    """Tell whether the other code of an entry is one of before: two codes of one system are two agencies."""
    if not entry.other_code or entry.other_code == entry.code:
        return False
    return OrganId.parse(entry.other_code).system is OrganId.parse(entry.code).system
