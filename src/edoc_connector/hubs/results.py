"""Results of the calls, the same for every dialect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from .._core import Labelled, Text, label_members


@label_members(
    {
        "edoc": Text("document", "văn bản"),
        "status": Text("status", "trạng thái"),
    }
)
class MessageType(Labelled, StrEnum):
    """The two kinds of packets that a hub carries."""

    EDOC = "edoc"
    STATUS = "status"


@label_members(
    {
        "processing": Text("being processed", "đang xử lý"),
        "done": Text("received", "đã nhận"),
        "fail": Text("not received", "không nhận được"),
    }
)
class Outcome(Labelled, StrEnum):
    """The receiver's word to the hub about a packet offered to it."""

    PROCESSING = "processing"
    DONE = "done"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """The hub's word that it took a packet.

    Args:
        doc_id: the hub's id of the packet; empty where it has it since an earlier attempt, and does not tell.
    """

    doc_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A downloaded packet.

    Args:
        doc_id: the hub's id of the packet.
        path: the file, complete and synced to disk.
        size: its length in bytes.
        sha256: of its bytes, hex; computed as they arrived.
    """

    doc_id: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A packet that waits at the hub for this agency.

    Times that the hub wrote in no known form are None; the text stands beside them.

    Args:
        doc_id: the hub's id, bounded and printable; still not a file name.
        message_type: document or status.
        service_type: as the hub writes it.
        sender: code of the sending agency.
        recipient: code, or JSON list of codes, as the hub writes it.
        created_at: time of its arrival at the hub, aware UTC.
        updated_at: time of the last change of its state, aware UTC.
        status: the hub's state of the packet (``initial``, ``processing``, …).
        status_desc: the hub's words for it.
        created_text: `created_at` as the hub wrote it.
        updated_text: `updated_at` as the hub wrote it.
        is_waiting: False where the hub lists it although it was told that we have it.
    """

    doc_id: str
    message_type: MessageType
    service_type: str = ""
    sender: str = ""
    recipient: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    status: str = ""
    status_desc: str = ""
    created_text: str = ""
    updated_text: str = ""
    is_waiting: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SentState:
    """The state of a packet of ours at one receiver.

    Args:
        sender_doc_id: our DocumentId, or the hub's id of our packet; hubs differ.
        receiver_doc_id: the hub's id of the receiver's copy.
        sender: our code.
        recipient: the receiver's code.
        service_type: as the hub writes it.
        message_type: as the hub writes it.
        title: subject of the document.
        notation: number and notation of the document.
        sent_at: aware UTC.
        received_at: aware UTC.
        send_status: the hub's state on our side.
        send_status_desc: the hub's words for it.
        receive_status: the hub's state on the receiver's side.
        receive_status_desc: the hub's words for it.
        sent_text: `sent_at` as the hub wrote it.
        received_text: `received_at` as the hub wrote it.
    """

    sender_doc_id: str = ""
    receiver_doc_id: str = ""
    sender: str = ""
    recipient: str = ""
    service_type: str = ""
    message_type: str = ""
    title: str = ""
    notation: str = ""
    sent_at: datetime | None = None
    received_at: datetime | None = None
    send_status: str = ""
    send_status_desc: str = ""
    receive_status: str = ""
    receive_status_desc: str = ""
    sent_text: str = ""
    received_text: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the hub took the packet, and then did not bring it to the receiver: it or a system behind refused."""
        return bool(self.refusal)

    @property
    def refusal(self) -> str:
        """The hub's state that says so; empty where none does."""
        states = (self.receive_status.strip(), self.send_status.strip())
        return next((state for state in states if state.lower() in _REFUSED_STATES), "")

    @property
    def refusal_words(self) -> str:
        """The hub's words for that state."""
        is_received = self.refusal == self.receive_status.strip()
        return (self.receive_status_desc if is_received else self.send_status_desc).strip()


_REFUSED_STATES = frozenset({"fail", "failed", "error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """One entry of a hub's directory.

    Args:
        code: the agency's code.
        name: its name.
        id: the directory's own id of the entry.
        parent_id: `id` of the superior agency.
        mail: e-mail address.
        other_code: its code in the other scheme: QCVN 102:2016 beside Decision 20/2020/QĐ-TTg or the reverse.
    """

    code: str
    name: str = ""
    id: str = ""
    parent_id: str = ""
    mail: str = ""
    other_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyChange:
    """One change of a hub's directory.

    Args:
        code: the agency's code.
        name: its name.
        id: the directory's own id of the entry.
        parent_id: `id` of the superior agency.
        mail: e-mail address.
        version: the directory's version of the entry.
        center_code: code of the hub the agency is connected to.
        deleted: whether the entry was removed; None when the hub does not say.
        is_agency: whether it is an agency rather than a unit of one; None when the hub does not say.
        modified_at: aware UTC.
        modified_text: `modified_at` as the hub wrote it.
    """

    code: str
    name: str = ""
    id: str = ""
    parent_id: str = ""
    mail: str = ""
    version: str = ""
    center_code: str = ""
    deleted: bool | None = None
    is_agency: bool | None = None
    modified_at: datetime | None = None
    modified_text: str = ""
