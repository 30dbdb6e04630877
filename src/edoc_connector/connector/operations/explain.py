"""What happened to a document, as a person would tell it, and what happens next."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..._core.text import parted
from ...edxml import VIETNAM, StatusCode
from ...errors import NotFound, VerificationFailed
from ...store import DeliveryState, OutgoingState, ReceiptState, Tx, audit_log, deliveries, outgoing, receipts, timeline
from ...store.rows import DeliveryRow, OutgoingRow, Queued, ReceiptRow, RecipientRow, TimelineRow
from ...store.state_machine import DELIVERIES, OUTGOING, RECEIPTS, Machine
from ...store.status_rules import ANSWERS, TAKE_BACK, describe
from ...store.timeline import told
from .._context import Session
from .._retry import Undecided
from ..delivery import KINDS_VI
from ..outbound.correcting import correctable

_CODES = frozenset(code.value for code in StatusCode)
_CHANGES: Mapping[str, tuple[str, str]] = {
    kind: (kind, f"yêu cầu {KINDS_VI[kind]}") for kind in ("recall", "update", "replace")
}
_Pair = tuple[str, str]
_FINAL = frozenset({"02", "06"})  # codes after which a document takes no further one, so no answer to a 13 either
_WAITED = frozenset({"recall", "replace"})  # packets whose answer counts for the document they act on


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
    """What happened to a document and what happens next.

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
        """The story in one language, a line for each thing, in Vietnam time."""
        lines = [self.title_vi if vi else self.title]
        lines += [f"{shown(one.time)}  {one.text_vi if vi else one.text}" for one in self.events]
        lines += ["→ " + one for one in (self.next_vi if vi else self.next)]
        return "\n".join(lines) + "\n"


def shown(moment: datetime) -> str:
    """A time as a person in Vietnam reads it."""
    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"


def explain(session: Session, document_id: str) -> Story:
    """Tell what happened to a document, sent or received; or to a packet, by the hub's id of it.

    Raises:
        NotFound: nothing is known of it.
    """
    with session.store.reading() as tx:
        sent = deliveries.get(tx, session.agency, document_id)
        if sent is not None:
            return _sent(tx, session, sent)
        came = receipts.known(tx, session.agency, document_id)
        came = came or next(iter(receipts.find(tx, session.agency, receipts.T.c.document_id == document_id)), None)
        if came is not None:
            return _came(tx, came)
    raise NotFound(
        f"nothing is known of a document {document_id}: look for it with deliveries() and receipts().",
        vi=f"Không có thông tin nào về văn bản {document_id}: hãy tra bằng deliveries() và receipts().",
    )


# -- a document that we send


def _sent(tx: Tx, session: Session, row: DeliveryRow) -> Story:
    told = outgoing.find(tx, row.agency, outgoing.T.c.delivery_id == row.id)
    events = [
        *_timeline(tx, DELIVERIES, [row.id]),
        *_answers(tx, row.agency, "delivery", [row.id]),
        *_told(tx, told),
    ]
    open_ = [_delivery_next(tx, row), *_recipients_next(tx, session, row), *(_outgoing_next(one) for one in told)]
    return _story(
        row.document_id,
        (f"Sent document {row.code}: {row.subject}", f"Văn bản đi {row.code}: {row.subject}"),
        events,
        [one for one in open_ if one is not None],
    )


def _delivery_next(tx: Tx, row: DeliveryRow) -> _Pair | None:
    if row.state == DeliveryState.FAILED and correctable(tx, row):
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
        return _held(row)
    if row.state == DeliveryState.UNKNOWN and row.error_code == Undecided.__name__:
        return (
            "A person must find out at the hub whether it arrived, then: edoc settle ID --arrived or --not-arrived.",
            "Cần người phụ trách tra trên trục xem gói tin đã đến chưa, rồi chạy: edoc settle ID --arrived hoặc "
            "--not-arrived.",
        )
    if row.state == DeliveryState.UNKNOWN:
        return _due(row, "the hub is asked whether it has the packet", "hỏi trục đã có gói tin hay chưa")
    return _due(row, "it is sent", "gửi gói tin") if row.state == DeliveryState.READY else None


def _recipients_next(tx: Tx, session: Session, row: DeliveryRow) -> Iterator[_Pair]:
    if row.state != DeliveryState.SENT or row.sent_at is None:
        return
    late = (tx.now - row.sent_at).total_seconds() > session.limits.undelivered_after
    for one in deliveries.recipients(tx, [row.id])[row.id]:
        if one.last_code is None and one.change is None:
            how = ("UNDELIVERED: has not", "CHƯA ĐẾN: chưa") if late else ("has not", "chưa")
            yield f"{one.organ_id} {how[0]} reported 01 (arrived).", f"{one.organ_id} {how[1]} báo 01 (đã đến)."
        elif one.change == "asked":
            yield _asked(tx, row, one)


