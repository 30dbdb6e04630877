"""Story of a document: what happened, as the lines of `explain`, in English and Vietnamese."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from ..._core import Text, escape_line
from ...edxml import VIETNAM, StatusCode
from ...hubs import Outcome
from ...store import (
    CHANGE_BY_ANSWER,
    CONFIRM,
    OUTGOING,
    TAKE_BACK_CODE,
    Authority,
    OutgoingRow,
    OutgoingState,
    ReceiptRow,
    StateMachine,
    StoredEntry,
    TimelineRow,
    Tx,
    describe_code,
    missing_archive_error,
)
from .._change_rules import ANSWERED_KINDS, KIND_NAMES_VI
from ..inbound import read_findings

TextPair: TypeAlias = tuple[str, str]
"""Words in English, and in Vietnamese."""

_STATUS_CODES = frozenset(code.value for code in StatusCode)
_CHANGE_WORDS: Mapping[str, tuple[str, str]] = {
    kind: (kind, f"yêu cầu {KIND_NAMES_VI[kind]}") for kind in ANSWERED_KINDS
}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Args:
        time: when, UTC.
        text: what, in English.
        text_vi: the same in Vietnamese.
        actor: who did it: an agency's code, or a person; empty where that says nothing.
    """

    time: datetime
    text: str
    text_vi: str
    actor: str = ""


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


def build_timeline_events(tx: Tx, machine: StateMachine, keys: list[int]) -> Iterator[Event]:
    for entries in tx.timeline.load_timelines(machine, keys).values():
        yield from map(_build_event, entries)


