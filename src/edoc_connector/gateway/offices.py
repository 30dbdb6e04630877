"""The agencies that the gateway speaks for: the connector of each, and what requests to it need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..config import GatewaySettings, Settings
from ..connector import Connector, Receipt
from ..errors import NotFound
from ..store import Store


@dataclass(frozen=True, slots=True)
class Office:
    """An agency and its connector."""

    connector: Connector

    @property
    def agency(self) -> str:
        """Code of the agency."""
        return self.connector.context.agency

    @property
    def store(self) -> Store:
        """Its store."""
        return self.connector.context.store

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return self.connector.settings

    def find_receipt(self, receipt_id: int) -> Receipt:
        """Find a packet that came in by its number.

        Raises:
            NotFound: the agency has none of that number.
        """
        with self.store.snapshot() as tx:
            rows = tx.receipts.find_all(self.agency, id=receipt_id)
        if not rows:
            raise NotFound(
                f"no packet that came in has the number {receipt_id}: look for it in the list of receipts.",
                vi=f"Không có gói tin đến số {receipt_id}: hãy tra trong danh sách văn bản đến.",
            )
        return Receipt(self.connector.context, rows[0])  # without an outbox: a worker sends what is queued

    def is_ready(self) -> bool:
        """Whether the store answers."""
        from ..errors import StoreError

        try:
            with self.store.snapshot() as tx:
                tx.schedule.find_job(self.agency, "poll")
        except StoreError:
            return False
        return True

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a private folder for files on their way; it is gone behind the block."""
        with tempfile.TemporaryDirectory(prefix="edoc-gateway-", dir=self.settings.drafts()) as folder:
            yield Path(folder)


class Offices:
    """The agencies by code.

    Args:
        connectors: one for each.
    """

    def __init__(self, connectors: Iterable[Connector]) -> None:
        offices = map(Office, connectors)
        self._offices = {office.agency: office for office in offices}

    def __iter__(self) -> Iterator[Office]:
        return iter(self._offices.values())

    def __getitem__(self, agency: str) -> Office:
        return self._offices[agency]

    @property
    def stores(self) -> list[tuple[str, Store]]:
        """The agencies with their stores."""
        return [(office.agency, office.store) for office in self]

    @property
    def settings(self) -> GatewaySettings:
        """The gateway's own settings: those of the first agency."""
        return next(iter(self)).settings.gateway
