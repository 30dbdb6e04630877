"""Verifying a packet by its own signature and by its seal, and the choice between the two results.

Precedence, from the strongest:

1. Two seals, or a seal that is not last: UNVERIFIABLE, whatever else holds ("The seal", Result).
2. A seal whose signature holds but which lists other content than the packet's, or which was changed: INVALID, even if
   the packet's own signature holds. Such a seal vouches for content that is not there; no sender's software does that.
3. A valid seal: VALID. A packet signature that no longer holds beside it means the packet was rebuilt (finding).
   If the packet's own signature holds too and is by the same certificate, the method is ``packet``, as it covers more.
4. A seal that cannot be judged says nothing: the packet's own signature decides. If that holds, VALID with a finding;
   if the packet has none, or one that cannot be judged either, the seal's reason is the one given.

Taking the seal out gains an attacker nothing: what is left is UNSIGNED, INVALID or UNVERIFIABLE, since the packet's own
signature covers the seal as any attachment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from cryptography import x509
from lxml import etree
from pydantic import BaseModel

from ..._core import utc_now
from ...edxml import (
    DOCUMENT_HEADER,
    HUB_DEFAULTS,
    SEAL_NAME,
    Attachment,
    Document,
    Limits,
    Message,
    Packet,
    StatusMessage,
    facts,
    list_unsealed_fields,
    normalise,
    parse_scanned,
    parse_xml,
    refreshed_facts,
)
from ...errors import PacketError
from ..pki import Trust, VerifyPolicy, check_timestamp, human_name
from ..reasons import REASONS, Refused, SigningFinding, VerificationStatus
from .c14n import canonicalise, check_namespace_bounds
from .check_signature import Proof, SecondVerifier, check_claimed_time, judge_signer, prove
from .result import Difference, Verification
from .seal import Seal, build_status_object, compare_seal, find_sealed_signature, read_seal, restore_signature
from .signature_profile import (
    PACKET,
    SEAL,
    STATUS,
    ParsedSignature,
    Reference,
    SignatureProfile,
    find_signature,
    parse_signature,
)
from .xades import (
    canonicalise_signature_value,
    check_certificate,
    find_signed_properties,
    iter_timestamps,
    read_claimed_time,
)
from .xmldsig import compute_document_digest
from .xmlsec_verifier import is_valid_by_xmlsec

_MAX_SHOWN = 5
_LARGE_PACKET_SIZE = 2 << 20  # bytes; a smaller packet is hashed before a thread has begun


def verify(packet: Packet, policy: VerifyPolicy | None = None) -> Verification:
    """Verify a packet.

    No content of a packet raises: every fault of it is a status and a reason.

    Args:
        packet: the packet, as `edxml.read` gives it.
        policy: the rules of acceptance; left out, signatures are checked and nobody is trusted.

    Raises:
        OSError: the packet's file cannot be read any more.
    """
    policy = policy or VerifyPolicy()
    at = policy.at or utc_now()
    if not _find_seals(packet):
        own = _Outcome.from_check(_verify_own, packet, policy, at)
        if _find_sealed_status(packet) is not None:
            own = _combine(own, _Outcome.from_check(_verify_status, packet, policy, at))
        return _build_verification(packet, own, at)
    # each of the two hashes the whole packet, in its own way
    with _run_beside(
        packet.size > _LARGE_PACKET_SIZE, partial(_Outcome.from_check, _verify_seal, packet, policy, at)
    ) as seal:
        own = _Outcome.from_check(_verify_own, packet, policy, at)
    return _build_verification(packet, _combine(own, seal()), at)


def _find_seals(packet: Packet) -> list[int]:
    return [index for index, one in enumerate(packet.attachments) if one.name == SEAL_NAME]


@contextmanager
def _run_beside(in_thread: bool, work: Callable[[], _Outcome]) -> Iterator[Callable[[], _Outcome]]:
    """Do work while the block runs, in a thread, or else after it; yields the function that gives the outcome."""
    if not in_thread:
        yield work
        return
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work).result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """The result of one of the two signatures."""

    code: str
    detail: str = ""
    proof: Proof | None = None
    trust: Trust | None = None
    judged_at: datetime | None = None
    signed_at: datetime | None = None
    is_timestamped: bool = False
    findings: tuple[SigningFinding, ...] = ()
    sealed: tuple[str, ...] = ()
    unsealed: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    @classmethod
    def from_check(
        cls,
        check: Callable[[Packet, VerifyPolicy, datetime], _Outcome],
        packet: Packet,
        policy: VerifyPolicy,
        at: datetime,
    ) -> _Outcome:
        """Run a check of a packet, and turn a refusal into an outcome."""
        try:
            return check(packet, policy, at)
        except Refused as refusal:
            return cls(code=refusal.code, detail=refusal.detail)

    @property
    def status(self) -> VerificationStatus | None:
        return REASONS[self.code].status

    @property
    def certificate(self) -> x509.Certificate | None:
        return self.proof.certificate if self.proof else None

    def with_finding(self, code: str, detail: str = "") -> _Outcome:
        """Copy the outcome with one more finding."""
        return replace(self, findings=(*self.findings, SigningFinding(code, detail)))


def _judge_proof(proof: Proof, code: str, packet: Packet, policy: VerifyPolicy, at: datetime) -> _Outcome:
    """Judge a signature that holds by its signer."""
    try:
        trust, findings = judge_signer(proof, policy=policy, at=at, organ_id=packet.message.sender.id)
    except Refused as refusal:
        return _Outcome(code=refusal.code, detail=refusal.detail, proof=proof, judged_at=at, findings=proof.findings)
    return _Outcome(code=code, proof=proof, trust=trust, judged_at=at, findings=(*proof.findings, *findings))


# -- the packet's own signature


def _verify_own(packet: Packet, policy: VerifyPolicy, at: datetime) -> _Outcome:
    root = packet.skeleton.root
    signature = find_signature(root)
    if packet.skeleton.has_comments:
        raise Refused("SIG-COMMENT", "ContentTransferEncoded")
    if packet.skeleton.has_namespace_errors:
        raise Refused("SIG-ILL-FORMED")
    check_namespace_bounds(root)
    small = packet.size <= policy.second_verifier_limit
    proof = prove(
        signature,
        parse_signature(signature, _select_profile(packet)),
        policy=policy,
        compute_digest=lambda reference: _compute_packet_digest(packet, signature, reference),
        second_verifier=_build_second_verifier(packet, policy) if small else None,
    )
    outcome = _judge_proof(proof, "SIG-OK", packet, policy, at)
    if packet.ambiguous:
        names = ", ".join(name for name, _ in packet.ambiguous[:_MAX_SHOWN])
        return replace(outcome, code="SIG-AMBIGUOUS", detail=names)
    return outcome if small else outcome.with_finding("SIG-ONE-VERIFIER", f"{policy.second_verifier_limit} bytes")


def _select_profile(packet: Packet) -> SignatureProfile:
    return PACKET if _find_sealed_status(packet) is None else STATUS


def _compute_packet_digest(packet: Packet, signature: etree._Element, reference: Reference) -> bytes:
    if reference.uri:
        return _compute_status_digest(packet, reference)
    digest = hashlib.new(reference.digest, usedforsecurity=reference.digest != "sha1")
    try:
        for piece in packet.skeleton.iter_canonical(exclusive=reference.exclusive, exclude=[signature]):
            digest.update(piece)
    except etree.C14NError as error:
        raise Refused("SIG-CANONICAL", str(error)) from None
    return digest.digest()


def _build_second_verifier(packet: Packet, policy: VerifyPolicy) -> SecondVerifier:
    # as large and deep as the reader let it be; here the attachments count among the bytes
    most = max(packet.skeleton.limits.skeleton, policy.second_verifier_limit)
    limits = replace(packet.skeleton.limits, skeleton=most)

    def verify_again(parsed: ParsedSignature, certificate: x509.Certificate) -> bool:
        # a tree of its own, made of the packet's bytes: no fault of the streaming reader can reach it
        try:
            signature = find_signature(_parse_whole(packet, limits, policy.second_verifier_limit))
        except PacketError as error:
            raise Refused("SIG-DISAGREE", error.message) from None
        profile = _select_profile(packet)
        if parse_signature(signature, profile).comparison_key != parsed.comparison_key:
            raise Refused("SIG-DISAGREE", "shape")
        sealed_object = signature[-1] if profile is STATUS else None
        return is_valid_by_xmlsec(signature, parsed, certificate, identified_element=sealed_object)

    return verify_again


def _parse_whole(packet: Packet, limits: Limits, max_size: int) -> etree._Element:
    """Parse the packet in UTF-8 with all its texts, of at most so many bytes."""
    with packet.open_utf8() as stream:
        data = stream.read(min(packet.size, max_size) + 1)
    # the very bytes that the reader let through need no second scan
    return parse_scanned(data) if data == packet.skeleton.cached_bytes else parse_xml(data, limits=limits)


# -- the seal


def _verify_seal(packet: Packet, policy: VerifyPolicy, at: datetime) -> _Outcome:
    if not isinstance(packet.message, Document):
        raise Refused("SEAL-STATUS")
    seals = _find_seals(packet)
    if len(seals) > 1:
        raise Refused("SEAL-MANY", str(len(seals)))
    if seals[0] != len(packet.attachments) - 1:
        raise Refused("SEAL-NOT-LAST")
    seal = read_seal(packet.attachments[-1])
    proof = _prove_seal(seal, policy)
    claimed = read_claimed_time(find_signed_properties(seal.signature))
    stamped, doubts = _find_timestamp(seal, policy, at)
    # a signature that a time-stamp proves is judged as of then: the certificate may have expired since
    latest = min(at, stamped) if stamped else at
    outcome = _judge_proof(proof, "SEAL-OK", packet, policy, latest)
    outcome = replace(
        outcome,
        signed_at=stamped or claimed,
        is_timestamped=stamped is not None,
        findings=(*outcome.findings, *doubts, *check_claimed_time(proof.certificate, claimed, latest)),
    )
    return _compare_with_seal(outcome, seal, packet, packet.message)


def _find_timestamp(
    seal: Seal, policy: VerifyPolicy, at: datetime
) -> tuple[datetime | None, tuple[SigningFinding, ...]]:
    """Find the earliest moment that a time-stamp proves, and the faults of those that prove nothing."""
    moments: list[datetime] = []
    doubts: list[SigningFinding] = []
    try:
        for exclusive, token in iter_timestamps(seal.signature):
            data = canonicalise_signature_value(seal.signature, exclusive=exclusive)
            moments.append(check_timestamp(token, data, policy=policy, at=at))
    except Refused as refusal:
        doubts.append(SigningFinding(refusal.code, refusal.detail))
    return min(moments, default=None), tuple(doubts)


def _prove_seal(seal: Seal, policy: VerifyPolicy) -> Proof:
    properties = find_signed_properties(seal.signature)
    parsed = parse_signature(seal.signature, SEAL)
    covered = parsed.references[1].uri
    if covered != f"#{properties.get('Id')}":
        raise Refused("SEAL-PROPERTIES", covered)
    try:
        proof = prove(
            seal.signature,
            parsed,
            policy=policy,
            compute_digest=lambda reference: compute_document_digest(reference, seal.signature),
            second_verifier=lambda parsed, certificate: is_valid_by_xmlsec(
                seal.signature, parsed, certificate, identified_element=properties
            ),
        )
    except Refused as refusal:
        if refusal.code != "SIG-DIGEST":
            raise
        raise Refused("SEAL-DIGEST") from None
    check_certificate(properties, proof.certificate)
    return proof


def _compare_with_seal(outcome: _Outcome, seal: Seal, packet: Packet, document: Document) -> _Outcome:
    """Compare the seal with the packet, whatever the judgement on its signer; differences decide the outcome."""
    with packet.source.open_shared():  # once for all attachments
        comparison = compare_seal(seal, document, packet.attachments[:-1])
    differences = comparison.differences + _list_ambiguous(packet)
    if not differences:
        remarks = tuple(SigningFinding("SEAL-REFRESHED", str(one)) for one in comparison.refreshed)
        findings = (*outcome.findings, *remarks)
        return replace(outcome, sealed=comparison.sealed, unsealed=comparison.unsealed, findings=findings)
    return _with_differences(outcome, differences)


def _list_ambiguous(packet: Packet) -> tuple[Difference, ...]:
    """List the elements on which readers differ: of several the national hub's library takes the last."""
    return tuple(Difference(name, None, f"2 × … {text}".strip()) for name, text in packet.ambiguous)


