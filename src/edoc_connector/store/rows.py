"""Rows as values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import TypeVar

from .._core import Text
from ._sql import Row

R = TypeVar("R", bound="TableRow")

_BETWEEN_LANGUAGES = "\0"

EDOC = "edoc"  # message type of a receipt: a document
TAKE_BACK_KIND = "take_back"  # business of a receipt: a status 13, which asks for a document back
STATUS = "status"  # message type of a receipt, and kind of an outgoing message: a status packet
CONFIRM = "confirm"  # kind of an outgoing message: a confirmation,
DONE = "done"  # which says that a packet is kept,
FAIL = "fail"  # or that it is not
RESTORED = "Restored"  # error code of a receipt that may have been handled since the backup that the store is from
NOT_OURS = "NotOurs"  # error code of a status, in a restored store, about a document that the store does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of some table; attributes are its columns."""

    id: int

    @classmethod
    def from_row(cls: type[R], row: Row) -> R:
        """Make the value of a row, from the columns that it has."""
        return cls(**{name: row[name] for name in _get_column_names(cls)})


_COLUMN_NAMES: dict[type, tuple[str, ...]] = {}


def _get_column_names(table_row: type[TableRow]) -> tuple[str, ...]:
    names = _COLUMN_NAMES.get(table_row)
    if names is None:
        names = _COLUMN_NAMES[table_row] = tuple(field.name for field in fields(table_row))
    return names


def join_words(words: Text) -> tuple[str, str | None]:
    """Join the words of an entry of the timeline: together both languages take fewer bytes than apart.

    Returns:
        The columns ``detail`` and ``detail_vi``: both languages and nothing; or each by itself, where the words hold
        what would stand between them; or the words and nothing, where both are the same.
    """
    if _BETWEEN_LANGUAGES in words.en or _BETWEEN_LANGUAGES in words.vi:
        return words.en, words.vi
    return words.en if words.en == words.vi else f"{words.en}{_BETWEEN_LANGUAGES}{words.vi}", None


def _split_words(detail: str, detail_vi: str | None) -> tuple[str, str | None]:
    en, separator, vi = detail.partition(_BETWEEN_LANGUAGES) if detail_vi is None else (detail, "", "")
    return (en, vi) if separator else (detail, detail_vi)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRow(TableRow):
    """A row that is claimed and worked off."""

    agency: str
    state: str
    attempts: int
    next_attempt_at: datetime
    error_code: str | None
    error_text: str | None
    error_vi: str | None
    lease_owner: str | None
    lease_until: datetime | None
    fence: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow(QueuedRow):
    """A packet of ours."""

    document_id: str
    business: str
    code: str
    subject: str
    issued_on: date
    spool_file: str
    sha256: str
    size: int
    fingerprint: str
    hub_doc_id: str | None
    asked: int
    sent_at: datetime | None
    never_accepted: bool
    was_unknown: bool
    hub: str
    deadline: datetime | None
    deadline_due: datetime | None
    expired_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRow(TableRow):
    """Where a delivery stands with one recipient."""

    delivery_id: int
    organ_id: str
    name: str
    last_code: str | None
    last_description: str | None
    last_at: datetime | None
    change: str | None
    out_of_order: int
    authority: str | None
    refused_at: datetime | None
    refusal: str | None
    refusal_vi: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptRow(QueuedRow):
    """A packet that came in."""

    hub_doc_id: str
    message_type: str
    sender: str | None
    document_id: str | None
    business: str | None
    code: str | None
    subject: str | None
    issued_on: date | None
    spool_file: str | None
    sha256: str | None
    size: int | None
    fingerprint: str | None
    verification: str | None
    verification_text: str | None
    verification_vi: str | None
    findings: int
    last_code: str | None
    change: str | None
    confirmed_at: datetime | None
    offered_by: str | None
    offered_to: str | None
    noticed_at: datetime | None
    traceback: str | None
    was_admitted: bool
    refetch: bool
    authority: str | None
    authority_findings: str | None
    took_effect: bool
    hub: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRow(QueuedRow):
    """A confirmation, or a status packet of ours."""

    kind: str
    lane: str
    receipt_id: int | None
    delivery_id: int | None
    recipient: str | None
    code: str
    hub_doc_id: str | None
    message: str | None
    spool_file: str | None
    sha256: str | None
    asked: int
    sent_at: datetime | None
    copy_doc_id: str | None
    was_unknown: bool
    hub: str
    is_tied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow(TableRow):
    """One entry of a timeline."""

    subject: str
    subject_id: int
    at: datetime
    actor: str
    old: str | None
    new: str
    recipient: str | None
    detail: str
    detail_vi: str | None
    stated_at: datetime | None
    authority: str | None

    @classmethod
    def from_row(cls, row: Row) -> TimelineRow:
        """Make the value of a row, with the words of each language apart."""
        values = {name: row[name] for name in _get_column_names(cls)}
        values["detail"], values["detail_vi"] = _split_words(row["detail"], row["detail_vi"])
        return cls(**values)

    @property
    def text(self) -> Text:
        """Give the words in both languages."""
        return Text(self.detail, self.detail if self.detail_vi is None else self.detail_vi)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow(TableRow):
    """A legal hold: nothing of the document may be removed.

    Args:
        agency: code of the agency of ours.
        document_id: the document, sent or received.
        reason: why, in a person's words.
        placed_by: who placed it.
        placed_at: when, UTC.
        released_by: who released it; None as long as it holds.
        released_at: when, UTC.
    """

    agency: str
    document_id: str
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None
    released_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow(TableRow):
    """A job that is done again and again for an agency."""

    agency: str
    job: str
    next_at: datetime
    failures: int
    error_code: str | None
    error_text: str | None
    error_vi: str | None
    succeeded_at: datetime | None
    lease_owner: str | None
    lease_until: datetime | None
    fence: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreIdentity(TableRow):
    """Which store it is.

    Args:
        store: its name, 32 hexadecimal digits.
        epoch: grows by one with each restore.
        created_at: when it was made, UTC.
        restored_at: when it was restored last; None where it never was.
        snapshot_at: the time of the backup that it was restored from.
        finished_at: when a person found that everything was caught up with.
    """

    store: str
    epoch: int
    created_at: datetime
    restored_at: datetime | None
    snapshot_at: datetime | None
    finished_at: datetime | None

    @property
    def is_restoring(self) -> bool:
        """Whether it was restored, and what happened since the backup is not caught up with."""
        return self.restored_at is not None and self.finished_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRow(TableRow):
    """An agency in a directory, with its code of either system and its life.

    Args:
        directory_id: key of the directory.
        code: its code.
        other_code: its code of the other system.
        name: its name.
        parent: code of the agency above it.
        email: e-mail address.
        successor: code that took its place; several, parted by spaces, where it was split.
        valid_from: first day of the code; None where nobody says.
        valid_to: last day of it; None where it has none, or nobody says.
        active: whether the hub listed it when it was last asked.
        updated_at: when any of this last changed, UTC.
    """

    directory_id: int
    code: str
    other_code: str | None
    name: str
    parent: str | None
    email: str | None
    successor: str | None
    valid_from: date | None
    valid_to: date | None
    active: bool
    updated_at: datetime

    @property
    def successors(self) -> tuple[str, ...]:
        """The codes that took its place."""
        return tuple((self.successor or "").split())

    def has_ended(self, day: date) -> bool:
        """Tell whether the code is none any more on a day, in Vietnam."""
        if self.valid_to is not None and self.active:
            return self.valid_to < day
        return not self.active or self.successor is not None
