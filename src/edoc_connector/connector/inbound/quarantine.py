"""Quarantine: packets that are set aside, for a person to look at."""

from __future__ import annotations

from typing import Any

from ..._core import describe_error, get_logger
from ...errors import EdocError
from ...store import FAIL, ReceiptRow, ReceiptState, Tx
from .._retry import as_error_columns

log = get_logger("edoc_connector.connector.inbox")


def quarantine(
    tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any], *, notify_hub: bool = True
) -> ReceiptRow:
    """Set a packet aside, and queue a ``fail`` for the hub if it is to be told; returns the receipt afterwards."""
    log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    columns = {**values, **as_error_columns(error), "took_effect": False}
    quarantined = tx.receipts.move(row, ReceiptState.QUARANTINED, detail=describe_error(error), **columns)
    if notify_hub:
        tx.outgoing.enqueue_confirmation(quarantined, FAIL)
    return quarantined
