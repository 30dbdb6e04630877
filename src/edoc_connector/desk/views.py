"""What the desk shows of documents, as plain values in the language of the reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from .._core import Labelled, Text
from .._web import Language
from ..connector import Connector, Receipt, RecipientState, Story
from ..edxml import SEAL_NAME, VIETNAM, Attachment, Document, Priority, StatusCode, read
from ..errors import AttachmentError, NotFound, PacketError, StoreError
from ..store import Change, DeliveryRow, DeliveryState, ReceiptRow, ReceiptState, RecipientRow, RegisterFilter, Tx

UNREADABLE: Final = (NotFound, PacketError, StoreError, AttachmentError)
"""What may keep a packet from being read: it was removed, changed or is broken."""

_TONES: Final[Mapping[str, str]] = {
    "ready": "wait", "sending": "wait", "sent": "info", "unknown": "bad", "failed": "bad",
    "listed": "wait", "waiting": "wait", "handling": "wait", "quarantined": "bad", "duplicate": "plain",
    "01": "info", "02": "bad", "03": "good", "04": "info", "05": "info", "06": "good", "13": "wait", "15": "good",
    "16": "bad", "asked": "wait", "agreed": "plain", "refused": "bad",
    "pass": "good", "warn": "wait", "fail": "bad", "valid": "good", "invalid": "bad", "unverifiable": "wait",
}  # fmt: skip

_UNDELIVERED: Final = Text("Undelivered", "Chưa đến")


@dataclass(frozen=True, slots=True)
class Badge:
    """A word with a colour."""

    text: str
    tone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowView:
    """A document in a list.

    Args:
        id: number of its row.
        href: path of its page.
        code: number and notation.
        subject: what it is about.
        kind: name of the text of its kind; empty for an ordinary document.
        others: code and name of the other organisations.
        badges: where it stands.
        time: when it came, or was stored.
        reason: why it was set aside.
        hub_doc_id: the hub's id.
    """

    id: int
    href: str
    code: str
    subject: str
    kind: str
    others: tuple[tuple[str, str], ...]
    badges: tuple[Badge, ...]
    time: str
    reason: str = ""
    hub_doc_id: str = ""


@dataclass(frozen=True, slots=True)
class EventView:
    """A line of a timeline."""

    time: str
    actor: str
    text: str
    tone: str


@dataclass(frozen=True, slots=True)
class FileView:
    """An attachment."""

    number: int
    name: str
    media_type: str
    size: int


def pick(language: Language, text: Text | Labelled) -> str:
    """Pick the words of a language."""
    return text.vi if language == "vi" else text.en


def format_time(moment: datetime | None) -> str:
    """Format a time, day first, in Vietnam's."""
    return "" if moment is None else f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M}"


def format_day(day: date | None) -> str:
    """Format a day, day first."""
    return "" if day is None else f"{day:%d/%m/%Y}"


def build_filter(query: Mapping[str, str], **fixed: Any) -> RegisterFilter:
    """Build the filter that a reader asks for; without a beginning, of this year and the one before."""
    since = _parse_day(query.get("since", "")) or date(datetime.now(VIETNAM).year - 1, 1, 1)
    until = _parse_day(query.get("until", ""))
    end = None if until is None else _begin_day(until) + timedelta(days=1)
    return RegisterFilter(
        since=_begin_day(since), until=end, text=query.get("text", "").replace("\0", "")[:200], **fixed
    )


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _begin_day(day: date) -> datetime:
    return datetime.combine(min(max(day, date(1970, 1, 1)), date(9000, 1, 1)), time(), tzinfo=VIETNAM)


def load_sent(tx: Tx, agency: str, row_ids: Sequence[int], language: Language) -> list[RowView]:
    """Load deliveries for a list, in the order of their keys as given."""
    rows = {row.id: row for row in tx.deliveries.find_all(agency, id=list(row_ids))} if row_ids else {}
    recipients = tx.recipients.load(list(row_ids))
    return [_describe_sent(rows[one], recipients[one], language) for one in row_ids]


def _describe_sent(row: DeliveryRow, recipients: Sequence[RecipientRow], language: Language) -> RowView:
    state = DeliveryState(row.state)
    badges = (
        [] if state is DeliveryState.SENT and any(one.last_code for one in recipients) else [badge(language, state)]
    )
    codes = dict.fromkeys(one.last_code for one in recipients if one.last_code)
    badges += [badge_code(language, code) for code in codes]
    badges += [badge(language, Change(one)) for one in dict.fromkeys(one.change for one in recipients) if one]
    return RowView(
        id=row.id,
        href=f"/outgoing/{row.id}",
        code=row.code,
        subject=row.subject,
        kind="" if row.business == "new" else f"kind.{row.business}",
        others=tuple((one.organ_id, one.name) for one in recipients),
        badges=tuple(badges),
        time=format_time(row.created_at),
    )


