"""Explanation of a document's history and its next steps, in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from ...errors import NotFound, VerificationFailed
from ...store import (
    CHANGE_BY_ANSWER,
    CONFIRM,
    DELIVERIES,
    RECEIPTS,
    DeliveryRow,
    DeliveryState,
    OutgoingRow,
    OutgoingState,
    QueuedRow,
    ReceiptRow,
    ReceiptState,
    RecipientRow,
    Tx,
    describe_code,
)
from .._change_rules import ANSWERED_KINDS, NEW_KIND, TAKE_BACK_KIND, WITHDRAWING_KINDS
from .._context import ConnectorContext
from .._retry import Undecided
from ..hub_access import read_breaker
from ..outbound import is_correctable, list_missing
from .story import (
    Story,
    TextPair,
    build_answer_events,
    build_check_events,
    build_outgoing_events,
    build_story,
    build_timeline_events,
    format_time,
    name_outgoing,
)

_FINAL_CODES = frozenset({"02", "06"})  # codes after which a document takes no further one, so no answer to a 13 either


def explain(context: ConnectorContext, document_id: str) -> Story:
    """Explain the history of a document, sent or received; or of a packet, by the hub's id of it.

    Raises:
        NotFound: nothing is known of it.
    """
    with context.store.snapshot() as tx:
        delivery = tx.deliveries.find_by_document_id(context.agency, document_id)
        if delivery is not None:
            return _explain_delivery(tx, context, delivery)
        receipt = next(iter(tx.receipts.list_by_any_id(context.agency, document_id)), None)
        receipt = receipt or next(iter(tx.receipts.find_all(context.agency, document_id=document_id)), None)
        if receipt is not None:
            return _explain_receipt(tx, context, receipt)
    raise NotFound(
        f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
        vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
    )


# -- a document that we send


def _explain_delivery(tx: Tx, context: ConnectorContext, row: DeliveryRow) -> Story:
    outgoing_rows = tx.outgoing.find_all(row.agency, delivery_id=row.id)
    refused_about = _list_refused_about(tx, row)
    refused_ids = {
        item.id for item in (*tx.outgoing.list_refused_about(row.agency, delivery_ids=[row.id]), *refused_about)
    }
    events = [
        *build_timeline_events(tx, DELIVERIES, [row.id]),
        *build_answer_events(tx, row.agency, "delivery", [row.id]),
        *build_outgoing_events(tx, outgoing_rows),
    ]
    next_steps = [
        _describe_hub(context, row),
        _describe_delivery_next(tx, row),
        _describe_deadline(tx, row),
        *_describe_recipients_next(tx, context, row),
        *(_describe_outgoing_next(item, is_refused=item.id in refused_ids) for item in outgoing_rows),
        *(_describe_outgoing_next(item, is_refused=item.id in refused_ids) for item in refused_about),
        *_describe_pauses(tx, context, [row, *outgoing_rows]),
    ]
    return build_story(
        row.document_id,
        (f"Sent document {row.code}: {row.subject}", f"Văn bản đi {row.code}: {row.subject}"),
        events,
        [item for item in next_steps if item is not None],
    )


def _list_refused_about(tx: Tx, row: DeliveryRow) -> list[OutgoingRow]:
    """List the refused confirmations of statuses that came about a document of ours."""
    receipts = tx.receipts.find_all(row.agency, document_id=row.document_id)
    return tx.outgoing.list_refused_about(row.agency, receipt_ids=[receipt.id for receipt in receipts])


def _describe_delivery_next(tx: Tx, row: DeliveryRow) -> TextPair | None:
    if row.state == DeliveryState.FAILED and is_correctable(tx, row):
        return (
            f"It will not be sent by itself: {row.error_text} Correct the document and send it again; under the same "
            "id it takes the place of the one that was refused.",
            f"Hệ thống sẽ không tự gửi lại: {row.error_vi} Hãy sửa văn bản rồi gửi lại; văn bản cùng mã văn bản sẽ "
            "thay cho văn bản bị từ chối.",
        )
    if row.state == DeliveryState.FAILED:
        return (
            f"It will not be sent by itself: {row.error_text} Mend that and send the same document again.",
            f"Hệ thống sẽ không tự gửi lại: {row.error_vi} Hãy khắc phục rồi gửi lại đúng văn bản đó.",
        )
    if row.state == DeliveryState.SENDING:
        return _describe_lease(row)
    if row.state == DeliveryState.UNKNOWN and row.error_code == Undecided.__name__:
        return (
            "A person must find out at the hub whether it arrived, then: edoc settle ID --arrived or --not-arrived.",
            "Cần người phụ trách tra trên trục xem gói tin đã đến chưa, rồi chạy: edoc settle ID --arrived hoặc "
            "--not-arrived.",
        )
    if row.state == DeliveryState.UNKNOWN:
        return _describe_due(row, "the hub is asked whether it has the packet", "hỏi trục đã có gói tin hay chưa")
    return _describe_due(row, "it is sent", "gửi gói tin") if row.state == DeliveryState.READY else None


def _describe_deadline(tx: Tx, row: DeliveryRow) -> TextPair | None:
    missing = ", ".join(list_missing(row, tx.recipients.load([row.id])[row.id]))
    if row.deadline is None or not missing:
        return None
    moment = format_time(row.deadline)
    if row.deadline > tx.now:
        return f"It is to be with {missing} by {moment}.", f"Phải tới {missing} trước {moment}."
    return (
        f"EXPIRED: it was to be with {missing} by {moment}. Ask there, or send it another way; it is not sent again by "
        "itself.",
        f"QUÁ HẠN: phải tới {missing} trước {moment}. Hãy hỏi nơi nhận hoặc gửi cách khác; hệ thống không tự gửi lại.",
    )


def _describe_recipients_next(tx: Tx, context: ConnectorContext, row: DeliveryRow) -> Iterator[TextPair]:
    if row.state != DeliveryState.SENT or row.sent_at is None:
        return
    yield from _describe_unanswered(tx, row)
    is_late = (tx.now - row.sent_at).total_seconds() > context.limits.arrival_within
    for recipient in tx.recipients.load([row.id])[row.id]:
        if recipient.refused_at is not None:
            yield (
                f"{recipient.organ_id}: {recipient.refusal}. Ask the hub's operator, or send it another way.",
                f"{recipient.organ_id}: {recipient.refusal_vi}. Hãy hỏi đơn vị vận hành trục hoặc gửi cách khác.",
            )
        elif recipient.last_code is None and recipient.change is None:
            words = ("UNDELIVERED: has not", "CHƯA ĐẾN: chưa") if is_late else ("has not", "chưa")
            yield (
                f"{recipient.organ_id} {words[0]} reported 01 (arrived).",
                f"{recipient.organ_id} {words[1]} báo 01 (đã đến).",
            )
        elif recipient.change == "asked":
            yield _describe_open_request(tx, row, recipient)


def _describe_unanswered(tx: Tx, row: DeliveryRow) -> Iterator[TextPair]:
    """Describe what recipients owe to a recall, an update or a replacement itself."""
    if row.business in ANSWERED_KINDS:
        for recipient in tx.recipients.list_unanswered(row):
            yield _describe_owed_answer(recipient)


def _describe_owed_answer(recipient: RecipientRow) -> TextPair:
    return f"{recipient.organ_id} has to answer 15 or 16.", f"{recipient.organ_id} cần trả lời 15 hoặc 16."


def _describe_open_request(tx: Tx, row: DeliveryRow, recipient: RecipientRow) -> TextPair:
    """Describe an open request; one to give back (13) needs no answer any more after the last code (02, 06)."""
    packets = (
        change
        for change in tx.deliveries.list_changes_to(row.agency, row.document_id)
        if change.business in WITHDRAWING_KINDS
    )
    if recipient.last_code not in _FINAL_CODES or any(
        recipient.organ_id == other.organ_id for change in packets for other in tx.recipients.list_unanswered(change)
    ):
        return _describe_owed_answer(recipient)
    return (
        f"{recipient.organ_id} reported {describe_code(recipient.last_code)}; it answers 13 only where that "
        "came before. Ask it "
        "directly, or recall the document.",
        f"{recipient.organ_id} đã báo {describe_code(recipient.last_code, vi=True)}; nơi nhận chỉ trả lời 13 "
        "nếu yêu cầu đến trước đó. "
        "Hãy trao đổi trực tiếp hoặc gửi văn bản thu hồi.",
    )


# -- a packet that came in

_NOT_VERIFIED_WORDS = " (not verified)", " (chưa xác minh)"
_RECEIPT_NEXT_WORDS: Mapping[str, TextPair] = {
    ReceiptState.WAITING: (
        "The next receive() hands it to the application.",
        "Lần nhận tới sẽ giao cho phần mềm của đơn vị.",
    ),
    ReceiptState.QUARANTINED: (
        "A person looks at it; once mended: recheck().",
        "Cần người phụ trách xem xét; khắc phục xong thì kiểm tra lại bằng recheck().",
    ),
}
_ASKED_WORDS = (
    "The sender asks for it back, or to withdraw it: answer 15 or 16.",
    "Nơi gửi yêu cầu thu hồi, thay thế hoặc lấy lại: cần trả lời 15 hoặc 16.",
)
_OWED_WORDS = (
    "The sender waits for an answer to this request: answer 15 or 16.",
    "Nơi gửi chờ trả lời yêu cầu này: cần trả lời 15 hoặc 16.",
)


def _explain_receipt(tx: Tx, context: ConnectorContext, row: ReceiptRow) -> Story:
    outgoing_rows = tx.outgoing.find_all(row.agency, receipt_id=row.id)
    events = [
        *build_timeline_events(tx, RECEIPTS, [row.id]),
        *build_answer_events(tx, row.agency, "receipt", [row.id]),
        *build_outgoing_events(tx, outgoing_rows),
    ]
    events += build_check_events(row)
    next_steps = [_describe_hub(context, row), *_describe_receipt_next(row)]
    next_steps.append(_describe_no_answer(tx, context, row))
    refused_ids = {item.id for item in tx.outgoing.list_refused_about(row.agency, receipt_ids=[row.id])}
    next_steps += [_describe_outgoing_next(item, is_refused=item.id in refused_ids) for item in outgoing_rows]
    next_steps += _describe_pauses(tx, context, outgoing_rows)
    name = row.code or row.hub_doc_id
    verification_note = _NOT_VERIFIED_WORDS if row.error_code == VerificationFailed.__name__ else ("", "")
    return build_story(
        row.document_id or row.hub_doc_id,
        (f"Received {name} from {row.sender or '?'}{verification_note[0]}: {row.subject or ''}".strip(),
         f"Văn bản đến {name} từ {row.sender or '?'}{verification_note[1]}: {row.subject or ''}".strip()),
        events,
        [item for item in next_steps if item is not None],
    )  # fmt: skip


def _describe_receipt_next(row: ReceiptRow) -> list[TextPair | None]:
    """Describe what happens next with a packet itself, and what is owed to its sender."""
    next_steps: list[TextPair | None] = [_RECEIPT_NEXT_WORDS.get(row.state)]
    if row.state == ReceiptState.LISTED:
        next_steps.append(_describe_due(row, "it is downloaded, with the next poll", "tải về ở lần nhận tới"))
    if row.state == ReceiptState.QUARANTINED and row.refetch:
        next_steps.append(_describe_due(row, "it is downloaded once more", "hệ thống tự tải lại một lần nữa"))
    if row.state == ReceiptState.HANDLING:
        next_steps.append(_describe_lease(row))
    if row.change == "asked" or _owes_answer(row):
        next_steps.append(_ASKED_WORDS if row.change == "asked" else _OWED_WORDS)
    return next_steps


def _describe_no_answer(tx: Tx, context: ConnectorContext, row: ReceiptRow) -> TextPair | None:
    """Describe a document that nobody of ours accepted or rejected in time."""
    is_open = row.state in (ReceiptState.HANDLED, ReceiptState.CONFIRMED) and row.change != "agreed"
    allowed = timedelta(seconds=context.limits.unanswered_after)
    if not is_open or row.business != NEW_KIND or row.last_code != "01" or row.created_at + allowed > tx.now:
        return None
    days = (tx.now - row.created_at).days
    return (
        f"UNANSWERED: nobody accepted (03) or rejected (02) it in {days} days. Do one of the two.",
        f"CHƯA XỬ LÝ: {days} ngày chưa tiếp nhận (03) hoặc từ chối (02). Hãy thực hiện một trong hai.",
    )


def _owes_answer(row: ReceiptRow) -> bool:
    """Whether a packet that asks for something was handled, and neither agreed to nor refused."""
    is_handled = row.state in (ReceiptState.HANDLED, ReceiptState.CONFIRMED)
    asks = row.business in ANSWERED_KINDS or row.business == TAKE_BACK_KIND
    return asks and is_handled and row.took_effect and row.last_code not in CHANGE_BY_ANSWER


# -- what both have


def _describe_outgoing_next(row: OutgoingRow, *, is_refused: bool) -> TextPair | None:
    en, vi = name_outgoing(row)
    if is_refused:
        return (
            f"The {en} was refused: {row.error_text} It is tried again while the hub offers the packet; else, once "
            "that is mended: edoc resend ID.",
            f"Trục từ chối {vi}: {row.error_vi} Hệ thống thử lại khi trục còn đưa ra gói tin; nếu không, khắc phục "
            "rồi chạy: edoc resend ID.",
        )
    if row.state == OutgoingState.UNKNOWN and row.error_code == Undecided.__name__:
        command = f"edoc settle ID --what {row.code} --recipient {row.recipient}"
        return (
            f"A person must settle the {en}: {command}.",
            f"Cần người phụ trách quyết định về {vi}: chạy {command}.",
        )
    if row.state == OutgoingState.UNKNOWN:
        return _describe_due(row, f"the hub is asked about the {en}", f"hỏi trục về {vi}")
    if row.state == OutgoingState.READY:
        return _describe_due(row, f"the {en} is sent", f"gửi {vi}")
    return _describe_lease(row) if row.state == OutgoingState.SENDING else None


def _describe_hub(context: ConnectorContext, row: DeliveryRow | ReceiptRow) -> TextPair | None:
    """Describe at which hub something is, where the agency has several, or this one no more."""
    if isinstance(row, DeliveryRow) and row.state == DeliveryState.READY:
        return None
    if not context.has_several_hubs and row.hub in context.by_hub:
        return None
    return f"Its hub is {row.hub}.", f"Thuộc trục {row.hub}."


def _describe_pauses(
    tx: Tx, context: ConnectorContext, rows: Sequence[DeliveryRow | OutgoingRow]
) -> Iterator[TextPair | None]:
    """Describe the pause of work with each hub for which one of the rows waits."""
    waiting = [row for row in rows if row.state in (DeliveryState.READY, DeliveryState.UNKNOWN)]
    sending = context.choice.find_sending(tx) if waiting else None
    hubs = dict.fromkeys(_find_awaited_hub(row, sending) for row in waiting)
    for hub in hubs:
        if hub is None:
            yield (
                "It waits because no hub sends now: edoc hub switch NAME.",
                "Đang chờ vì chưa có trục nào được gửi: edoc hub switch TÊN.",
            )
        else:
            yield _describe_pause(tx, waiting[0].agency, hub)


def _find_awaited_hub(row: DeliveryRow | OutgoingRow, sending: str | None) -> str | None:
    """Find the hub that something waits for: its own, or the one that sends."""
    is_tied = isinstance(row, OutgoingRow) and (row.kind == CONFIRM or row.is_tied)
    return row.hub if is_tied or row.state == DeliveryState.UNKNOWN else sending


def _describe_pause(tx: Tx, agency: str, hub: str) -> TextPair | None:
    """Describe the pause of work with a hub."""
    breaker = read_breaker(tx, agency, hub=hub)
    if breaker.next_try_at is None or breaker.error is None or breaker.state.allows_work:
        return None
    when = format_time(max(breaker.next_try_at, tx.now))
    times = breaker.failures
    return (
        f"It waits because work with the hub pauses ({times} failures in a row; last: {breaker.error.en}). The hub is "
        f"tried next at {when}, and what is queued is sent as soon as it answers.",
        f"Đang chờ vì việc trao đổi với trục tạm dừng ({times} lần lỗi liên tiếp; lần cuối: {breaker.error.vi}). "
        f"Hệ thống thử lại trục lúc {when} và gửi ngay những gì đang chờ khi trục trả lời.",
    )


def _describe_due(row: QueuedRow, en: str, vi: str) -> TextPair:
    reason = f" (attempt {row.attempts + 1}; last: {row.error_text})" if row.error_text else ""
    reason_vi = f" (lần {row.attempts + 1}; lần trước: {row.error_vi})" if row.error_text else ""
    return (
        f"From {format_time(row.next_attempt_at)} on {en}{reason}.",
        f"Từ {format_time(row.next_attempt_at)}: {vi}{reason_vi}.",
    )


def _describe_lease(row: QueuedRow) -> TextPair:
    until = format_time(row.lease_until) if row.lease_until else "?"
    return (
        f"A worker holds it until {until}; if that dies, another takes over then.",
        f"Một tiến trình đang xử lý, giữ đến {until}; nếu tiến trình này dừng, tiến trình khác sẽ làm tiếp.",
    )
