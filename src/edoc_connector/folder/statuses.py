"""Statuses of the documents that came through the folder, written for other software: each change once, in order.

Files are written where nobody sees them, then the store counts up to them, and only then they appear. Each has a name
of its own: none is replaced while another program reads it, and their order is that of their names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..config import FolderSettings
from ..connector import Connector
from ..errors import NotFound
from ..store import ChangeRow, FolderItemRow
from .descriptions import describe_status, format_status_csv
from .layout import Layout
from .shared_files import PART, make_folder, move, remove, write_file, write_json

_BATCH = 500
_QUIET = ("sending",)  # states that a document is in for moments


class DocumentStatuses:
    """Writes what became of the documents that an agency sent through its folder.

    Args:
        connector: of the agency.
        layout: the folders.
        settings: the section ``[watch_folder]``.
    """

    def __init__(self, connector: Connector, layout: Layout, settings: FolderSettings) -> None:
        self._connector = connector
        self._layout = layout
        self._settings = settings

    def begin(self) -> None:
        """Begin where the store stands, unless the folder was watched before; let appear what is counted already.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        agency = self._connector.context.agency
        with self._connector.context.store.transaction() as tx:
            position = tx.folder_items.begin(agency, tx.changes.find_last())
        for staged in sorted(self._layout.news.iterdir()):
            if staged.name.startswith(PART) or _get_number(staged) > position:
                remove(staged)  # it is written again
            elif _get_number(staged):
                self._publish(staged)

    def export(self) -> int:
        """Write what changed; returns how many files appeared.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        written = self._publish_all()
        while True:
            entries = self._read_changes()
            if not entries:
                return written
            self._stage(entries)
            with self._connector.context.store.transaction() as tx:
                tx.folder_items.advance(self._connector.context.agency, entries[-1].entry.id)
            written += self._publish_all()

    def _read_changes(self) -> list[ChangeRow]:
        agency = self._connector.context.agency
        with self._connector.context.store.snapshot() as tx:
            position = tx.folder_items.find_position(agency)
            return [] if position is None else tx.changes.read_after(position, limit=_BATCH)

    def _stage(self, entries: Iterable[ChangeRow]) -> None:
        """Write the state of each document that changed, once, under the number of its last change."""
        agency = self._connector.context.agency
        latest = {
            one.document_id: one.entry.id
            for one in entries
            if one.entry.subject == "delivery" and one.agency == agency and one.entry.new not in _QUIET
        }
        for document_id, number in latest.items():
            item = self._find_item(document_id)
            if item is not None:
                self._write(document_id or "", number, item)

    def _find_item(self, document_id: str | None) -> FolderItemRow | None:
        """Find how a document came: itself, or one that it changes."""
        agency = self._connector.context.agency
        with self._connector.context.store.snapshot() as tx:
            found = tx.folder_items.find(agency, document_id or "")
            row = None if found is not None else tx.deliveries.find_by_document_id(agency, document_id or "")
            if row is None:
                return found
            targets = tx.deliveries.load_targets([row.id])[row.id]
            return next(filter(None, (tx.folder_items.find(agency, target) for target in targets)), None)

    def _write(self, document_id: str, number: int, item: FolderItemRow) -> None:
        try:
            delivery = self._connector.delivery(document_id)
        except NotFound:  # taken out of the store by an undone import
            return
        facts = describe_status(delivery, number=number, name=item.name)
        stem = f"{number:012}@{item.department}"
        if self._settings.format != "csv":
            write_json(self._layout.news / f"{stem}@.json", facts, like=self._layout.root)
        if self._settings.format != "json":
            write_file(self._layout.news / f"{stem}@.csv", format_status_csv(facts), like=self._layout.root)

    def _publish_all(self) -> int:
        staged = [path for path in sorted(self._layout.news.iterdir()) if _get_number(path)]
        for path in staged:
            self._publish(path)
        return len(staged)

    def _publish(self, staged: Path) -> None:
        number, _, rest = staged.name.partition("@")
        department, _, ending = rest.rpartition("@")  # a department may have the sign in its name
        folder = self._layout.statuses / department
        make_folder(folder, like=self._layout.root)
        move(staged, folder / f"{number}{ending}")


def _get_number(staged: Path) -> int:
    """Get the number of a status; 0 for what is none of ours, as shares and desktops leave files everywhere."""
    number, *rest = staged.name.split("@")
    return int(number) if rest and number.isdecimal() else 0