def _with_differences(outcome: _Outcome, differences: tuple[Difference, ...]) -> _Outcome:
    differences_text = "; ".join(str(one) for one in differences[:_MAX_SHOWN])
    more = len(differences) - _MAX_SHOWN
    detail = f"{differences_text}; … (+{more})" if more > 0 else differences_text
    return replace(outcome, code="SEAL-DIFFERS", detail=detail, differences=differences)


# -- the seal of a status, in the packet's own signature


def _find_sealed_status(packet: Packet) -> etree._Element | None:
    is_status = isinstance(packet.message, StatusMessage)
    return find_sealed_signature(packet.skeleton.root) if is_status else None


def _verify_status(packet: Packet, policy: VerifyPolicy, at: datetime) -> _Outcome:
    """Verify what of a status's signature outlives a hub: the fields, not the packet's bytes."""
    found = _find_sealed_status(packet)
    if found is None or not isinstance(packet.message, StatusMessage):
        raise Refused("SIG-NONE")
    if next(found.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None) is not None:
        raise Refused("SIG-COMMENT", "Signature")
    form = canonicalise(build_status_object(packet.message), exclusive=True)
    if any(canonicalise(one, exclusive=True) != form for one in found.iterchildren("{*}Object")):
        raise Refused("SEAL-STATUS-DIFFERS")
    signature = restore_signature(found, packet.message)
    try:
        proof = prove(
            signature,
            parse_signature(signature, STATUS),
            policy=policy,
            # the bytes that the first Reference covers are gone; `_verify_own` judges them where they are not
            compute_digest=lambda one: _compute_status_digest(packet, one) if one.uri else one.value,
            second_verifier=None,  # every octet that is hashed was put together here, none parsed
        )
    except Refused as refusal:
        if refusal.code != "SIG-DIGEST":
            raise
        raise Refused("SEAL-STATUS-DIFFERS") from None
    outcome = _judge_proof(proof, "SEAL-OK", packet, policy, at)
    if packet.ambiguous:
        return _with_differences(outcome, _list_ambiguous(packet))
    sealed = dict.fromkeys(name for name, _ in facts(packet.message))
    names = tuple(name for name, _ in refreshed_facts(packet.message))
    return replace(outcome, sealed=tuple(sealed), unsealed=(*names, *list_unsealed_fields(packet.message)))


