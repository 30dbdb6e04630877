"""Admission of packets: fetch, open and verify them, and turn them into the columns of a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..._core import Text, escape_line, get_logger
from ...edxml import BusinessType, Document, Message, Packet, StatusMessage, compose_document_id, read
from ...errors import AttachmentError, EdocError, NotFound, PacketError, VerificationFailed
from ...hubs import Progress
from ...signing import Verification, VerificationStatus, VerifyPolicy, describe_signer, verify
from ...store import EDOC, STATUS, ReceiptRow, SpoolFile
from .._change_rules import KIND_BY_TYPE
from .._context import ConnectorContext
from .._fingerprint import compute_fingerprint
from .._pdf_policy import require_signed_files
from .._retry import NO_ERROR

log = get_logger("edoc_connector.connector.inbox")

_MAX_NAME_BYTES = 1024  # PostgreSQL's indexes take 2704 in all, and one has sender and id together
_LOOKED_UP: Mapping[str, Text] = {
    "sender": Text("the sender's code", "mã nơi gửi"),
    "document_id": Text("the document's id", "mã định danh văn bản"),
    "code": Text("the number and notation", "số, ký hiệu"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedPacket:
    """A packet that was let in.

    Args:
        packet: the packet.
        verification: what its signatures are worth.
        message: what it says: of a valid packet what was signed, as it is handed out later. A document that states no
            DocumentId has one all the same, see `name_document`.
        fingerprint: hash of its content.
        file: where it lies in the spool.
        signer: the organisation that the signer's certificate is bound to; empty where it is bound to none.
    """

    packet: Packet
    verification: Verification
    message: Message
    fingerprint: str
    file: SpoolFile
    signer: str

    @property
    def states_id(self) -> bool:
        """Whether the packet itself states the id of its document; a status has none."""
        return not isinstance(self.packet.message, Document) or bool(self.packet.message.id)

    def has_content_of(self, row: ReceiptRow | None) -> bool:
        """Whether a receipt is there and holds the same content, stored by this version or an earlier one."""
        if row is None:
            return False
        stored = row.fingerprint
        return stored == compute_fingerprint(self.packet.message, self.packet.attachments, stored=stored)


def fetch_to_spool(context: ConnectorContext, doc_id: str, on_progress: Progress | None = None) -> SpoolFile:
    """Fetch a packet from the hub into the spool.

    Raises:
        EdocError: the hub did not give it, or the disk does not take it.
    """
    spool = context.store.spool
    with spool.draft_file() as draft:
        context.hub.fetch(doc_id, draft, on_progress=on_progress or context.on_progress)
        return spool.keep_draft(draft)


def admit(context: ConnectorContext, file: SpoolFile, row: ReceiptRow) -> VerifiedPacket:
    """Read and verify a packet, whose bytes were put into the spool, or compared with their hash, just now.

    Args:
        context: the policy and the spool.
        file: the packet.
        row: its receipt.

    Raises:
        PacketError: it cannot be read.
        VerificationFailed: the policy does not let it in.
        AttachmentError: a file in it cannot be decoded.
    """
    packet, verification = verify_file(context, file, row)
    require_admission(context, row, packet, verification)
    signer = find_signer(context, packet.message, verification)
    return build_verified(packet, verification, file, signer=signer, doc_id=row.hub_doc_id)


def verify_file(context: ConnectorContext, file: SpoolFile, row: ReceiptRow) -> tuple[Packet, Verification]:
    """Read a packet, and verify it by the policy; arguments and errors as for `admit`."""
    packet = read(context.store.spool.locate(file.name), limits=context.packet_limits)
    _require_short_names(packet.message, row)
    if any(finding.code == "EDX-MARK" for finding in packet.findings):
        log.warning("docId %s: a mark of secrecy stands in its subject or in the name of a file", row.hub_doc_id)
    return packet, verify(packet, _build_policy(context, row))


def _require_short_names(message: Message, row: ReceiptRow) -> None:
    """Require of what a packet is looked up by that an index of any database takes it.

    Raises:
        PacketError: it is longer than anything that somebody would type.
    """
    columns = as_message_columns(message)
    too_long = [name for name in _LOOKED_UP if len((columns[name] or "").encode()) > _MAX_NAME_BYTES]
    if too_long:
        raise PacketError(
            f"docId {row.hub_doc_id}: {_LOOKED_UP[too_long[0]].en} has more than {_MAX_NAME_BYTES} bytes. Ask the "
            "sender to send it with the right one.",
            vi=f"docId {row.hub_doc_id}: {_LOOKED_UP[too_long[0]].vi} dài quá {_MAX_NAME_BYTES} byte. Hãy đề nghị nơi "
            "gửi gửi lại cho đúng.",
            code="EDX-LIMIT",
        )


def require_admission(context: ConnectorContext, row: ReceiptRow, packet: Packet, verification: Verification) -> None:
    """Require that the policy lets a packet in; errors as for `admit`."""
    # A status is let in whoever signed it: most are unsigned, and `authority` decides which of them count.
    if isinstance(packet.message, Document):
        if not context.policy.admits(verification):
            raise _build_admission_error(row, verification)
        if context.requires_signed_pdf_in:
            require_signed_files(packet, _build_policy(context, row), doc_id=row.hub_doc_id)


def find_signer(context: ConnectorContext, message: Message, verification: Verification) -> str:
    """Find the organisation that the signer's certificate is bound to, the sender where it is that one.

    Not within a transaction: the policy asks the directory in the store.

    Args:
        context: the policy.
        message: what the packet says.
        verification: what its signatures are worth.

    Returns:
        The code; the name in the certificate where that is none of those listed for the sender; empty where nothing is
        signed, or nothing binds the certificate.
    """
    certificate = verification.certificate
    if certificate is None:
        return ""
    if verification.reason == "SIG-ORGANISATION":
        return verification.signer or "?"
    is_unbound = verification.reason == "SIG-UNBOUND"
    if verification.status is not VerificationStatus.VALID and not is_unbound:
        return ""
    is_trusted = verification.trusted is True or is_unbound
    return context.policy.find_organisation(message.sender.id, certificate, trusted=is_trusted)


def build_verified(
    packet: Packet, verification: Verification, file: SpoolFile, *, signer: str, doc_id: str
) -> VerifiedPacket:
    """Build the packet that is let in, with the hub's id of it; errors as for `admit`."""
    return VerifiedPacket(
        packet=packet,
        verification=verification,
        message=name_document(verification.message or packet.message, doc_id),
        fingerprint=compute_fingerprint(packet.message, packet.attachments),
        file=file,
        signer=signer,
    )


