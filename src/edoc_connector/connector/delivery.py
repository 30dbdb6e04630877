"""Deliveries, their recipients and their timelines, as values for callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..edxml import BusinessType, StatusCode
from ..errors import NotFound
from ..store import DELIVERIES, Authority, Change, DeliveryRow, DeliveryState, RecipientRow, TimelineRow, Tx
from ._change_rules import NEW_KIND, TYPE_BY_KIND

_STATUS_CODES = frozenset(code.value for code in StatusCode)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened.

    Args:
        time: when, UTC.
        actor: who did it: an agency's code, or an officer's name.
        from_: state or status code before; None where there was none.
        to: state or status code after.
        recipient: the recipient it is about, where it is about one.
        detail: words for a person, in English.
        detail_vi: the same in Vietnamese.
        stated_at: of a status that came in, the time that it gives itself, UTC; None where it gives none.
        authority: of what came in, who vouches that it is its sender's; None where nobody does, of what did not come
            in, and of what came before that was kept.
    """

    time: datetime
    actor: str
    from_: str | None
    to: str
    recipient: str | None
    detail: str
    detail_vi: str
    stated_at: datetime | None = None
    authority: Authority | None = None

    @classmethod
    def from_row(cls, row: TimelineRow) -> TimelineEntry:
        """Build the entry of a row."""
        return cls(
            time=row.at,
            from_=row.old,
            to=row.new,
            recipient=row.recipient,
            actor=row.actor,
            detail=row.text.en,
            detail_vi=row.text.vi,
            stated_at=row.stated_at,
            authority=Authority(row.authority) if row.authority else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientState:
    """The state of a delivery with one recipient.

    Args:
        organ_id: the recipient's code.
        name: its name.
        status: the last status it sent; a text that is no known code is kept as it is; None before the first.
        description: its words.
        time: the recipient's own time, the status's time stamp, UTC; None where it gave none.
        learnt_at: when the status came in, UTC.
        change: where a request to take the document back, recall or replace it stands; None without one.
        out_of_order: how many of its statuses came out of order.
        undelivered: whether it has not reported 01 for longer than the limit in the settings.
        authority: who vouches that `status` is the recipient's; None where nobody does, and where it came before that
            was kept.
        refused_at: when the hub was found not to have brought it to this recipient after it took it, UTC; None where
            nothing says so, or the recipient reported something since.
        refusal: the hub's words for it, in English.
        refusal_vi: the same in Vietnamese.
    """

    organ_id: str
    name: str
    status: StatusCode | str | None
    description: str | None
    time: datetime | None
    change: Change | None
    out_of_order: int
    undelivered: bool
    learnt_at: datetime | None = None
    authority: Authority | None = None
    refused_at: datetime | None = None
    refusal: str | None = None
    refusal_vi: str | None = None

    @property
    def withdrawn(self) -> bool:
        """Whether the recipient agreed that the document no longer counts."""
        return self.change is Change.AGREED


class _NoRecipient(NotFound, KeyError):
    """A document was not sent to that organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A document that we send, as the store knows it at one moment.

    Args:
        agency: code of the agency of ours that sends it.
        id: the DocumentId.
        state: where it stands with the hub.
        business: what the packet asks for.
        targets: the documents acted on; none for a new one.
        code: number and notation.
        subject: trích yếu.
        issued_on: date of promulgation.
        recipients: where it stands with each recipient.
        timeline: everything that happened, in order.
        hub_doc_id: the hub's id, once it is known.
        attempts: how often it was tried.
        next_attempt_at: when it is due again, UTC; None where nothing is to be done.
        last_error: what went wrong last, in English; None where nothing did.
        last_error_vi: the same in Vietnamese.
        created_at: when it was stored, UTC.
        sent_at: when the hub took it, UTC.
        deadline: until when it is to be with every recipient, UTC; None without one.
        expired_at: when it was found that it was not, UTC; None where it was, or is not due.
    """

    agency: str
    id: str
    state: DeliveryState
    business: BusinessType
    targets: tuple[str, ...]
    code: str
    subject: str
    issued_on: date
    recipients: tuple[RecipientState, ...]
    timeline: tuple[TimelineEntry, ...]
    hub_doc_id: str | None
    attempts: int
    next_attempt_at: datetime | None
    last_error: str | None
    last_error_vi: str | None
    created_at: datetime
    sent_at: datetime | None
    deadline: datetime | None = None
    expired_at: datetime | None = None

    def recipient(self, organ_id: str) -> RecipientState:
        """Find its state with one recipient.

        Raises:
            NotFound: it is none of the recipients; also a KeyError.
        """
        recipient = next((candidate for candidate in self.recipients if candidate.organ_id == organ_id), None)
        if recipient is None:
            known = ", ".join(candidate.organ_id for candidate in self.recipients)
            raise _NoRecipient(
                f"{organ_id} is no recipient of {self.id}: these are {known}.",
                vi=f"{organ_id} không phải nơi nhận của {self.id}: các nơi nhận là {known}.",
            )
        return recipient


def build_deliveries(tx: Tx, rows: Sequence[DeliveryRow], *, arrival_within: float) -> list[Delivery]:
    """Build deliveries with their recipients and timelines."""
    keys = [row.id for row in rows]
    recipients = tx.recipients.load(keys)
    timelines = tx.timeline.load_timelines(DELIVERIES, keys)
    targets = tx.deliveries.load_targets([row.id for row in rows if row.business != NEW_KIND])
    overdue_before = tx.now - timedelta(seconds=arrival_within)
    views = []
    for row in rows:
        is_overdue = row.sent_at is not None and row.sent_at < overdue_before
        states = tuple(
            _build_recipient_state(
                recipient, is_overdue=is_overdue, learnt_at=_find_learnt_time(recipient, timelines[row.id])
            )
            for recipient in recipients[row.id]
        )
        views.append(
            _build_delivery(
                row,
                targets.get(row.id, ()),
                states,
                tuple(TimelineEntry.from_row(entry) for entry in timelines[row.id]),
            )
        )
    return views


def _build_delivery(
    row: DeliveryRow,
    targets: tuple[str, ...],
    recipients: tuple[RecipientState, ...],
    entries: tuple[TimelineEntry, ...],
) -> Delivery:
    is_waiting = row.state in {DeliveryState.READY, DeliveryState.UNKNOWN}
    return Delivery(
        agency=row.agency,
        id=row.document_id,
        state=DeliveryState(row.state),
        business=TYPE_BY_KIND[row.business],
        targets=targets,
        code=row.code,
        subject=row.subject,
        issued_on=row.issued_on,
        recipients=recipients,
        timeline=entries,
        hub_doc_id=row.hub_doc_id,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if is_waiting else None,
        last_error=row.error_text,
        last_error_vi=row.error_vi,
        created_at=row.created_at,
        sent_at=row.sent_at,
        deadline=row.deadline,
        expired_at=row.expired_at,
    )


def _find_learnt_time(recipient: RecipientRow, entries: Sequence[TimelineRow]) -> datetime | None:
    """Find when the last status of a recipient came in; what came before its own time was kept is told by its code."""
    own = [entry for entry in entries if entry.actor == entry.recipient == recipient.organ_id]
    stated = [entry.at for entry in own if entry.stated_at is not None and entry.stated_at == recipient.last_at]
    reported = [entry.at for entry in own if entry.new == recipient.last_code]
    return next(iter([*stated[-1:], *reported[-1:]]), None)


def _build_recipient_state(row: RecipientRow, *, is_overdue: bool, learnt_at: datetime | None) -> RecipientState:
    return RecipientState(
        organ_id=row.organ_id,
        name=row.name,
        status=StatusCode(row.last_code) if row.last_code in _STATUS_CODES else row.last_code,
        description=row.last_description,
        time=row.last_at,
        learnt_at=learnt_at,
        change=Change(row.change) if row.change else None,
        out_of_order=row.out_of_order,
        undelivered=is_overdue and row.last_code is None,
        authority=Authority(row.authority) if row.authority else None,
        refused_at=row.refused_at,
        refusal=row.refusal,
        refusal_vi=row.refusal_vi,
    )
