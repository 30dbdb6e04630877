"""An older connector, made up for tests: it sends, polls and confirms over the hub with ids and records of its own.

It has no store of ours: a dictionary by ids of its own kind, which it exports as CSV.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from edoc_connector.client import HubClient
from edoc_connector.config import Settings
from edoc_connector.edxml import VIETNAM, Organization, StatusMessage, read, write
from edoc_connector.hubs import MessageType
from edoc_connector.testing import sample_document


@dataclass
class Sent:
    """A document in the older connector's records."""

    code: str
    subject: str
    issued_on: str
    register_number: int
    hub_doc_id: str = ""
    sent_at: str = ""
    status: str = ""
    status_at: str = ""
    codes: list[str] = field(default_factory=list)


class OldConnector:
    """An older connector of an agency.

    Args:
        settings: of the agency.
        folder: where its packets lie.
        recipient: to whom it sends.
    """

    def __init__(self, settings: Settings, folder: Path, recipient: Organization) -> None:
        self._settings = settings
        self._folder = folder
        self._recipient = recipient
        self._client = HubClient(settings.dialect(), settings.client_settings())
        self.documents: dict[str, Sent] = {}
        folder.mkdir(parents=True)

    def close(self) -> None:
        """End it."""
        self._client.close()

    def draft(self, number: int) -> str:
        """Write a document down, with an id of its own, without sending it."""
        document_id = str(uuid4())
        document = sample_document(
            id=document_id,
            number=str(number),
            subject=f"Văn bản cũ {number}",
            recipients=(self._recipient,),
        )
        write(document, self._folder / f"{document_id}.edxml", at=datetime.now(VIETNAM))
        issued = document.issued_on
        assert issued is not None
        self.documents[document_id] = Sent(document.code, document.subject, issued.isoformat(), 1000 + number)
        return document_id

    def send(self, document_id: str) -> None:
        """Send a document that was written down."""
        result = self._client.send(
            self._folder / f"{document_id}.edxml",
            message_type=MessageType.EDOC,
            sender=self._settings.agency.id,
            recipients=[self._recipient.id],
        )
        one = self.documents[document_id]
        one.hub_doc_id, one.sent_at = result.doc_id, datetime.now(UTC).isoformat()

    def poll(self, limit: int) -> int:
        """Take some of the statuses that wait, and confirm them; returns how many."""
        waiting = self._client.list_waiting(MessageType.STATUS)[:limit]
        for one in waiting:
            path = self._folder / f"{one.doc_id}.status"
            self._client.fetch(one.doc_id, path)
            message = read(path).message
            assert isinstance(message, StatusMessage)
            known = self.documents[message.response_for.document_id or ""]
            known.status, known.status_at = (
                str(message.code),
                message.timestamp.isoformat() if message.timestamp else "",
            )
            known.codes.append(known.status)
            self._client.confirm(one.doc_id)
        return len(waiting)

    def export(self, path: Path, ids: Iterable[str] | None = None) -> Path:
        """Export its documents."""
        heads: tuple[str, ...] = (
            "document_id",
            "hub_doc_id",
            "code",
            "subject",
            "issued_on",
            "state",
            "sent_at",
            "recipient",
        )
        heads += ("recipient_name", "status", "status_at", "register_number")
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, delimiter=";")
            writer.writerow(heads)
            for key in self.documents if ids is None else ids:
                one = self.documents[key]
                state = "sent" if one.hub_doc_id else "queued"
                about = (key, one.hub_doc_id, one.code, one.subject, one.issued_on, state, one.sent_at)
                there = (self._recipient.id, self._recipient.name, one.status, one.status_at, one.register_number)
                writer.writerow([*about, *there])
        return path
