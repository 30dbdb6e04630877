"""Other store for the agency: what tells that there is one, on this machine or anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from .._context import ConnectorContext
from ..holdings import OtherStore

_LOOKED_BACK = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStoreSigns:
    """Signs that another store is used for the agency.

    Args:
        seen: another store that is in use now, within sight; this one is refused at the hub.
        unknown_documents: documents of the last 30 days that recipients reported on as ours and that this store never
            sent: a program with another store sent them, or the store was restored.
    """

    seen: OtherStore | None
    unknown_documents: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.seen is not None or bool(self.unknown_documents)


def find_other_store(context: ConnectorContext) -> OtherStoreSigns:
    """Find signs that another store is used for the agency at its hub.

    Raises:
        StoreError: the store cannot be read.
    """
    with context.store.snapshot() as tx:
        unknown_documents = tx.receipts.list_unknown_subjects(context.agency, since=tx.now - _LOOKED_BACK)
    seen = (one.guard.find_other() for one in context.by_hub.values())
    return OtherStoreSigns(
        seen=next((one for one in seen if one is not None), None), unknown_documents=tuple(unknown_documents)
    )