def name_document(message: Message, fallback: str) -> Message:
    """Give a document that states no DocumentId one, as two of them are two documents (edXML, "Seen in the wild").

    Args:
        message: the document; a status is given back as it is.
        fallback: the id where organisation, date, number and notation are not all stated.

    Returns:
        The document with the id ``OrganId,YYYY/MM/DD,number/notation``, or with `fallback`.
    """
    if not isinstance(message, Document) or message.id:
        return message
    parts = (message.sender.id, message.issued_on, message.number, message.notation)
    return message.model_copy(update={"id": compose_document_id(*parts) if all(parts) else fallback})


def must_quarantine(error: EdocError) -> bool:
    """Whether an error of `admit` sets the packet aside; after any other one it is asked for again."""
    return isinstance(error, PacketError | VerificationFailed | AttachmentError) and not isinstance(error, _NotKnownYet)


def is_verdict(error: EdocError) -> bool:
    """Whether an error of `admit` tells against the packet, so that the hub is told; not where we cannot judge it."""
    return not isinstance(error, VerificationFailed) or error.is_verdict


def open_packet(
    context: ConnectorContext, row: ReceiptRow, verified: VerifiedPacket | None = None
) -> tuple[Packet, Verification]:
    """Open the packet of a receipt, verified as at the time it came in.

    Args:
        context: the policy and the spool.
        row: the receipt.
        verified: the packet, where it was verified a moment ago; its bytes are compared with their hash again.

    Raises:
        NotFound: its bytes are gone, or were removed when their time was over.
        StoreError: they were changed.
        PacketError: it cannot be read.
    """
    file = require_spool_file(row)
    path = context.store.require_packet(file.name, file.sha256)
    if verified is not None and verified.file == file:
        return verified.packet, verified.verification
    cached = context.verified_cache.pop(file.name)
    if cached is not None:
        return cached
    packet = read(path, limits=context.packet_limits)
    return packet, verify(packet, _build_policy(context, row))


