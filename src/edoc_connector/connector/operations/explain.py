"""Explanation of a document's history and its next steps, in English and Vietnamese."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..._core import Text, escape_line
from ...edxml import VIETNAM, StatusCode
from ...errors import NotFound, VerificationFailed
from ...store import (
    CHANGE_BY_ANSWER,
    CONFIRM,
    DELIVERIES,
    OUTGOING,
    RECEIPTS,
    TAKE_BACK_CODE,
    Authority,
    DeliveryRow,
    DeliveryState,
    OutgoingRow,
    OutgoingState,
    QueuedRow,
    ReceiptRow,
    ReceiptState,
    RecipientRow,
    StateMachine,
    TimelineRow,
    Tx,
    describe_code,
)
from .._change_rules import ANSWERED_KINDS, KIND_NAMES_VI, TAKE_BACK_KIND, WITHDRAWING_KINDS
from .._context import ConnectorContext
from .._retry import Undecided
from ..hub_access import read_breaker
from ..inbound import read_findings
from ..outbound import is_correctable

_STATUS_CODES = frozenset(code.value for code in StatusCode)
_CHANGE_WORDS: Mapping[str, tuple[str, str]] = {
    kind: (kind, f"yêu cầu {KIND_NAMES_VI[kind]}") for kind in ANSWERED_KINDS
}
_TextPair = tuple[str, str]
_FINAL_CODES = frozenset({"02", "06"})  # codes after which a document takes no further one, so no answer to a 13 either


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Args:
        time: when, UTC.
        text: what, in English.
        text_vi: the same in Vietnamese.
    """

    time: datetime
    text: str
    text_vi: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The history of a document and its next steps.

    Args:
        document_id: the document.
        title: what it is, in English.
        title_vi: the same in Vietnamese.
        events: what happened, in order.
        next: what happens next, when, and who has to do it, in English; several where several things are open.
        next_vi: the same in Vietnamese.
    """

    document_id: str
    title: str
    title_vi: str
    events: tuple[Event, ...]
    next: tuple[str, ...]
    next_vi: tuple[str, ...]

    def text(self, *, vi: bool = False) -> str:
        """Format the story in one language, a line for each event and no others, in Vietnam time."""
        lines = [self.title_vi if vi else self.title]
        lines += [f"{format_time(item.time)}  {item.text_vi if vi else item.text}" for item in self.events]
        lines += ["→ " + item for item in (self.next_vi if vi else self.next)]
        return "\n".join(lines) + "\n"


def format_time(moment: datetime) -> str:
    """Format a time as a person in Vietnam reads it."""
    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"


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
            return _explain_receipt(tx, receipt)
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
        *_build_timeline_events(tx, DELIVERIES, [row.id]),
        *_build_answer_events(tx, row.agency, "delivery", [row.id]),
        *_build_outgoing_events(tx, outgoing_rows),
    ]
    next_steps = [
        _describe_delivery_next(tx, row),
        *_describe_recipients_next(tx, context, row),
        *(_describe_outgoing_next(item, is_refused=item.id in refused_ids) for item in outgoing_rows),
        *(_describe_outgoing_next(item, is_refused=item.id in refused_ids) for item in refused_about),
        _describe_pause(tx, [row, *outgoing_rows]),
    ]
    return _build_story(
        row.document_id,
        (f"Sent document {row.code}: {row.subject}", f"Văn bản đi {row.code}: {row.subject}"),
        events,
        [item for item in next_steps if item is not None],
    )


def _list_refused_about(tx: Tx, row: DeliveryRow) -> list[OutgoingRow]:
    """List the refused confirmations of statuses that came about a document of ours."""
    receipts = tx.receipts.find_all(row.agency, document_id=row.document_id)
    return tx.outgoing.list_refused_about(row.agency, receipt_ids=[receipt.id for receipt in receipts])


def _describe_delivery_next(tx: Tx, row: DeliveryRow) -> _TextPair | None:
    if row.state == DeliveryState.FAILED and is_correctable(tx, row):
        return (
            f"It will not be sent by itself: {row.error_text} Correct the document and send it again; under the same "
            "id it takes the place of the one that was refused.",
            f"Hệ thống sẽ không tự gửi lại: {row.error_vi} Hãy sửa văn bản rồi gửi lại; văn bản cùng mã định danh sẽ "
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


def _describe_recipients_next(tx: Tx, context: ConnectorContext, row: DeliveryRow) -> Iterator[_TextPair]:
    if row.state != DeliveryState.SENT or row.sent_at is None:
        return
    yield from _describe_unanswered(tx, row)
    is_late = (tx.now - row.sent_at).total_seconds() > context.limits.undelivered_after
    for recipient in tx.recipients.load([row.id])[row.id]:
        if recipient.last_code is None and recipient.change is None:
            words = ("UNDELIVERED: has not", "CHƯA ĐẾN: chưa") if is_late else ("has not", "chưa")
            yield (
                f"{recipient.organ_id} {words[0]} reported 01 (arrived).",
                f"{recipient.organ_id} {words[1]} báo 01 (đã đến).",
            )
        elif recipient.change == "asked":
            yield _describe_open_request(tx, row, recipient)


def _describe_unanswered(tx: Tx, row: DeliveryRow) -> Iterator[_TextPair]:
    """Describe what recipients owe to a recall, an update or a replacement itself."""
    if row.business in ANSWERED_KINDS:
        for recipient in tx.recipients.list_unanswered(row):
            yield _describe_owed_answer(recipient)


def _describe_owed_answer(recipient: RecipientRow) -> _TextPair:
    return f"{recipient.organ_id} has to answer 15 or 16.", f"{recipient.organ_id} cần trả lời 15 hoặc 16."


def _describe_open_request(tx: Tx, row: DeliveryRow, recipient: RecipientRow) -> _TextPair:
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
_RECEIPT_NEXT_WORDS: Mapping[str, _TextPair] = {
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


def _explain_receipt(tx: Tx, row: ReceiptRow) -> Story:
    outgoing_rows = tx.outgoing.find_all(row.agency, receipt_id=row.id)
    events = [
        *_build_timeline_events(tx, RECEIPTS, [row.id]),
        *_build_answer_events(tx, row.agency, "receipt", [row.id]),
        *_build_outgoing_events(tx, outgoing_rows),
    ]
    events += _build_check_events(row)
    next_steps = _describe_receipt_next(row)
    refused_ids = {item.id for item in tx.outgoing.list_refused_about(row.agency, receipt_ids=[row.id])}
    next_steps += [_describe_outgoing_next(item, is_refused=item.id in refused_ids) for item in outgoing_rows]
    next_steps.append(_describe_pause(tx, outgoing_rows))
    name = row.code or row.hub_doc_id
    verification_note = _NOT_VERIFIED_WORDS if row.error_code == VerificationFailed.__name__ else ("", "")
    return _build_story(
        row.document_id or row.hub_doc_id,
        (f"Received {name} from {row.sender or '?'}{verification_note[0]}: {row.subject or ''}".strip(),
         f"Văn bản đến {name} từ {row.sender or '?'}{verification_note[1]}: {row.subject or ''}".strip()),
        events,
        [item for item in next_steps if item is not None],
    )  # fmt: skip


def _build_check_events(row: ReceiptRow) -> Iterator[Event]:
    """Build the events of what was found about a packet's sender and its signature when it came in."""
    for finding in read_findings(row):
        yield Event(row.created_at, f"sender: {finding.message}", f"nơi gửi: {finding.message_vi}")
    if row.verification_text:
        words_vi = row.verification_vi or row.verification_text
        yield Event(row.created_at, f"signature {row.verification}: {row.verification_text}", f"chữ ký số: {words_vi}")


