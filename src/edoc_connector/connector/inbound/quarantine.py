"""Quarantine: packets that are set aside, for a person to look at."""

from __future__ import annotations

from typing import Any

from ..._core import describe_error, get_logger
from ...errors import EdocError
from ...store import ReceiptRow, ReceiptState, Tx
from .._retry import as_error_columns

log = get_logger("edoc_connector.connector.inbox")


def set_aside(tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any]) -> ReceiptRow:
    """Set a packet aside; returns its receipt afterwards."""
    log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    columns = {**values, **as_error_columns(error), "took_effect": False}
    return tx.receipts.move(row, ReceiptState.QUARANTINED, detail=describe_error(error), **columns)
