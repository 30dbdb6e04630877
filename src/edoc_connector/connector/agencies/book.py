"""The part of a connector for agencies: take over directories, search, show, and judge recipients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...edxml import Document, OrganId
from ...store import Tx
from .._context import ConnectorContext
from .messages import build_unknown_agency_error
from .own_list import read_own_list
from .recipients import check_codes
from .records import AgencyHistory, AgencyImport, AgencyRecord, AgencySync, RecipientCheck
from .sync import sync_agencies, take_whole

_MAX_PARENTS = 10  # levels: agencies that stand above each other end somewhere


class Agencies:
    """The part of a `Connector` for the directory of agencies."""

    context: ConnectorContext

    def sync_agencies(self, *, whole: bool | None = None, accept_loss: bool = False) -> AgencySync:
        """Take over the hub's directory: only what differs is written. Agencies of one hub and store share it.

        Args:
            whole: whether to ask for the whole; left out, for its changes where the hub tells them and the whole was
                taken over in the last seven days.
            accept_loss: whether a directory is believed that lost more than half of its agencies.

        Raises:
            ProtocolError: it lost more than half of its agencies; nothing was changed.
            EdocError: the hub did not give it; the one in the store stays as it was.
        """
        return sync_agencies(self._find_directory_hub(), whole=whole, accept_loss=accept_loss)

    def sync_directory(self) -> int:
        """Take over the hub's whole directory of agencies, and return how many it has; see `sync_agencies`.

        Raises:
            EdocError: the hub did not give it; the one in the store stays as it was.
        """
        context = self._find_directory_hub()
        context.hub.clear_exchanges()
        return take_whole(context).agencies

    def _find_directory_hub(self) -> ConnectorContext:
        """Find the context of the hub whose directory counts: the one that sends."""
        return self.context.read_sending() or self.context

    def find_agencies(self, text: str, *, ended: bool | None = None, limit: int = 20) -> tuple[AgencyRecord, ...]:
        """Find agencies by the beginnings of words of their code or name, without diacritics, the best first.

        Args:
            text: the words: ``so noi vu`` finds ``Sở Nội vụ``, ``h29.05`` the code and those below it.
            ended: only codes that ended, or only those that did not.
            limit: agencies at most.
        """
        with self.context.store.snapshot() as tx:
            rows = tx.directory.search(self.context.agency, text, ended=ended, limit=limit)
            return tuple(AgencyRecord.from_row(row, tx.directory.today) for row in rows)

    def agency(self, code: str) -> AgencyHistory:
        """Find an agency by its code of either system, with those above it, its life, its heir and predecessors.

        Raises:
            NotFound: no directory has the code.
        """
        value = OrganId.parse(code).value
        with self.context.store.snapshot() as tx:
            row = tx.directory.load(self.context.agency, [value]).get(value)
            if row is None:
                raise build_unknown_agency_error(code)
            today = tx.directory.today
            heir = tx.directory.find_heir(self.context.agency, row.code) if row.has_ended(today) else None
            predecessors = tx.directory.list_predecessors(self.context.agency, row.code)
            return AgencyHistory(
                agency=AgencyRecord.from_row(row, today),
                parents=self._list_parents(tx, row.parent),
                heir=AgencyRecord.from_row(heir, today) if heir is not None else None,
                predecessors=tuple(AgencyRecord.from_row(one, today) for one in predecessors),
            )

    def import_agencies(self, path: str | Path, *, replace: bool = False) -> AgencyImport:
        """Take a list of our own (CSV) over: names, other codes, lives and successors that count before the hub's.

        Args:
            path: the file; see docs/agencies.md for its columns.
            replace: whether codes that it does not name leave our list.

        Raises:
            AgencyListError: lines of it cannot be used, each named; nothing was taken over.
        """
        found = read_own_list(Path(path))
        with self.context.store.transaction() as tx:
            difference = tx.directory.take_own_list(self.context.agency, found.entries, is_whole=replace)
            heirs = {code for entry in found.entries for code in (entry.successor or "").split()}
            known = tx.directory.load(self.context.agency, heirs)
        return AgencyImport(
            lines=len(found.entries),
            added=difference.added,
            changed=difference.changed,
            unknown_successors=tuple(sorted(heirs - set(known))),
            ignored_columns=found.ignored_columns,
        )

    def check_recipients(self, document: Document | Sequence[str]) -> tuple[RecipientCheck, ...]:
        """Judge recipients by the directory, as `send` does before it stores a document.

        Args:
            document: the document, or codes of recipients.
        """
        codes = [one.id for one in document.recipients] if isinstance(document, Document) else list(document)
        with self.context.store.snapshot() as tx:
            return check_codes(tx, self.context, codes)

    def _list_parents(self, tx: Tx, code: str | None) -> tuple[AgencyRecord, ...]:
        parents: dict[str, AgencyRecord] = {}
        while code and code not in parents and len(parents) < _MAX_PARENTS:
            row = tx.directory.load(self.context.agency, [code]).get(code)
            if row is None:
                break
            parents[code] = AgencyRecord.from_row(row, tx.directory.today)
            code = row.parent
        return tuple(parents.values())
