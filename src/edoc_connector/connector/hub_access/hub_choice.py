"""Which of an agency's hubs sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ...store import HubRole, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class HubChoice:
    """Tells which hub sends: by the settings, until somebody decided in the store, for all programs.

    A hub that the settings name and that decision does not is emptied only. Of a single hub the settings decide.

    Args:
        agency: code of the agency.
        configured: the roles of the hubs, by name, as the settings have them.
    """

    agency: str
    configured: Mapping[str, HubRole]

    def read_roles(self, tx: Tx) -> Mapping[str, HubRole]:
        """Read the role of each hub of the settings."""
        stored = tx.hub_roles.load(self.agency) if len(self.configured) > 1 else {}
        if not stored:
            return self.configured
        return {name: stored[name][0] if name in stored else HubRole.DRAIN for name in self.configured}

    def read_times(self, tx: Tx) -> Mapping[str, datetime]:
        """Read since when each hub has its role, of those of which somebody decided in the store."""
        return {name: changed_at for name, (_, changed_at) in tx.hub_roles.load(self.agency).items()}

    def find_sending(self, tx: Tx) -> str | None:
        """Find the name of the hub that sends; None where none does."""
        roles = self.read_roles(tx)
        return next((name for name, role in roles.items() if role is HubRole.ACTIVE), None)