def _build_policy(context: ConnectorContext, row: ReceiptRow) -> VerifyPolicy:
    """Build the policy for certificates as at the time the packet came: one that expires later was good then."""
    return replace(context.policy, at=context.policy.at or row.created_at)


def require_spool_file(row: ReceiptRow) -> SpoolFile:
    """Find the packet of a receipt in the spool.

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
    """Express where a packet lies as columns of a row."""
    return {"spool_file": file.name, "sha256": file.sha256, "size": file.size}


def as_packet_columns(verified: VerifiedPacket) -> dict[str, Any]:
    """Express a packet as the columns of its receipt."""
    verification = verified.verification
    explanation = _explain(verification)
    return {
        **as_spool_columns(verified.file),
        **as_message_columns(verified.message),
        "fingerprint": verified.fingerprint,
        "verification": verification.status.value,
        "verification_text": explanation.en,
        "verification_vi": explanation.vi,
        "findings": len(verified.packet.findings),
        "attempts": 0,  # those of the download; the application's are counted from here on
        **NO_ERROR,
    }


def as_message_columns(message: Message) -> dict[str, Any]:
    """Express the sender and the subject that a packet claims as columns of a row."""
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


def _explain(verification: Verification) -> Text:
    """Explain a verification: what was found, who signed, and whether that one is trusted."""
    signer = describe_signer(verification)
    if signer is None:
        return Text(verification.explanation, verification.explanation_vi)
    return Text(f"{verification.explanation} {signer.en}", f"{verification.explanation_vi} {signer.vi}")


class _NotKnownYet(VerificationFailed):
    """The revocation of a certificate cannot be looked up now: the packet waits, as after a failed download."""


def _build_admission_error(row: ReceiptRow, verification: Verification) -> VerificationFailed:
    # Where a seal does not hold, the explanation quotes what differs; and the signer may be a person.
    template, signer = replace(verification, detail="{detail}"), describe_signer(verification)
    explanation, explanation_vi = template.explanation, template.explanation_vi
    hidden = {"detail": escape_line(verification.detail)}
    if signer is not None:
        explanation, explanation_vi = f"{explanation} {{signer}}", f"{explanation_vi} {{signer_vi}}"
        hidden |= {"signer": signer.en, "signer_vi": signer.vi}
    if verification.reason == "SIG-REVOCATION-UNKNOWN":
        return _NotKnownYet.withholding(
            f"docId {row.hub_doc_id} waits: {explanation}. It is tried again at the next poll.",
            vi=f"docId {row.hub_doc_id} chưa tiếp nhận: {explanation_vi}. Sẽ thử lại ở lần nhận sau.",
            hidden=hidden,
        )
    return VerificationFailed.withholding(
        f"docId {row.hub_doc_id} is not let in ({verification.status}): {explanation} "
        "Ask the sender to send it again, or correct [receive] in the settings and call recheck().",
        vi=f"Không tiếp nhận docId {row.hub_doc_id} ({verification.status}): {explanation_vi} "
        "Hãy đề nghị nơi gửi gửi lại, hoặc sửa mục [receive] trong cấu hình rồi gọi recheck().",
        hidden=hidden,
    )