def _describe_receipt_next(row: ReceiptRow) -> list[_TextPair | None]:
    """Describe what happens next with a packet itself, and what is owed to its sender."""
    next_steps: list[_TextPair | None] = [_RECEIPT_NEXT_WORDS.get(row.state)]
    if row.state == ReceiptState.LISTED:
        next_steps.append(_describe_due(row, "it is downloaded, with the next poll", "tải về ở lần nhận tới"))
    if row.state == ReceiptState.QUARANTINED and row.refetch:
        next_steps.append(_describe_due(row, "it is downloaded once more", "hệ thống tự tải lại một lần nữa"))
    if row.state == ReceiptState.HANDLING:
        next_steps.append(_describe_lease(row))
    if row.change == "asked" or _owes_answer(row):
        next_steps.append(_ASKED_WORDS if row.change == "asked" else _OWED_WORDS)
    return next_steps


def _owes_answer(row: ReceiptRow) -> bool:
    """Whether a packet that asks for something was handled, and neither agreed to nor refused."""
    is_handled = row.state in (ReceiptState.HANDLED, ReceiptState.CONFIRMED)
    asks = row.business in ANSWERED_KINDS or row.business == TAKE_BACK_KIND
    return asks and is_handled and row.took_effect and row.last_code not in CHANGE_BY_ANSWER


