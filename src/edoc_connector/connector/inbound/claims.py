"""Claims of packets: gather what is known of a packet, so that `authority` can decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ..._core import strip_hub
from ...edxml import BusinessType, Document, DocumentName, Message, StatusMessage
from ...signing import Verification, VerificationStatus, VerifyMode
from ...store import TAKE_BACK_CODE, Authority, DeliveryRow, ReceiptRow, Tx
from .._context import ConnectorContext
from ..naming import find_same_code, is_same_agency, match_delivery, match_receipts, name_response, name_targets
from .admission import VerifiedPacket, as_packet_columns
from .authority import AuthorityFinding, Claim, Rules, Ruling, Speech, as_authority_columns, decide


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPacket:
    """A packet with what was decided about it.

    Args:
        ruling: the decision.
        party: the sender's code as the document it speaks about has it; the sender's own code where it is no party.
        delivery: of a status, the document of ours that it is about; None where there is none.
        targets: of a change or a request to take back, the documents here that it may act on.
    """

    ruling: Ruling
    party: str
    delivery: DeliveryRow | None = None
    targets: tuple[ReceiptRow, ...] = ()


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a packet speaks about: the stored codes of those who may, and the rows it acts on then."""

    parties: tuple[str, ...] | None = None
    party: str | None = None
    delivery: DeliveryRow | None = None
    targets: tuple[ReceiptRow, ...] = ()
    odd_name: str = ""
    """The id of a document that the packet names otherwise than we have it."""


def judge_verified(tx: Tx, context: ConnectorContext, row: ReceiptRow, verified: VerifiedPacket) -> JudgedPacket:
    """Judge a packet that the policy lets in; see `judge`."""
    return judge(tx, context, row, verified.message, verified.verification, signer=verified.signer)


def judge(
    tx: Tx, context: ConnectorContext, row: ReceiptRow, message: Message, verification: Verification, *, signer: str
) -> JudgedPacket:
    """Judge a packet: who vouches for it, and whether what it says may take effect.

    Args:
        tx: the transaction in which it takes effect.
        context: the policy and the settings.
        row: its receipt, which has what the hub announced.
        message: what it says.
        verification: what its signatures are worth.
        signer: the organisation that the signer's certificate is bound to; empty where it is bound to none.
    """
    sender = message.sender.id
    subject = _find_subject(tx, row, message)
    if subject.party not in (None, sender) and _signs_for_another(context, verification, subject.party or ""):
        subject = replace(subject, party=None)
    claim = Claim(
        speech=_find_speech(message),
        code=str(message.code) if isinstance(message, StatusMessage) else "",
        sender=sender,
        verdict=verification.status,
        # a directory is its hub's word: an heir's certificate proves nothing of the code that it took over
        signer=_write_alike(tx, row, signer, sender, succession=False),
        announced=_write_alike(tx, row, row.offered_by or "", sender),
        addressees=find_addressees(tx, row, message),
        own=row.agency,
        parties=None if subject.parties is None else frozenset({sender} if subject.party else subject.parties),
        age=_compute_age(row, verification),
    )
    ruling = decide(claim, _build_rules(context))
    if subject.odd_name:
        ruling = replace(ruling, findings=(*ruling.findings, AuthorityFinding("ID-SPELLING", subject.odd_name)))
    if _is_rebuilt(context, row, message):
        ruling = replace(ruling, findings=(*ruling.findings, AuthorityFinding("HUB-REBUILT", row.hub_doc_id)))
    if (twin := _find_same_number(tx, row, message)) is not None:
        ruling = replace(ruling, findings=(*ruling.findings, AuthorityFinding("SAME-NUMBER", twin.document_id or "")))
    return JudgedPacket(
        ruling=ruling, party=subject.party or sender, delivery=subject.delivery, targets=subject.targets
    )


def _is_rebuilt(context: ConnectorContext, row: ReceiptRow, message: Message) -> bool:
    """Whether a hub that does so put its own number in the place of a document's id."""
    is_possible = context.capabilities.rebuilds_documents
    return is_possible and isinstance(message, Document) and message.id == strip_hub(row.hub_doc_id, row.hub)


def _find_same_number(tx: Tx, row: ReceiptRow, message: Message) -> ReceiptRow | None:
    """Find the document here under another id with a new one's number, notation and issuer, where there is one.

    Numbers begin anew each year (Decree 30/2020/NĐ-CP, article 15).
    """
    if not isinstance(message, Document) or _find_speech(message) is not Speech.DOCUMENT or not message.code:
        return None
    others = [
        other
        for other in tx.receipts.list_of_code(row.agency, message.code)
        if other.id != row.id and other.document_id != message.id and _is_of_year(other, message)
    ]
    return next((one for one in others if is_same_agency(tx, row.agency, one.sender or "", message.sender.id)), None)


