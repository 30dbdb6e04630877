"""A packet that came, read and verified."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..._core import join_languages
from ...edxml import BusinessType, Message, Packet, StatusMessage, read
from ...errors import NotFound
from ...signing import Verification, VerifyPolicy, verify
from ...store import EDOC, STATUS, ReceiptRow, SpoolFile
from .._context import ConnectorContext
from .._retry import as_error_columns
from ..delivery import KIND_BY_TYPE


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPacket:
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


def open_packet(context: ConnectorContext, row: ReceiptRow) -> tuple[Packet, Verification]:
    """The packet of a receipt, judged as at the time it came in.

    Raises:
        NotFound: its bytes are gone, or were removed when their time was over.
        StoreError: they were changed.
        PacketError: it cannot be read.
    """
    file = require_spool_file(row)
    path = context.require_packet(file.name, file.sha256)
    cached = context.verified_cache.pop(file.name)
    if cached is not None:
        return cached
    packet = read(path, limits=context.packet_limits)
    return packet, verify(packet, build_policy(context, row))


def build_policy(context: ConnectorContext, row: ReceiptRow) -> VerifyPolicy:
    """The policy, with certificates judged at the time the packet came: one that expires later was good then."""
    return replace(context.policy, at=context.policy.at or row.created_at)


def require_spool_file(row: ReceiptRow) -> SpoolFile:
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


def as_spool_columns(file: SpoolFile) -> dict[str, Any]:
    """Where a packet lies, as columns of a row."""
    return {"spool_file": file.name, "sha256": file.sha256, "size": file.size}


def as_packet_columns(verified: VerifiedPacket) -> dict[str, Any]:
    """What a row says of a packet, beside its bytes."""
    verification = verified.verification
    return {
        **as_spool_columns(verified.file),
        **as_message_columns(verified.message),
        "fingerprint": verified.fingerprint,
        "verification": verification.status.value,
        "verification_text": join_languages(verification.explanation, verification.explanation_vi),
        "findings": len(verified.packet.findings),
        "attempts": 0,  # those of the download; the application's are counted from here on
        **as_error_columns(None),
    }


def as_message_columns(message: Message) -> dict[str, Any]:
    """Who a packet says that it is of, and what about, as columns of a row."""
    values: dict[str, Any] = {"sender": message.sender.id}
    if isinstance(message, StatusMessage):
        response_for = message.response_for
        return values | {
            "message_type": STATUS,
            "document_id": response_for.document_id,
            "code": response_for.code,
            "issued_on": response_for.issued_on,
            "subject": message.description,
        }
    return values | {
        "message_type": EDOC,
        "document_id": message.id,
        "business": KIND_BY_TYPE.get(message.business.type or BusinessType.NEW),
        "code": message.code,
        "subject": message.subject,
        "issued_on": message.issued_on,
    }