def _build_event(entry: TimelineRow) -> Event:
    """Build an event: a move is told by its cause, a status by its name, and anything else by its own words."""
    words = entry.text
    if entry.new not in _STATUS_CODES and entry.new not in _CHANGE_WORDS:
        suffix, stated = _describe_authority(entry), _describe_stated_time(entry)
        return Event(entry.at, words.en + suffix.en + stated.en, words.vi + suffix.vi + stated.vi, entry.actor)
    organ_id = entry.recipient or entry.actor
    en, vi = (f": {text}" if text else "" for text in (words.en, words.vi))
    suffix, stated = _describe_authority(entry), _describe_stated_time(entry)
    en, vi = suffix.en + en + stated.en, suffix.vi + vi + stated.vi
    if entry.new in _CHANGE_WORDS:
        name, name_vi = _CHANGE_WORDS[entry.new]
        return Event(entry.at, f"{name} asked of {organ_id}{en}", f"đã gửi {organ_id} {name_vi}{vi}", entry.actor)
    if entry.new == TAKE_BACK_CODE and entry.recipient != entry.actor:
        return Event(
            entry.at,
            f"we asked {organ_id} for it back (13){en}",
            f"đã yêu cầu {organ_id} trả lại văn bản (13){vi}",
            entry.actor,
        )
    verb_vi = "trả lời" if entry.new in CHANGE_BY_ANSWER else "báo"
    return Event(
        entry.at,
        f"{organ_id}: {describe_code(entry.new)}{en}",
        f"{organ_id} {verb_vi}: {describe_code(entry.new, vi=True)}{vi}",
        entry.actor,
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


def build_answer_events(tx: Tx, agency: str, subject: str, keys: list[int]) -> Iterator[Event]:
    """Build the events of the hub's answers, from the evidence."""
    entries = tx.evidence_log.list_entries_about(agency, {subject: keys})
    yield from _build_missing_events(tx, entries)
    here = (one.parse() for one in entries if one.missing is None)
    for answer in (facts for entry in here for facts in entry.list_facts()):
        if answer["kind"] != "answer":
            continue
        at, call = datetime.fromisoformat(answer["at"]), answer["call"]
        words = _describe_answer(answer)
        prefix_vi = "lệnh" if answer.get("no_answer") else "trục trả lời lệnh"
        yield Event(at, f"the hub on {call}: {words[0]}", f"{prefix_vi} {call}: {words[1]}")


def _build_missing_events(tx: Tx, entries: Sequence[StoredEntry]) -> Iterator[Event]:
    """Build the events of entries that were moved to archives whose files are not there."""
    for archive, count in Counter(one.missing for one in entries if one.missing is not None).items():
        error = missing_archive_error(archive, tx.archives)
        yield Event(
            archive.at,
            f"what the hub said in {count} entries cannot be shown: {error.message}",
            f"không hiển thị được trả lời của trục trong {count} mục: {error.vi}",
        )


def _describe_answer(answer: Mapping[str, Any]) -> TextPair:
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


def build_outgoing_events(tx: Tx, rows: list[OutgoingRow]) -> Iterator[Event]:
    """Build the events of our statuses and confirmations."""
    by_key = {row.id: row for row in rows}
    for key, entries in tx.timeline.load_timelines(OUTGOING, list(by_key)).items():
        en, vi = name_outgoing(by_key[key])
        for entry in entries:
            if entry.new == OutgoingState.SENDING:
                continue
            state_text, state_text_vi = _OUTGOING_WORDS[entry.new]
            has_reason = entry.new in _TROUBLE_STATES or (entry.old is not None and entry.new == OutgoingState.READY)
            suffix, suffix_vi = (f": {entry.text.en}", f": {entry.text.vi}") if has_reason else ("", "")
            yield Event(entry.at, f"{en} {state_text}{suffix}", f"{vi}: {state_text_vi}{suffix_vi}", entry.actor)


_OUTGOING_WORDS: Mapping[str, TextPair] = {
    OutgoingState.READY: ("queued", "chờ gửi"),
    OutgoingState.UNKNOWN: ("is unknown", "chưa rõ kết quả"),
    OutgoingState.SENT: ("taken by the hub", "đã được trục nhận"),
    OutgoingState.FAILED: ("failed", "không gửi được"),
}
_CONFIRMATION_WORDS_VI: Mapping[str, str] = {
    Outcome.DONE: "xác nhận đã nhận",
    Outcome.FAIL: "xác nhận không đọc được",
}
_TROUBLE_STATES = frozenset({OutgoingState.UNKNOWN, OutgoingState.FAILED})


def name_outgoing(row: OutgoingRow) -> TextPair:
    if row.kind == CONFIRM:
        return f"confirmation {row.code}", f"{_CONFIRMATION_WORDS_VI[row.code]} ({row.code})"
    return (
        f"status {describe_code(row.code)} to {row.recipient}",
        f"trạng thái {row.code} ({StatusCode(row.code).vi}) báo {row.recipient}",
    )


def build_check_events(row: ReceiptRow) -> Iterator[Event]:
    """Build the events of what was found about a packet's sender and its signature when it came in."""
    for finding in read_findings(row):
        yield Event(row.created_at, f"sender: {finding.message}", f"nơi gửi: {finding.message_vi}")
    if row.verification_text:
        words_vi = row.verification_vi or row.verification_text
        yield Event(row.created_at, f"signature {row.verification}: {row.verification_text}", f"chữ ký số: {words_vi}")


def build_story(document_id: str, title: TextPair, events: list[Event], next_steps: list[TextPair]) -> Story:
    """Build a story of lines: a description or a subject from the network cannot make one of its own."""
    nothing = ("Nothing is open.", "Không còn việc nào phải làm.")
    listed_steps = list(dict.fromkeys(next_steps)) or [nothing]
    told_events = (Event(one.time, *map(escape_line, (one.text, one.text_vi, one.actor))) for one in events)
    return Story(
        document_id=document_id,
        title=escape_line(title[0]),
        title_vi=escape_line(title[1]),
        events=tuple(sorted(told_events, key=lambda one: one.time)),
        next=tuple(escape_line(en) for en, _ in listed_steps),
        next_vi=tuple(escape_line(vi) for _, vi in listed_steps),
    )