def _is_of_year(row: ReceiptRow, document: Document) -> bool:
    return row.issued_on is None or document.issued_on is None or row.issued_on.year == document.issued_on.year


def build_columns(verified: VerifiedPacket, judged: JudgedPacket) -> dict[str, Any]:
    """Build the columns of a packet's receipt: the packet, and what was decided about it."""
    return as_packet_columns(verified) | as_authority_columns(judged.ruling)


def _build_rules(context: ConnectorContext) -> Rules:
    receive = context.receive
    return Rules(
        demands_proof=context.policy.mode is not VerifyMode.ANY,
        for_grave_codes=Authority(receive.statuses),
        refuses_not_addressed=receive.not_addressed == "refuse",
        refuses_old=receive.old_signatures == "refuse",
        most_age=timedelta(days=receive.signature_days),
    )


def _find_speech(message: Message) -> Speech:
    if isinstance(message, StatusMessage):
        return Speech.TAKE_BACK if message.code == TAKE_BACK_CODE else Speech.STATUS
    return Speech.DOCUMENT if message.business.type in (None, BusinessType.NEW) else Speech.CHANGE


def _compute_age(row: ReceiptRow, verification: Verification) -> timedelta | None:
    return row.created_at - verification.signed_at if verification.signed_at is not None else None


# -- codes


def _signs_for_another(context: ConnectorContext, verification: Verification, party: str) -> bool:
    """Whether a party's certificates are listed and the signer's is none of them, whatever pairs the two codes.

    The directory is the hub's: it does not lend a listed agency's word to another signer.
    """
    certificate = verification.certificate
    if certificate is None or verification.status is not VerificationStatus.VALID:
        return False
    return context.policy.excludes(party, certificate, trusted=verification.trusted is True)


def _write_alike(tx: Tx, row: ReceiptRow, code: str, model: str, *, succession: bool = True) -> str:
    """Write a code as another one, where both are those of one agency."""
    return model if code and is_same_agency(tx, row.agency, code, model, succession=succession) else code


def find_addressees(tx: Tx, row: ReceiptRow, message: Message) -> frozenset[str]:
    """Find to whom a packet is addressed, ourselves by our own code; nobody where it does not say."""
    if isinstance(message, Document):
        codes = [recipient.id for recipient in message.recipients]
    elif message.code == TAKE_BACK_CODE:
        codes = []  # it names the document's issuer, its sender
    else:
        codes = [name_response(message.response_for).organ_id]
    stated = frozenset(code for code in codes if code)
    return stated | {row.agency} if find_same_code(tx, row.agency, row.agency, stated) is not None else stated


# -- what it speaks about


def _find_subject(tx: Tx, row: ReceiptRow, message: Message) -> _Subject:
    if isinstance(message, StatusMessage) and message.code != TAKE_BACK_CODE:
        return _find_subject_of_status(tx, row, message)
    names = (name_response(message.response_for),) if isinstance(message, StatusMessage) else name_targets(message)
    return _find_subject_of_request(tx, row, message.sender.id, names)


def _find_subject_of_status(tx: Tx, row: ReceiptRow, message: StatusMessage) -> _Subject:
    """Find the document of ours, about which its recipients may speak."""
    match = match_delivery(tx, row.agency, name_response(message.response_for))
    if match.row is None:
        return _Subject()
    codes = tuple(recipient.organ_id for recipient in tx.recipients.load([match.row.id])[match.row.id])
    party = find_same_code(tx, row.agency, message.sender.id, codes)
    return _Subject(codes, party, delivery=match.row, odd_name=match.row.document_id if match.is_odd else "")


def _find_subject_of_request(tx: Tx, row: ReceiptRow, sender: str, names: Sequence[DocumentName]) -> _Subject:
    """Find the documents that came, about each of which its own sender may speak."""
    matches = [match_receipts(tx, row.agency, name, sender) for name in names]
    odd_name = next((match.rows[0].document_id or "" for match in matches if match.is_odd), "")
    found_by_id = {copy.id: copy for match in matches for copy in match.rows if copy.id != row.id}
    found = sorted(found_by_id.values(), key=lambda copy: copy.id, reverse=True)
    if not found:
        return _Subject()
    own_code = find_same_code(tx, row.agency, sender, [copy.sender for copy in found])
    targets = tuple(copy for copy in found if copy.sender == own_code)
    ids_of_others = {copy.document_id for copy in found} - {copy.document_id for copy in targets}
    if ids_of_others:
        return _Subject(tuple({copy.sender or "" for copy in found if copy.document_id in ids_of_others}))
    return _Subject((own_code or "",), own_code, targets=targets, odd_name=odd_name)
