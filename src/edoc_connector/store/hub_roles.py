"""Which of an agency's hubs sends, and which are only emptied, as a person decided it for all programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from .._core import Labelled, Text, label_members
from ._sql import TABLES

if TYPE_CHECKING:
    from .transaction import Tx

TABLE = TABLES["hub_roles"]


@label_members({"active": Text("sends", "đang dùng để gửi"), "drain": Text("being emptied", "đang rút cạn")})
class HubRole(Labelled, StrEnum):
    """What is done with a hub."""

    ACTIVE = "active"
    """What is new is sent over it; of an agency's hubs one at most."""
    DRAIN = "drain"
    """It is polled, confirmed to and asked; nothing new is sent over it."""


@dataclass(slots=True, eq=False)
class HubRoles:
    """Keeps the roles of hubs.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def load(self, agency: str) -> Mapping[str, tuple[HubRole, datetime]]:
        """Load the role of each hub, and since when it has it; nothing as long as nobody decided in the store."""
        query = select(TABLE.c.hub, TABLE.c.role, TABLE.c.changed_at).where(TABLE.c.agency == agency)
        rows = self._tx.connection.execute(query.order_by(TABLE.c.hub)).mappings()
        return {row["hub"]: (HubRole(row["role"]), row["changed_at"]) for row in rows}

    def replace(self, agency: str, roles: Mapping[str, HubRole]) -> None:
        """Replace the roles of an agency's hubs; of those that keep theirs, the time stays."""
        self._tx.advisory_lock(f"hub roles {agency}")
        before = self.load(agency)
        self._tx.connection.execute(delete(TABLE).where(TABLE.c.agency == agency))
        for hub, role in roles.items():
            known, changed_at = before.get(hub, (None, self._tx.now))
            since = changed_at if known is role else self._tx.now
            values = {"agency": agency, "hub": hub, "role": role, "changed_at": since, "actor": self._tx.actor}
            self._tx.connection.execute(insert(TABLE).values(values))
        details = {"hubs": {hub: str(role) for hub, role in roles.items()}}
        self._tx.audit_log.record("hubs", None, 0, details, agency=agency)