def _compute_status_digest(packet: Packet, reference: Reference) -> bytes:
    if not isinstance(packet.message, StatusMessage):
        raise Refused("SIG-URI", reference.uri)
    form = canonicalise(build_status_object(packet.message), exclusive=True)
    return hashlib.new(reference.digest, form, usedforsecurity=reference.digest != "sha1").digest()


# -- both together


def _combine(own: _Outcome, seal: _Outcome) -> _Outcome:
    """Choose between the two outcomes, by the list in this module's docstring."""
    if seal.code in ("SEAL-MANY", "SEAL-NOT-LAST") or seal.status is VerificationStatus.INVALID:
        return seal
    if seal.status is VerificationStatus.VALID:
        return _combine_with_valid_seal(own, seal)
    if own.status is VerificationStatus.VALID:
        return own.with_finding("SEAL-UNCHECKED", seal.code)
    return own if own.status is VerificationStatus.INVALID else seal


def _combine_with_valid_seal(own: _Outcome, seal: _Outcome) -> _Outcome:
    if own.status is VerificationStatus.VALID and own.certificate == seal.certificate:
        findings = (*own.findings, *seal.findings)
        return replace(own, signed_at=seal.signed_at, is_timestamped=seal.is_timestamped, findings=findings)
    if own.certificate is not None and own.certificate != seal.certificate:
        return seal.with_finding("SIG-TWO-SIGNERS", human_name(own.certificate))
    if own.status is VerificationStatus.UNSIGNED or own.certificate is not None:
        # or signed with the same key, which is judged good only as of the seal's time-stamp
        return seal
    return seal.with_finding("SIG-REBUILT", own.code)


