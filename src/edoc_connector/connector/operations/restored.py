"""Restored store: what is known of the time since its backup, what is asked about, and what only a person can do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ..._core import Text
from ...edxml import VIETNAM
from ...errors import InvalidQuery
from ...store import (
    NOT_OURS,
    RESTORED,
    DeliveryState,
    Identity,
    OutgoingState,
    ReceiptRow,
    ReceiptState,
    StoreIdentity,
    Tx,
    begin_restore,
)
from .._context import ConnectorContext

_OFFER_AGAIN = Text(
    "Ask the hub's operator to offer again what was delivered to you and confirmed in {window}: the hub does not list "
    "it any more. What your system has already comes with the same DocumentId.",
    "Đề nghị đơn vị vận hành trục đưa lại các gói tin đã giao và đã xác nhận trong {window}: trục không còn liệt kê "
    "các gói này. Văn bản phần mềm của đơn vị đã có sẽ đến với cùng mã văn bản.",
)
_COMES_AGAIN = Text(
    "What was delivered to you and confirmed in {window} comes again by itself: the hub lists by date, confirmed or "
    "not. What your system has already comes with the same DocumentId.",
    "Các gói tin đã giao và đã xác nhận trong {window} sẽ tự đến lại: trục liệt kê theo ngày, kể cả gói đã xác nhận. "
    "Văn bản phần mềm của đơn vị đã có sẽ đến với cùng mã văn bản.",
)
_SEND_AGAIN = Text(
    "Send every document again that your system sent in {window}, with the same ids: the hub is asked first, and what "
    "it has is not sent twice.",
    "Gửi lại mọi văn bản phần mềm của đơn vị đã gửi trong {window} với cùng mã văn bản: hệ thống hỏi trục trước, văn "
    "bản trục đã có không bị gửi hai lần.",
)
_STATUSES_KEPT = Text(
    "Recipients report about {unknown} documents that the store does not know; the statuses are kept, and not "
    "confirmed. They are taken in when the document was sent again.",
    "Nơi nhận báo trạng thái về {unknown} văn bản mà kho không có; các thông báo được giữ lại, chưa xác nhận, và được "
    "tiếp nhận khi văn bản đó được gửi lại.",
)
_SET_ASIDE = Text(
    "{aside} packets were here when the backup was made and are not offered any more, unless the hub was not asked "
    "yet: they were handled since. Look into your system; what is not there is handed out after `edoc recheck`.",
    "{aside} gói tin có trong bản sao lưu nhưng trục không còn đưa ra (trừ khi chưa hỏi trục): đã được xử lý sau đó. "
    "Hãy tra trong phần mềm của đơn vị; gói nào chưa có thì chạy `edoc recheck` để nhận lại.",
)
_ASKED = Text(
    "The hub is asked about {asked} documents; `edoc reconcile` asks now, and says what a person must decide.",
    "Đang hỏi trục về {asked} văn bản; `edoc reconcile` hỏi ngay và cho biết việc người phụ trách phải quyết định.",
)
_FINISH = Text(
    "Then end the restore: `edoc restored --done`.", "Sau đó kết thúc việc khôi phục: `edoc restored --done`."
)
_ADVICE = (_OFFER_AGAIN, _COMES_AGAIN, _SEND_AGAIN, _STATUSES_KEPT, _SET_ASIDE, _ASKED, _FINISH)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """Where a restored store stands.

    Args:
        identity: the store, with the times of the backup and of the restore.
        asked: ids of documents, sent or received, about which the hub is still asked whether it has our packet.
        set_aside: packets that had come in when the backup was made, and that the hub does not offer any more: they
            were confirmed since; the hub's ids.
        unknown_documents: documents that recipients reported about and that the store does not know, each with the
            hub's ids of the statuses.
        advice: what a person has to do, in both languages, in order.
    """

    identity: StoreIdentity
    asked: tuple[str, ...]
    set_aside: tuple[str, ...]
    unknown_documents: tuple[tuple[str, tuple[str, ...]], ...]
    advice: tuple[Text, ...]

    @property
    def is_restoring(self) -> bool:
        """Whether a restore is under way."""
        return self.identity.is_restoring


def begin_by_hand(context: ConnectorContext, snapshot_at: datetime) -> None:
    """Make a store ready that was put back to an earlier state by other means than `restore_backup`.

    Raises:
        InvalidQuery: the time has no zone, or is not over yet.
        StoreError: the store cannot be written.
    """
    if snapshot_at.utcoffset() is None or snapshot_at > context.store.clock():
        raise InvalidQuery(
            f"the store's state cannot be of {snapshot_at.isoformat()}: give a time in the past, with its zone, such "
            "as 2026-11-27T18:00+07:00.",
            vi=f"Kho dữ liệu không thể ở thời điểm {snapshot_at.isoformat()}: hãy ghi thời điểm đã qua, kèm múi giờ, "
            "ví dụ 2026-11-27T18:00+07:00.",
        )
    with context.store.transaction("edoc restored") as tx:
        begin_restore(tx, snapshot_at=snapshot_at)
    context.store.accept_identity()


def list_not_ours(context: ConnectorContext) -> list[ReceiptRow]:
    """List the statuses about documents that the store does not know."""
    with context.store.snapshot() as tx:
        return tx.receipts.find_all(context.agency, state=ReceiptState.QUARANTINED, error_code=NOT_OURS)


def finish(context: ConnectorContext) -> None:
    """Note that a person caught up with a restore: from now on everything is sent, and confirmed, as ever."""
    with context.store.transaction("edoc restored") as tx:
        Identity(tx).finish_restore()
    context.store.accept_identity()


def build_report(context: ConnectorContext) -> RestoreReport:
    """Build the report.

    Raises:
        StoreError: the store cannot be read.
    """
    with context.store.snapshot() as tx:
        identity = Identity(tx).read()
        asked = _list_asked(tx, context.agency)
        aside = tx.receipts.find_all(context.agency, state=ReceiptState.QUARANTINED, error_code=RESTORED)
        not_ours = tx.receipts.find_all(context.agency, state=ReceiptState.QUARANTINED, error_code=NOT_OURS)
    unknown: dict[str, list[str]] = {}
    for row in reversed(not_ours):
        unknown.setdefault(row.document_id or row.code or "", []).append(row.hub_doc_id)
    report = RestoreReport(
        identity=identity,
        asked=asked,
        set_aside=tuple(row.hub_doc_id for row in reversed(aside)),
        unknown_documents=tuple((document, tuple(ids)) for document, ids in unknown.items()),
        advice=(),
    )
    if not report.is_restoring:
        return report
    return _with_advice(report, lists_confirmed=context.capabilities.lists_by_date)


def _list_asked(tx: Tx, agency: str) -> tuple[str, ...]:
    documents = [row.document_id for row in tx.deliveries.find_all(agency, state=DeliveryState.UNKNOWN)]
    for row in tx.outgoing.find_all(agency, state=OutgoingState.UNKNOWN):
        if row.receipt_id is not None:
            documents.append(tx.receipts.get_by_id(row.receipt_id).document_id or "")
        elif row.delivery_id is not None:
            documents.append(tx.deliveries.get_by_id(row.delivery_id).document_id)
    return tuple(dict.fromkeys(reversed(documents)))


def _with_advice(report: RestoreReport, *, lists_confirmed: bool) -> RestoreReport:
    moments = (report.identity.snapshot_at, report.identity.restored_at)
    since, until = (moment.astimezone(VIETNAM) for moment in moments if moment is not None)
    values = {
        "window": f"{since:%Y-%m-%d %H:%M} – {until:%Y-%m-%d %H:%M} (UTC+7)",
        "unknown": len(report.unknown_documents),
        "aside": len(report.set_aside),
        "asked": len(report.asked),
    }
    is_needed = {_STATUSES_KEPT: values["unknown"], _SET_ASIDE: values["aside"], _ASKED: values["asked"]}
    is_needed |= {_OFFER_AGAIN: not lists_confirmed, _COMES_AGAIN: lists_confirmed}
    advice = [words for words in _ADVICE if is_needed.get(words, True)]
    return replace(
        report, advice=tuple(Text(words.en.format_map(values), words.vi.format_map(values)) for words in advice)
    )
