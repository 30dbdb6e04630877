"""Legal holds on documents: nothing of them is removed until they are released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ...errors import InvalidQuery, NotFound
from ...store import HoldRow, LegalHolds
from .._context import ConnectorContext


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """A legal hold on a document.

    Args:
        document_id: the document, sent or received.
        reason: why, in a person's words.
        placed_by: who placed it.
        placed_at: when, UTC.
    """

    document_id: str
    reason: str
    placed_by: str
    placed_at: datetime

    @classmethod
    def from_row(cls, row: HoldRow) -> LegalHold:
        """Make it of its row."""
        return cls(document_id=row.document_id, reason=row.reason, placed_by=row.placed_by, placed_at=row.placed_at)


def place_hold(context: ConnectorContext, document_id: str, *, reason: str, by: str | None) -> None:
    """Place a hold on a document.

    Raises:
        InvalidQuery: no reason is given.
        NotFound: nothing is known of the document.
        StoreError: the store cannot be written.
    """
    if not reason.strip():
        raise InvalidQuery(
            "a legal hold needs a reason: say who asked for it, and why.",
            vi="cần ghi lý do giữ tài liệu: ai yêu cầu và vì sao.",
        )
    with context.store.transaction(by) as tx:
        known = tx.deliveries.find_all(context.agency, document_id=document_id)
        if not known and not tx.receipts.find_all(context.agency, document_id=document_id):
            raise NotFound(
                f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
                vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
            )
        LegalHolds(tx).place(context.agency, document_id, reason=reason.strip())


def release_hold(context: ConnectorContext, document_id: str, *, by: str | None) -> None:
    """Release every hold on a document.

    Raises:
        NotFound: there is none.
        StoreError: the store cannot be written.
    """
    with context.store.transaction(by) as tx:
        if not LegalHolds(tx).release(context.agency, document_id):
            raise NotFound(
                f"there is no legal hold on {document_id}: edoc holds lists them.",
                vi=f"Văn bản {document_id} không bị giữ: chạy edoc holds để xem danh sách.",
            )


def list_holds(context: ConnectorContext) -> list[LegalHold]:
    """List the holds that are not released, the oldest first.

    Raises:
        StoreError: the store cannot be read.
    """
    with context.store.snapshot() as tx:
        return [LegalHold.from_row(row) for row in LegalHolds(tx).list_open(context.agency)]