# -- what both have


def _build_timeline_events(tx: Tx, machine: StateMachine, keys: list[int]) -> Iterator[Event]:
    for entries in tx.timeline.load_timelines(machine, keys).values():
        yield from map(_build_event, entries)


def _build_event(entry: TimelineRow) -> Event:
    """Build an event: a move is told by its cause, a status by its name, and anything else by its own words."""
    words = entry.text
    if entry.new not in _STATUS_CODES and entry.new not in _CHANGE_WORDS:
        suffix, stated = _describe_authority(entry), _describe_stated_time(entry)
        return Event(entry.at, words.en + suffix.en + stated.en, words.vi + suffix.vi + stated.vi)
    organ_id = entry.recipient or entry.actor
    en, vi = (f": {text}" if text else "" for text in (words.en, words.vi))
    suffix, stated = _describe_authority(entry), _describe_stated_time(entry)
    en, vi = suffix.en + en + stated.en, suffix.vi + vi + stated.vi
    if entry.new in _CHANGE_WORDS:
        name, name_vi = _CHANGE_WORDS[entry.new]
        return Event(entry.at, f"{name} asked of {organ_id}{en}", f"đã gửi {organ_id} {name_vi}{vi}")
    if entry.new == TAKE_BACK_CODE and entry.recipient != entry.actor:
        return Event(
            entry.at, f"we asked {organ_id} for it back (13){en}", f"đã yêu cầu {organ_id} trả lại văn bản (13){vi}"
        )
    verb_vi = "trả lời" if entry.new in CHANGE_BY_ANSWER else "báo"
    return Event(
        entry.at,
        f"{organ_id}: {describe_code(entry.new)}{en}",
        f"{organ_id} {verb_vi}: {describe_code(entry.new, vi=True)}{vi}",
    )


def _describe_stated_time(entry: TimelineRow) -> Text:
    """Describe the time that a status gives itself, beside that at which it came in; nothing without one."""
    if entry.stated_at is None:
        return Text("", "")
    time = format_time(entry.stated_at)
    return Text(f" [its own time: {time}]", f" [giờ nơi gửi: {time}]")


def _describe_authority(entry: TimelineRow) -> Text:
    """Describe who vouches for what came in, in brackets; nothing where nobody does."""
    if entry.authority is None:
        return Text("", "")
    name = Authority(entry.authority).text
    return Text(f" ({name.en})", f" ({name.vi})")


def _build_answer_events(tx: Tx, agency: str, subject: str, keys: list[int]) -> Iterator[Event]:
    """Build the events of the hub's answers, from the evidence."""
    for answer in tx.evidence_log.list_facts_about(agency, {subject: keys}):
        if answer["kind"] != "answer":
            continue
        at, call = datetime.fromisoformat(answer["at"]), answer["call"]
        words = _describe_answer(answer)
        prefix_vi = "lệnh" if answer.get("no_answer") else "trục trả lời lệnh"
        yield Event(at, f"the hub on {call}: {words[0]}", f"{prefix_vi} {call}: {words[1]}")


def _describe_answer(answer: Mapping[str, Any]) -> _TextPair:
    if answer.get("no_answer"):
        return f"no answer ({answer['no_answer']})", f"trục không trả lời ({answer['no_answer']})"
    body = answer.get("body")
    words = ""
    if isinstance(body, dict):
        plain_values = {
            name: value for name, value in body.items() if isinstance(value, str | int) and value not in ("", None)
        }
        words = ", ".join(f"{name} {value}" for name, value in plain_values.items())[:200]
    text = f"HTTP {answer.get('status')}" + (f", {words}" if words else "")
    return text, text


