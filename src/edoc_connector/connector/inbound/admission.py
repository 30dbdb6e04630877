"""A packet that came, read and verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..._core.text import both
from ...edxml import BusinessType, Message, Packet, StatusMessage, read
from ...errors import NotFound
from ...signing import Verification, VerifyPolicy, verify
from ...store import SpoolFile, receipts
from ...store.rows import ReceiptRow
from .._context import Session
from .._retry import columns
from ..delivery import BUSINESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A packet that was downloaded and can be read.

    Args:
        packet: the packet.
        verification: what its signatures are worth.
        fingerprint: hash of its content.
        file: where it lies in the spool.
    """

    packet: Packet
    verification: Verification
    fingerprint: str
    file: SpoolFile

    @property
    def message(self) -> Message:
        """What it says: of a valid packet what was signed, as it is handed out later."""
        return self.verification.message or self.packet.message


def opened(session: Session, row: ReceiptRow) -> tuple[Packet, Verification]:
    """The packet of a receipt, judged as at the time it came in.

    Raises:
        NotFound: its bytes are gone, or were removed when their time was over.
        StoreError: they were changed.
        PacketError: it cannot be read.
    """
    file = kept(row)
    path = session.packet(file.name, file.sha256)
    known = session.fresh.take(file.name)
    if known is not None:
        return known
    packet = read(path, limits=session.packets)
    return packet, verify(packet, policy_for(session, row))


def policy_for(session: Session, row: ReceiptRow) -> VerifyPolicy:
    """The policy, with certificates judged at the time the packet came: one that expires later was good then."""
    return replace(session.policy, at=session.policy.at or row.created_at)


def kept(row: ReceiptRow) -> SpoolFile:
    """The packet of a receipt in the spool.

    Raises:
        NotFound: it was not downloaded.
    """
    if row.spool_file is None or row.sha256 is None:
        raise NotFound(
            f"docId {row.hub_doc_id} was not downloaded yet: call receive().",
            vi=f"docId {row.hub_doc_id} chưa được tải về: hãy gọi receive().",
        )
    return SpoolFile(row.spool_file, row.sha256, row.size or 0)


def bytes_of(file: SpoolFile) -> dict[str, Any]:
    """Where a packet lies, as columns of a row."""
    return {"spool_file": file.name, "sha256": file.sha256, "size": file.size}


def facts_of(judged: Judged) -> dict[str, Any]:
    """What a row says of a packet, beside its bytes."""
    verification = judged.verification
    return {
        **bytes_of(judged.file),
        **claims_of(judged.message),
        "fingerprint": judged.fingerprint,
        "verification": verification.status.value,
        "verification_text": both(verification.explanation, verification.explanation_vi),
        "findings": len(judged.packet.findings),
        "attempts": 0,  # those of the download; the application's are counted from here on
        **columns(None),
    }


def claims_of(message: Message) -> dict[str, Any]:
    """Who a packet says that it is of, and what about, as columns of a row."""
    values: dict[str, Any] = {"sender": message.sender.id}
    if isinstance(message, StatusMessage):
        about = message.response_for
        return values | {
            "message_type": receipts.STATUS,
            "document_id": about.document_id,
            "code": about.code,
            "issued_on": about.issued_on,
            "subject": message.description,
        }
    return values | {
        "message_type": receipts.EDOC,
        "document_id": message.id,
        "business": BUSINESS.get(message.business.type or BusinessType.NEW),
        "code": message.code,
        "subject": message.subject,
        "issued_on": message.issued_on,
    }
