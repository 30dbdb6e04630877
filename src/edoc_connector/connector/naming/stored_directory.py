"""The hub's directory in the store, as policies ask it for the codes of one agency."""

from __future__ import annotations

from dataclasses import dataclass

from ...edxml import Directory, OrganId
from ...store import Store


@dataclass(frozen=True, slots=True)
class StoredDirectory:
    """A directory that is read anew for each question: one of a hub has thousands of agencies, and changes.

    Args:
        store: where `Connector.sync_directory` put it.
        agency: the code of the agency that sees it.
    """

    store: Store
    agency: str

    def __contains__(self, code: OrganId | str) -> bool:
        return code in self._load_part(code)

    def codes(self, code: OrganId | str) -> frozenset[OrganId]:
        """List all codes of the agency with this code.

        Raises:
            StoreError: the store cannot be read.
        """
        return self._load_part(code).codes(code)

    def _load_part(self, code: OrganId | str) -> Directory:
        value = code.value if isinstance(code, OrganId) else OrganId.parse(code).value
        with self.store.snapshot() as tx:
            return Directory(tx.directory.list_by_code(self.agency, value))