def _build_outgoing_events(tx: Tx, rows: list[OutgoingRow]) -> Iterator[Event]:
    """Build the events of our statuses and confirmations."""
    by_key = {row.id: row for row in rows}
    for key, entries in tx.timeline.load_timelines(OUTGOING, list(by_key)).items():
        en, vi = _name_outgoing(by_key[key])
        for entry in entries:
            if entry.new == OutgoingState.SENDING:
                continue
            state_text, state_text_vi = _OUTGOING_WORDS[entry.new]
            has_reason = entry.new in _TROUBLE_STATES or (entry.old is not None and entry.new == OutgoingState.READY)
            suffix, suffix_vi = (f": {entry.text.en}", f": {entry.text.vi}") if has_reason else ("", "")
            yield Event(entry.at, f"{en} {state_text}{suffix}", f"{vi} {state_text_vi}{suffix_vi}")


_OUTGOING_WORDS: Mapping[str, _TextPair] = {
    OutgoingState.READY: ("queued", "chờ gửi"),
    OutgoingState.UNKNOWN: ("is unknown", "chưa rõ kết quả"),
    OutgoingState.SENT: ("taken by the hub", "đã được trục nhận"),
    OutgoingState.FAILED: ("failed", "không gửi được"),
}
_TROUBLE_STATES = frozenset({OutgoingState.UNKNOWN, OutgoingState.FAILED})


def _name_outgoing(row: OutgoingRow) -> _TextPair:
    if row.kind == CONFIRM:
        return f"confirmation {row.code}", f"xác nhận {row.code}"
    return (
        f"status {describe_code(row.code)} to {row.recipient}",
        f"trạng thái {describe_code(row.code, vi=True)} tới {row.recipient}",
    )


def _describe_outgoing_next(row: OutgoingRow, *, is_refused: bool) -> _TextPair | None:
    en, vi = _name_outgoing(row)
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


def _describe_pause(tx: Tx, rows: Iterable[QueuedRow]) -> _TextPair | None:
    """Describe the pause of work with the hub, where one of the rows waits for its end."""
    waits = any(row.state in (DeliveryState.READY, DeliveryState.UNKNOWN) for row in rows)
    breaker = read_breaker(tx, next(iter(rows)).agency) if waits else None
    if breaker is None or breaker.next_try_at is None or breaker.error is None or breaker.state.allows_work:
        return None
    when = format_time(max(breaker.next_try_at, tx.now))
    times = breaker.failures
    return (
        f"It waits because work with the hub pauses ({times} failures in a row; last: {breaker.error.en}). The hub is "
        f"tried next at {when}, and what is queued is sent as soon as it answers.",
        f"Đang chờ vì việc trao đổi với trục tạm dừng ({times} lần lỗi liên tiếp; lần cuối: {breaker.error.vi}). "
        f"Hệ thống thử lại trục lúc {when} và gửi ngay những gì đang chờ khi trục trả lời.",
    )


def _describe_due(row: QueuedRow, en: str, vi: str) -> _TextPair:
    reason = f" (attempt {row.attempts + 1}; last: {row.error_text})" if row.error_text else ""
    reason_vi = f" (lần {row.attempts + 1}; lần trước: {row.error_vi})" if row.error_text else ""
    return (
        f"From {format_time(row.next_attempt_at)} on {en}{reason}.",
        f"Từ {format_time(row.next_attempt_at)}: {vi}{reason_vi}.",
    )


def _describe_lease(row: QueuedRow) -> _TextPair:
    until = format_time(row.lease_until) if row.lease_until else "?"
    return (
        f"A worker holds it until {until}; if that dies, another takes over then.",
        f"Một tiến trình đang xử lý, giữ đến {until}; nếu tiến trình này dừng, tiến trình khác sẽ làm tiếp.",
    )


def _build_story(document_id: str, title: _TextPair, events: list[Event], next_steps: list[_TextPair]) -> Story:
    """Build a story of lines: a description or a subject from the network cannot make one of its own."""
    nothing = ("Nothing is open.", "Không còn việc nào phải làm.")
    listed_steps = list(dict.fromkeys(next_steps)) or [nothing]
    told_events = (Event(one.time, escape_line(one.text), escape_line(one.text_vi)) for one in events)
    return Story(
        document_id=document_id,
        title=escape_line(title[0]),
        title_vi=escape_line(title[1]),
        events=tuple(sorted(told_events, key=lambda one: one.time)),
        next=tuple(escape_line(en) for en, _ in listed_steps),
        next_vi=tuple(escape_line(vi) for _, vi in listed_steps),
    )