def _build_verification(packet: Packet, outcome: _Outcome, at: datetime) -> Verification:
    valid = outcome.status is VerificationStatus.VALID
    sealed = valid and outcome.code == "SEAL-OK"
    attachments = _select_signed_files(packet, sealed=sealed) if valid else ()
    message = packet.message if not sealed else _as_sealed(packet.message)
    return Verification(
        reason=outcome.code,
        detail=outcome.detail,
        judged_at=outcome.judged_at or at,
        method=("seal" if sealed else "packet") if valid else None,
        certificate=outcome.certificate,
        chain=outcome.trust.chain if outcome.trust else (),
        trusted=outcome.trust.trusted if outcome.trust else None,
        signed_at=outcome.signed_at,
        timestamped=outcome.is_timestamped,
        algorithms=outcome.proof.algorithms if outcome.proof else (),
        findings=tuple(dict.fromkeys(outcome.findings)),
        sealed=outcome.sealed if sealed else (),
        unsealed=outcome.unsealed if sealed else (),
        differences=outcome.differences,
        message=_without_unsigned_fields(message, attachments, outcome.unsealed) if valid else None,
        attachments=attachments,
    )


def _select_signed_files(packet: Packet, *, sealed: bool) -> tuple[Attachment, ...]:
    files = (one for one in packet.attachments if one.name != SEAL_NAME)
    return tuple(_as_sealed_file(one) if sealed else one for one in files)


