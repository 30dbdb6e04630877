"""What an import did, and where it stands, as values for callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ..._core import Text
from ...errors import EdocError


class ImportFileError(EdocError):
    """A file of documents in flight cannot be used; nothing of it was taken over.

    Args:
        problems: every line that cannot be used, in both languages.
    """

    def __init__(self, message: str, *, vi: str, problems: Sequence[Text] = ()) -> None:
        super().__init__(message, vi=vi)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightRecipient:
    """Where a document in flight stands with a recipient.

    Args:
        organ_id: its code.
        name: its name.
        status: the last status; None before the first.
        status_at: the recipient's own time of it, UTC.
        status_text: its words.
    """

    organ_id: str
    name: str
    status: str | None = None
    status_at: datetime | None = None
    status_text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """A document in flight.

    Args:
        is_sent: whether we sent it; else it came in.
        document_id: the DocumentId.
        hub_doc_id: the hub's id of it.
        code: number and notation.
        subject: trích yếu.
        issued_on: date of promulgation.
        is_at_hub: whether the hub has it, of what we sent; what has not left belongs to the older connector.
        sent_at: when the hub took it, UTC.
        sender: code of who sent it, of what came in.
        status: the last status that we sent about it, of what came in.
        recipients: of what we sent.
        register_number: its number in the register.
    """

    is_sent: bool
    document_id: str
    hub_doc_id: str
    code: str
    subject: str
    issued_on: date
    is_at_hub: bool
    sent_at: datetime
    sender: str
    status: str | None
    recipients: tuple[InFlightRecipient, ...]
    register_number: str | None

    def as_rows(self) -> list[dict[str, Any]]:
        """Describe it as the lines of a file that can be imported."""
        common = {
            "direction": "sent" if self.is_sent else "received",
            "document_id": self.document_id,
            "hub_doc_id": self.hub_doc_id,
            "code": self.code,
            "subject": self.subject,
            "issued_on": self.issued_on.isoformat(),
            "state": "sent",
            "sent_at": self.sent_at.isoformat(),
            "sender": self.sender,
            "register_number": self.register_number or "",
        }
        if not self.is_sent:
            return [common | {"status": self.status or ""}]
        return [
            common
            | {
                "recipient": one.organ_id,
                "recipient_name": one.name,
                "status": one.status or "",
                "status_at": one.status_at.isoformat() if one.status_at else "",
                "status_text": one.status_text or "",
            }
            for one in self.recipients
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did.

    Args:
        batch: name of the batch.
        added: ids of documents that were taken over.
        updated: ids of those that were here, and of which the file knew more.
        unchanged: how many were here as the file says.
        left: ids of those that have not left the older connector, which sends them; import again afterwards.
        known: ids of those that were sent or received here, and not taken over.
        adopted: how many statuses that had come here before were entered.
    """

    batch: str
    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: int
    left: tuple[str, ...]
    known: tuple[str, ...]
    adopted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportState:
    """Where a batch stands.

    Args:
        batch: its name.
        created_at: when it was begun, UTC.
        undone_at: when it was undone, UTC; None while it is in force.
        documents: how many documents it has.
        open: ids of those that are not finished: a recipient, or we, have not reported an end.
    """

    batch: str
    created_at: datetime
    undone_at: datetime | None
    documents: int
    open: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportUndone:
    """What undoing an import did.

    Args:
        batch: name of the batch.
        documents: what was taken out, as it stands now; the older connector is to know it.
        kept: ids of those that stay, since something was done about them here that is not finished.
    """

    batch: str
    documents: tuple[InFlight, ...]
    kept: tuple[str, ...]