def _asked(tx: Tx, row: DeliveryRow, one: RecipientRow) -> _Pair:
    """Who is asked has to answer; but a request to give back (13) is none any more after the last code (02, 06)."""
    packets = (
        change for change in deliveries.changes_to(tx, row.agency, row.document_id) if change.business in _WAITED
    )
    if one.last_code not in _FINAL or any(
        one.organ_id == other.organ_id for change in packets for other in deliveries.unanswered(tx, change)
    ):
        return f"{one.organ_id} has to answer 15 or 16.", f"{one.organ_id} cần trả lời 15 hoặc 16."
    return (
        f"{one.organ_id} reported {describe(one.last_code)}; it answers 13 only where that came before. Ask it "
        "directly, or recall the document.",
        f"{one.organ_id} đã báo {describe(one.last_code, vi=True)}; nơi nhận chỉ trả lời 13 nếu yêu cầu đến trước đó. "
        "Hãy trao đổi trực tiếp hoặc gửi văn bản thu hồi.",
    )


# -- a packet that came in

_NOT_VERIFIED = " (not verified)", " (chưa xác minh)"
_RECEIPT_NEXT: Mapping[str, _Pair] = {
    ReceiptState.WAITING: (
        "The next receive() hands it to the application.",
        "Lần nhận tới sẽ giao cho phần mềm của đơn vị.",
    ),
    ReceiptState.QUARANTINED: (
        "A person looks at it; once mended: recheck().",
        "Cần người phụ trách xem xét; khắc phục xong thì kiểm tra lại bằng recheck().",
    ),
}


def _came(tx: Tx, row: ReceiptRow) -> Story:
    told = outgoing.find(tx, row.agency, outgoing.T.c.receipt_id == row.id)
    events = [
        *_timeline(tx, RECEIPTS, [row.id]),
        *_answers(tx, row.agency, "receipt", [row.id]),
        *_told(tx, told),
    ]
    if row.verification_text:
        en, vi = parted(row.verification_text)
        events.append(Event(row.created_at, f"signature {row.verification}: {en}", f"chữ ký số: {vi}"))
    open_: list[_Pair | None] = [_RECEIPT_NEXT.get(row.state)]
    if row.state == ReceiptState.LISTED:
        open_.append(_due(row, "it is downloaded, with the next poll", "tải về ở lần nhận tới"))
    if row.state == ReceiptState.HANDLING:
        open_.append(_held(row))
    if row.change == "asked":
        open_.append(
            (
                "The sender asks for it back, or to withdraw it: answer 15 or 16.",
                "Nơi gửi yêu cầu thu hồi, thay thế hoặc lấy lại: cần trả lời 15 hoặc 16.",
            )
        )
    open_ += [_outgoing_next(one) for one in told]
    name = row.code or row.hub_doc_id
    doubt = _NOT_VERIFIED if row.error_code == VerificationFailed.__name__ else ("", "")
    return _story(
        row.document_id or row.hub_doc_id,
        (f"Received {name} from {row.sender or '?'}{doubt[0]}: {row.subject or ''}".strip(),
         f"Văn bản đến {name} từ {row.sender or '?'}{doubt[1]}: {row.subject or ''}".strip()),
        events,
        [one for one in open_ if one is not None],
    )  # fmt: skip


# -- what both have


def _timeline(tx: Tx, machine: Machine, keys: list[int]) -> Iterator[Event]:
    for entries in timeline.of(tx, machine, keys).values():
        yield from map(_event, entries)


def _event(entry: TimelineRow) -> Event:
    """A move is told by its cause, a status by its name, and what is neither by its own words."""
    words = told(entry)
    if entry.new not in _CODES and entry.new not in _CHANGES:
        return Event(entry.at, *words)
    who = entry.recipient or entry.actor
    en, vi = (f": {one}" if one else "" for one in words)
    if entry.new in _CHANGES:
        name, name_vi = _CHANGES[entry.new]
        return Event(entry.at, f"{name} asked of {who}{en}", f"đã gửi {who} {name_vi}{vi}")
    if entry.new == TAKE_BACK and entry.recipient != entry.actor:
        return Event(entry.at, f"we asked {who} for it back (13){en}", f"đã yêu cầu {who} trả lại văn bản (13){vi}")
    says = "trả lời" if entry.new in ANSWERS else "báo"
    return Event(entry.at, f"{who}: {describe(entry.new)}{en}", f"{who} {says}: {describe(entry.new, vi=True)}{vi}")


