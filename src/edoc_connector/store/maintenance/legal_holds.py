"""Legal holds: documents of which nothing may be removed, until somebody releases them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, insert, select, update

from .._sql import TABLES
from ..rows import HoldRow

if TYPE_CHECKING:
    from ..transaction import Tx

HOLDS = TABLES["legal_holds"]


@dataclass(slots=True, eq=False)
class LegalHolds:
    """Places and releases holds; each of it is entered in the evidence.

    Args:
        tx: the transaction, whose actor does it.
    """

    _tx: Tx

    def place(self, agency: str, document_id: str, *, reason: str) -> None:
        """Place a hold on a document; one that is held already gets a further one.

        Args:
            agency: whose document it is.
            document_id: the document.
            reason: why, in a person's words.
        """
        values = {"agency": agency, "document_id": document_id, "reason": reason}
        self._tx.connection.execute(insert(HOLDS).values(**values, placed_by=self._tx.actor, placed_at=self._tx.now))
        self._tx.audit_log.record("hold", None, 0, {"document_id": document_id, "reason": reason}, agency=agency)

    def release(self, agency: str, document_id: str) -> int:
        """Release every hold on a document, and return how many there were."""
        where = HOLDS.c.agency == agency, HOLDS.c.document_id == document_id, HOLDS.c.released_at.is_(None)
        values = {"released_by": self._tx.actor, "released_at": self._tx.now}
        released = self._tx.connection.execute(update(HOLDS).where(*where).values(values)).rowcount
        if released:
            self._tx.audit_log.record("release", None, 0, {"document_id": document_id}, agency=agency)
        return released

    def list_open(self, agency: str) -> list[HoldRow]:
        """List the holds of an agency that are not released, the oldest first."""
        query = select(HOLDS).where(HOLDS.c.agency == agency, HOLDS.c.released_at.is_(None)).order_by(HOLDS.c.id)
        return [HoldRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]


def match_held(agency: ColumnElement[str], document_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Build the condition that a document is held."""
    conditions = HOLDS.c.agency == agency, HOLDS.c.document_id == document_id, HOLDS.c.released_at.is_(None)
    return select(HOLDS.c.id).where(*conditions).exists()
