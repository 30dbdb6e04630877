"""The other side of an exchange in a line: an agency at the mock hub that a test plays.

::

    def test_our_system_registers_what_comes(edoc_office, our_system):
        document_id = edoc_office("G22").send(subject="Kế hoạch năm 2027")
        our_system.poll()
        assert edoc_office("G22").list_statuses(document_id) == ["01", "03"]
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ..edxml import VIETNAM, Document, Organization, Packet, read, write
from ..mockhub import Answer, Incoming, NotDoneError, answer_packet, recall_document
from ..mockhub import Packet as HubPacket
from .hub import RunningHub
from .samples import sample_document

_ENGLISH: Final = {
    "wrong.order": "the packet does not wait for that answer, or not any more",
    "wrong.reason": "a reason is needed",
    "wrong.agency": "the agency is not registered at the hub",
}


class MockOffice:
    """An agency at a running mock hub, played by a test. It needs no store and no connector.

    Args:
        hub: the hub.
        code: code of the agency, which is registered at the hub where it is not.
        name: its name in the directory.
    """

    def __init__(self, hub: RunningHub, code: str, name: str = "") -> None:
        self._hub = hub
        self.organization = Organization(id=code, name=name or f"Cơ quan {code}")
        if hub.hub.storage.find_agency(code) is None:
            hub.add_agency(code, f"secret-{code}", self.organization.name)

    @property
    def code(self) -> str:
        """Its code."""
        return self.organization.id

    def send(self, document: Document | None = None, *, to: str = "H29.05", **fields: Any) -> str:
        """Send a document; gives its DocumentId.

        Args:
            document: the document; a sample where none is given.
            to: code of the recipient of the sample.
            **fields: fields of the sample to set otherwise.
        """
        if document is None:
            recipient = self._hub.hub.storage.find_agency(to)
            names = Organization(id=to, name=recipient.name if recipient else to)
            document = sample_document(**{"sender": self.organization, "recipients": (names,), **fields})
        with TemporaryDirectory() as folder:
            path = Path(folder) / "packet.edxml"
            write(document, path, at=datetime.now(VIETNAM))
            self._deliver(path.read_bytes())
        return document.id

    def _deliver(self, packet: bytes) -> None:
        hub = self._hub.hub
        agency = hub.storage.find_agency(self.code)
        system = self.code if agency is None else agency.system_id
        hub.accept(Incoming(packet=packet, system_id=system, sender=self.code, message_type="edoc"))

    def accept(self, document_id: str, remark: str = "") -> None:
        """Accept a document that came (03), which the hub then counts as taken."""
        self.answer(document_id, "03", remark)

    def reject(self, document_id: str, reason: str) -> None:
        """Reject a document that came (02)."""
        self.answer(document_id, "02", reason)

    def agree(self, document_id: str, remark: str = "") -> None:
        """Agree to a recall, update, replacement or take-back of a document (15)."""
        self.answer(document_id, "15", remark)

    def refuse(self, document_id: str, reason: str) -> None:
        """Refuse a recall, update, replacement or take-back of a document (16)."""
        self.answer(document_id, "16", reason)

    def answer(self, document_id: str, code: str, reason: str = "", *, force: bool = False) -> None:
        """Answer a document, or the last change of it that came, with a status.

        Args:
            document_id: its DocumentId.
            code: 01 to 16.
            reason: reason or remark.
            force: send it even where it is out of order.

        Raises:
            AssertionError: nothing of that document came, or it does not wait for that answer.
        """
        packet = self._find(document_id, is_change=code in ("15", "16"))
        try:
            answer_packet(self._hub.hub, packet, Answer(agency=self.code, code=code, reason=reason, is_forced=force))
        except NotDoneError as error:
            raise AssertionError(
                f"{self.code} cannot send {code} about {document_id}: {_ENGLISH[error.name]}"
            ) from error

    def recall(self, document_id: str, reason: str = "Ban hành nhầm") -> None:
        """Recall a document that this agency sent."""
        recall_document(self._hub.hub, self._find(document_id, is_change=False), reason)

    def take_back(self, document_id: str, reason: str = "Gửi nhầm") -> None:
        """Ask its recipients to give a document back (13)."""
        self.answer(document_id, "13", reason)

    def list_received(self) -> list[Packet]:
        """List the documents and changes that came for this agency, oldest first, read by the library."""
        return [read(self._hub.hub.get_path(one)) for one in self._list_packets("edoc")]

    def list_statuses(self, document_id: str) -> list[str]:
        """List the codes of the statuses that came for this agency about a document and its changes, in order."""
        names = {document_id, *(one.document_id for one in self._hub.hub.storage.list_of_document(document_id))}
        return [one.status for one in self._list_packets("status") if one.document_id in names]

    def _list_packets(self, kind: str) -> list[HubPacket]:
        return self._hub.hub.storage.list_packets(message_type=kind, recipient=self.code)

    def _find(self, document_id: str, *, is_change: bool) -> HubPacket:
        """Find the packet that an action is about.

        Raises:
            AssertionError: there is none; the message says what the hub has instead.
        """
        storage = self._hub.hub.storage
        about = storage.list_of_document(document_id)
        fitting = [one for one in about if (_is_change(one) if is_change else one.business == "0")]
        if not fitting:
            known = sorted({one.document_id for one in storage.list_packets()}) or ["nothing"]
            kind = "change of it" if is_change else "document"
            raise AssertionError(f"the hub has no {kind} {document_id!r}; it has: {', '.join(known)}")
        return fitting[-1]


def _is_change(packet: HubPacket) -> bool:
    return packet.business not in ("", "0") or packet.status == "13"
