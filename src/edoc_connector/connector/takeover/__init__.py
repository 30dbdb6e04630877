"""Takeover of documents in flight from an older connector, in batches that can be undone and done again."""

from __future__ import annotations

from pathlib import Path

from .._context import ConnectorContext
from .file import COLUMNS, read_import_file
from .records import Imported, ImportFileError, ImportState, ImportUndone, InFlight, InFlightRecipient
from .take_over import find_import, import_documents, name_batch, undo_import

__all__ = [
    "COLUMNS",
    "ImportFileError",
    "ImportState",
    "ImportUndone",
    "Imported",
    "InFlight",
    "InFlightRecipient",
    "Takeovers",
    "name_batch",
    "read_import_file",
]


class Takeovers:
    """The part of a `Connector` that takes documents in flight over from an older connector."""

    context: ConnectorContext

    def import_documents(self, path: str | Path, *, batch: str | None = None) -> Imported:
        """Take documents in flight over; what they are and where they stand says a file of the older connector.

        They are never sent from here: statuses that come about them are entered from now on. Calling again with a newer
        file enters what the older connector learnt since; what is known here never goes back.

        Args:
            path: CSV or JSON; see docs/import.md.
            batch: name of the batch, to undo it by, of 64 characters at most; made of the time where it is left out.

        Raises:
            ImportFileError: lines of it cannot be used, each named; nothing was taken over.
            InvalidQuery: the batch cannot have that name.
            StoreError: the store cannot be written.
        """
        name = name_batch(self.context.store.clock()) if batch is None else batch
        return import_documents(self.context, Path(path), batch=name)

    def find_import(self, batch: str) -> ImportState:
        """Find where a batch stands: how many documents it has, and which are not finished.

        Raises:
            NotFound: there is none of that name.
        """
        return find_import(self.context, batch)

    def undo_import(self, batch: str) -> ImportUndone:
        """Undo an import: its documents are the older connector's again. Importing them again brings everything back.

        Returns:
            how each stands now, for the older connector to know; what is still worked on here stays.

        Raises:
            NotFound: there is none of that name.
            StoreError: the store cannot be written.
        """
        return undo_import(self.context, batch)
