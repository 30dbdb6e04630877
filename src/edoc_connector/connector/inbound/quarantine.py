"""Quarantine: packets that are set aside, for a person to look at."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from ..._core import bind_log_fields, describe_error, get_logger
from ...config import LimitSettings
from ...errors import EdocError, ProtocolError
from ...store import FAIL, ReceiptRow, ReceiptState, Tx
from .._retry import as_error_columns, compute_next_attempt

log = get_logger("edoc_connector.connector.inbox")

MAX_WRONG_BODIES = 5  # how often a packet is asked for again for which the hub gave another one's body


def set_aside(tx: Tx, row: ReceiptRow, error: EdocError, values: dict[str, Any]) -> ReceiptRow:
    """Set a packet aside; returns its receipt afterwards."""
    with bind_log_fields(agency=row.agency, hub=row.hub, doc_id=row.hub_doc_id, document_id=row.document_id):
        log.error("docId %s is set aside: %s", row.hub_doc_id, error)
    columns = {**values, **as_error_columns(error), "took_effect": False}
    return tx.receipts.move(row, ReceiptState.QUARANTINED, detail=describe_error(error), **columns)


def quarantine(
    tx: Tx,
    row: ReceiptRow,
    error: EdocError,
    values: dict[str, Any],
    *,
    limits: LimitSettings,
    notify_hub: bool = True,
) -> None:
    """Set a packet aside. The hub is told ``fail`` once the same bytes came twice, an interval apart.

    Until then it is downloaded once more by itself: one odd answer, or one that was cut, is no verdict on a packet.

    Args:
        tx: the transaction.
        row: its receipt; the bytes that came before it names by their hash.
        error: why it may not come in.
        values: further columns, the hash of the bytes that came now among them.
        limits: the interval.
        notify_hub: whether the hub is told at all.
    """
    is_repeated = row.sha256 is not None and row.sha256 == values["sha256"]
    next_attempt_at = max(
        tx.now + timedelta(seconds=limits.grace), compute_next_attempt(limits, row.attempts - 1, tx.now)
    )
    schedule = {"refetch": not is_repeated, "next_attempt_at": next_attempt_at}
    quarantined = set_aside(tx, row, error, values | schedule)
    if is_repeated and notify_hub:
        tx.outgoing.enqueue_confirmation(quarantined, FAIL)


def quarantine_misdelivered(tx: Tx, row: ReceiptRow, values: dict[str, Any], *, limits: LimitSettings) -> None:
    """Set another packet's body aside, and plan another download, a bounded number of times; the hub is not told."""
    next_attempt_at = compute_next_attempt(limits, row.attempts - 1, tx.now)
    schedule = {"refetch": row.attempts < MAX_WRONG_BODIES, "next_attempt_at": next_attempt_at}
    set_aside(tx, row, _build_misdelivery_error(row), values | schedule)


def _build_misdelivery_error(row: ReceiptRow) -> ProtocolError:
    return ProtocolError(
        f"under docId {row.hub_doc_id} the hub gave another packet: of another sender to another recipient, or of "
        "another kind. It is set aside and not confirmed; the next polls ask for it again. Tell the hub's operator.",
        vi=f"Với docId {row.hub_doc_id}, trục trả về gói tin khác (của nơi gửi khác cho nơi nhận khác, hoặc khác "
        "loại). Gói tin bị cách ly, không xác nhận; các lần nhận sau sẽ tải lại. Hãy báo cho đơn vị vận hành trục.",
    )
