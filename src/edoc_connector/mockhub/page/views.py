"""What the page shows of packets, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edoc_connector._web import Language
from edoc_connector.mockhub.codes import VIETNAM
from edoc_connector.mockhub.hub import WAITING_STATES, Hub
from edoc_connector.mockhub.inspection import Tone
from edoc_connector.mockhub.page.texts import STATUS_NAMES, TEXTS
from edoc_connector.mockhub.storage import Event, Packet, Receipt

SHOWN_RECIPIENTS: Final = 200
_CODE_TONES: Final[Mapping[str, Tone]] = {
    "01": "info", "02": "bad", "03": "good", "04": "info", "05": "info", "06": "good", "13": "wait", "15": "good",
    "16": "bad",
}  # fmt: skip
_STATE_TONES: Final[Mapping[str, Tone]] = {
    "initial": "wait", "processing": "wait", "done": "info", "fail": "bad", "lost": "bad",
}  # fmt: skip
_KIND_TONES: Final[Mapping[str, Tone]] = {"1": "bad", "2": "info", "3": "info"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """A recipient of a packet, and where the packet stands there.

    Args:
        code: its code.
        name: its name in the directory.
        receipt: docId under which the packet is offered to it.
        state: words for the state at the hub.
        state_tone: colour of it.
        status: words for the last status it sent about this document; empty where it sent none.
        status_tone: colour of it.
        updated: when the hub heard of it last.
        is_waiting: whether it has not taken the packet yet.
    """

    code: str
    name: str
    receipt: str
    state: str
    state_tone: Tone
    status: str
    status_tone: Tone
    updated: str
    is_waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketView:
    """A packet in a list.

    Args:
        packet: the packet.
        kind: words for its kind.
        kind_tone: colour of it.
        title: what it is about.
        sender_name: name of the sender.
        sent: when it was sent.
        recipients: where it stands.
    """

    packet: Packet
    kind: str
    kind_tone: Tone
    title: str
    sender_name: str
    sent: str
    recipients: tuple[RecipientView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """A line of a timeline: when, who, what, and its colour."""

    time: str
    actor: str
    text: str
    tone: Tone


def format_time(stored: str) -> str:
    """Format a time of the database for a reader: day first, Vietnam time."""
    return datetime.fromisoformat(stored).astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S")


def clean_text(text: str) -> str:
    """Clean a text that came over the wire: what cannot be shown is a space."""
    return "".join(character if character.isprintable() else " " for character in text)


def name_status(language: Language, code: str) -> str:
    """Name a status code."""
    vietnamese, english = STATUS_NAMES.get(code, ("", ""))
    return vietnamese if language == "vi" else english


def describe_packet(hub: Hub, packet: Packet, language: Language) -> PacketView:
    """Describe a packet."""
    kind, tone = _describe_kind(packet, language)
    sender = hub.storage.find_agency(packet.sender)
    return PacketView(
        packet=packet,
        kind=kind,
        kind_tone=tone,
        title=clean_text(packet.title),
        sender_name=clean_text(sender.name) if sender else "",
        sent=format_time(packet.sent),
        recipients=_describe_recipients(hub, packet, language),
    )


def _describe_kind(packet: Packet, language: Language) -> tuple[str, Tone]:
    if packet.status:
        return f"{packet.status} {name_status(language, packet.status)}", _CODE_TONES.get(packet.status, "plain")
    name = f"kind.{packet.business}"
    known = name if name in TEXTS.entries else "kind.other"
    return TEXTS.get(language, known), _KIND_TONES.get(packet.business, "plain")


def _describe_recipients(hub: Hub, packet: Packet, language: Language) -> tuple[RecipientView, ...]:
    last = {} if packet.status else {one.sender: one for one in hub.storage.list_about(packet) if one.status}
    receipts = hub.storage.list_receipts(packet.id)[:SHOWN_RECIPIENTS]
    return tuple(_describe_recipient(hub, one, last.get(one.recipient), language) for one in receipts)


def _describe_recipient(hub: Hub, receipt: Receipt, status: Packet | None, language: Language) -> RecipientView:
    agency = hub.storage.find_agency(receipt.recipient)
    code = "" if status is None else status.status
    return RecipientView(
        code=receipt.recipient,
        name=clean_text(agency.name) if agency else "",
        receipt=receipt.id,
        state=TEXTS.get(language, f"state.{receipt.state}"),
        state_tone=_STATE_TONES[receipt.state],
        status=f"{code} {name_status(language, code)}".strip(),
        status_tone=_CODE_TONES.get(code, "plain"),
        updated=format_time(receipt.updated if status is None else status.sent),
        is_waiting=receipt.state in WAITING_STATES,
    )


def build_timeline(hub: Hub, packet: Packet, language: Language) -> list[TimelineEntry]:
    """Build the timeline of a packet: what happened to it, and the statuses and changes of its document."""
    own = [(event.at, _describe_event(event, language)) for event in hub.storage.list_events(packet.id)]
    others = [] if packet.status else hub.storage.list_about(packet)
    about = [(one.sent, _describe_other(one, language)) for one in others]
    return [entry for _, entry in sorted([*own, *about], key=lambda pair: pair[0])]


def _describe_event(event: Event, language: Language) -> TimelineEntry:
    name = f"event.{event.what}"
    text = TEXTS.get(language, name) if name in TEXTS.entries else event.what
    tone: Tone = _STATE_TONES.get(event.what, "plain")
    return TimelineEntry(time=format_time(event.at), actor=clean_text(event.actor), text=clean_text(text), tone=tone)


def _describe_other(packet: Packet, language: Language) -> TimelineEntry:
    kind, tone = _describe_kind(packet, language)
    text = ": ".join(part for part in (kind, clean_text(packet.title)) if part)
    return TimelineEntry(time=format_time(packet.sent), actor=clean_text(packet.sender), text=text, tone=tone)


def list_choices(hub: Hub, first: Iterable[str] = ()) -> list[tuple[str, str]]:
    """List the agencies as choices of a form: code, and code with name; some of them first."""
    order = {code: place for place, code in enumerate(first)}
    found = sorted(hub.storage.list_agencies(), key=lambda one: order.get(one.code, len(order)))
    return [(one.code, f"{clean_text(one.code)} — {clean_text(one.name)}") for one in found]