def load_received(tx: Tx, agency: str, row_ids: Sequence[int], language: Language) -> list[RowView]:
    """Load packets that came in for a list, in the order of their keys as given."""
    rows = {row.id: row for row in tx.receipts.find_all(agency, id=list(row_ids))} if row_ids else {}
    names = tx.directory.load(agency, {row.sender or row.offered_by or "" for row in rows.values()})
    return [_describe_received(rows[one], {code: row.name for code, row in names.items()}, language) for one in row_ids]


def _describe_received(row: ReceiptRow, names: Mapping[str, str], language: Language) -> RowView:
    sender, state = row.sender or row.offered_by or "", ReceiptState(row.state)
    is_plain = state in (ReceiptState.HANDLED, ReceiptState.CONFIRMED)
    badges = [] if is_plain and row.last_code else [badge(language, state)]
    badges += [badge_code(language, row.last_code)] if row.last_code else []
    badges += [badge(language, Change(row.change))] if row.change else []
    return RowView(
        id=row.id,
        href=f"/incoming/{row.id}",
        code=row.code or "",
        subject=row.subject or "",
        kind="" if row.business == "new" else f"kind.{row.business or 'status'}",
        others=((sender, names.get(sender, "")),),
        badges=tuple(badges),
        time=format_time(row.created_at),
        reason=(row.error_vi if language == "vi" else row.error_text) or "",
        hub_doc_id=row.hub_doc_id,
    )


def badge(language: Language, member: Any) -> Badge:
    """Make the badge of a member of an enumeration with names."""
    return Badge(pick(language, member), _TONES.get(str(member.value), "plain"))


def badge_code(language: Language, code: str) -> Badge:
    """Make the badge of a status code; one that is none stays as it is."""
    name = pick(language, StatusCode(code)) if code in set(StatusCode) else ""
    return Badge(f"{code} {name}".strip(), _TONES.get(code, "plain"))


def list_standing(language: Language, recipient: RecipientState) -> list[Badge]:
    """List the badges of where a document stands with a recipient: its last status, or that none came in time."""
    if recipient.undelivered:
        return [Badge(pick(language, _UNDELIVERED), "bad")]
    return [badge_code(language, str(recipient.status))] if recipient.status else []


def describe_events(story: Story, language: Language, *, agency: str) -> list[EventView]:
    """Describe what happened; persons are named, the agency itself is not."""
    return [
        EventView(
            format_time(event.time),
            "" if event.actor == agency or event.actor in event.text else event.actor,
            event.text_vi if language == "vi" else event.text,
            "info" if " (" in event.actor else "plain",
        )
        for event in story.events
    ]


def read_sent(connector: Connector, row: DeliveryRow) -> tuple[Document, tuple[Attachment, ...]]:
    """Read the packet of a delivery.

    Raises:
        NotFound: it was removed.
        StoreError: it was changed.
        PacketError: it cannot be read.
    """
    file = connector.context.store.require_packet(row.spool_file, row.sha256)
    packet = read(file, limits=connector.context.packet_limits)
    if not isinstance(packet.message, Document):
        raise NotFound("the packet holds no document.", vi="Gói tin không chứa văn bản.")
    return packet.message, tuple(one for one in packet.attachments if one.name != SEAL_NAME)


def read_received(receipt: Receipt) -> tuple[Document, tuple[Attachment, ...]]:
    """Read the document of a packet that came in; errors as for `read_sent`."""
    return receipt.document, tuple(receipt.attachments)


def list_facts(document: Document, language: Language) -> list[tuple[str, str]]:
    """List what a document says of itself: name of the text, and value."""
    signer = " — ".join(filter(None, (document.signer.competence, document.signer.position, document.signer.full_name)))
    known = isinstance(document.priority, Priority)
    facts = [
        ("doc.type", document.type_name),
        ("doc.issued", format_day(document.issued_on)),
        ("doc.signer", signer),
        ("doc.place", document.place or ""),
        ("doc.priority", pick(language, Priority(document.priority)) if known else ""),  # type: ignore[arg-type]
        ("doc.due", format_day(document.due_date)),
        ("doc.pages", "" if document.pages is None else str(document.pages)),
        ("doc.places", "; ".join(document.to_places)),
        ("doc.reason", document.business.reason or ""),
    ]
    return [(name, value) for name, value in facts if value]


def list_files(attachments: Iterable[Attachment]) -> list[FileView]:
    """List the files of a document."""
    return [FileView(number, one.safe_name, one.content_type, one.size) for number, one in enumerate(attachments)]