def _as_sealed_file(attachment: Attachment) -> Attachment:
    return attachment.renamed(normalise(attachment.name), description=normalise(attachment.description or ""))


def _as_sealed(value: Any) -> Any:
    """Normalise the texts of a value as a seal compares them: nobody signed other code points that count as equal."""
    if isinstance(value, str) and not isinstance(value, StrEnum):
        return value if value.isascii() and value == value.strip() and "\r" not in value else normalise(value)
    if isinstance(value, tuple):
        return tuple(map(_as_sealed, value))
    if isinstance(value, BaseModel):
        values = ((name, getattr(value, name)) for name in type(value).model_fields)
        return value.model_copy(update={name: _as_sealed(one) for name, one in values})
    return value


_ATTRIBUTE_OF_SEAL_NAME = {row.path.replace("/", "."): row.attr for row in DOCUMENT_HEADER.rows}
"""Seal names of a document's fields, and the model's attributes."""


def _without_unsigned_fields(
    message: Message, attachments: tuple[Attachment, ...], unsealed: tuple[str, ...]
) -> Message:
    """Copy the message without the fields that nobody signed."""
    if not isinstance(message, Document):
        return message
    dropped = {_ATTRIBUTE_OF_SEAL_NAME[name]: None for name in unsealed if name in HUB_DEFAULTS}
    return message.model_copy(update={"attachments": attachments, **dropped})