def _answers(tx: Tx, agency: str, subject: str, keys: list[int]) -> Iterator[Event]:
    """What the hub said, from the evidence."""
    for link in audit_log.about(tx.connection, agency, {subject: keys}):
        if link.kind != "answer":
            continue
        said = json.loads(link.entry)
        at, call = datetime.fromisoformat(said["at"]), said["call"]
        what = _answer(said)
        who_vi = "lệnh" if said.get("no_answer") else "trục trả lời lệnh"
        yield Event(at, f"the hub on {call}: {what[0]}", f"{who_vi} {call}: {what[1]}")


def _answer(said: Mapping[str, Any]) -> _Pair:
    if said.get("no_answer"):
        return f"no answer ({said['no_answer']})", f"trục không trả lời ({said['no_answer']})"
    body = said.get("body")
    words = ""
    if isinstance(body, dict):
        plain = {
            name: value for name, value in body.items() if isinstance(value, str | int) and value not in ("", None)
        }
        words = ", ".join(f"{name} {value}" for name, value in plain.items())[:200]
    told = f"HTTP {said.get('status')}" + (f", {words}" if words else "")
    return told, told


def _told(tx: Tx, rows: list[OutgoingRow]) -> Iterator[Event]:
    """Our statuses and confirmations on their way."""
    by_key = {row.id: row for row in rows}
    for key, entries in timeline.of(tx, OUTGOING, list(by_key)).items():
        en, vi = _name(by_key[key])
        for entry in entries:
            if entry.new == OutgoingState.SENDING:
                continue
            said, said_vi = _OUTGOING[entry.new]
            why, why_vi = told(entry)
            again = entry.new in _TROUBLE or (entry.old is not None and entry.new == OutgoingState.READY)
            more, more_vi = (f": {why}", f": {why_vi}") if again else ("", "")
            yield Event(entry.at, f"{en} {said}{more}", f"{vi} {said_vi}{more_vi}")


_OUTGOING: Mapping[str, _Pair] = {
    OutgoingState.READY: ("queued", "chờ gửi"),
    OutgoingState.UNKNOWN: ("is unknown", "chưa rõ kết quả"),
    OutgoingState.SENT: ("taken by the hub", "đã được trục nhận"),
    OutgoingState.FAILED: ("failed", "không gửi được"),
}
_TROUBLE = frozenset({OutgoingState.UNKNOWN, OutgoingState.FAILED})


def _name(row: OutgoingRow) -> _Pair:
    if row.kind == outgoing.CONFIRM:
        return f"confirmation {row.code}", f"xác nhận {row.code}"
    return (
        f"status {describe(row.code)} to {row.recipient}",
        f"trạng thái {describe(row.code, vi=True)} tới {row.recipient}",
    )


def _outgoing_next(row: OutgoingRow) -> _Pair | None:
    en, vi = _name(row)
    if row.state == OutgoingState.UNKNOWN and row.error_code == Undecided.__name__:
        return (
            f"A person must settle the {en}: edoc settle ID.",
            f"Cần người phụ trách quyết định về {vi}: chạy edoc settle ID.",
        )
    if row.state == OutgoingState.UNKNOWN:
        return _due(row, f"the hub is asked about the {en}", f"hỏi trục về {vi}")
    if row.state == OutgoingState.READY:
        return _due(row, f"the {en} is sent", f"gửi {vi}")
    return _held(row) if row.state == OutgoingState.SENDING else None


def _due(row: Queued, en: str, vi: str) -> _Pair:
    why = f" (attempt {row.attempts + 1}; last: {row.error_text})" if row.error_text else ""
    why_vi = f" (lần {row.attempts + 1}; lần trước: {row.error_vi})" if row.error_text else ""
    return f"From {shown(row.next_attempt_at)} on {en}{why}.", f"Từ {shown(row.next_attempt_at)}: {vi}{why_vi}."


def _held(row: Queued) -> _Pair:
    until = shown(row.lease_until) if row.lease_until else "?"
    return (
        f"A worker holds it until {until}; if that dies, another takes over then.",
        f"Một tiến trình đang xử lý, giữ đến {until}; nếu tiến trình này dừng, tiến trình khác sẽ làm tiếp.",
    )


def _story(document_id: str, title: _Pair, events: list[Event], open_: list[_Pair]) -> Story:
    nothing = ("Nothing is open.", "Không còn việc nào phải làm.")
    ahead = list(dict.fromkeys(open_)) or [nothing]
    return Story(
        document_id=document_id,
        title=title[0],
        title_vi=title[1],
        events=tuple(sorted(events, key=lambda one: one.time)),
        next=tuple(en for en, _ in ahead),
        next_vi=tuple(vi for _, vi in ahead),
    )
