"""Verifying a PDF file: every signature in it, its signer, and the result of all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from .._core import utc_now
from ..signing import (
    PathBudget,
    SigningFinding,
    VerificationStatus,
    VerifyMode,
    VerifyPolicy,
    check_claimed_time,
    judge_certificate,
)
from .bounds import PdfBudget
from .extra import require_packages
from .reasons import PdfRefused
from .result import PdfSignature, PdfVerification
from .source import MAX_SIZE, Source, as_attachment, is_pdf, open_seekable

if TYPE_CHECKING:
    from .examine import ExaminedSignature

__all__ = ["is_pdf", "verify_pdf"]

_WORST_FIRST = (VerificationStatus.INVALID, VerificationStatus.UNVERIFIABLE)


def verify_pdf(
    source: Source, policy: VerifyPolicy | None = None, *, limit: int = MAX_SIZE, budget: PdfBudget | None = None
) -> PdfVerification:
    """Verify the signatures in a PDF file (ISO 32000-2, 12.8; PAdES, ETSI EN 319 142-1).

    No content of a file raises: every fault of it is a status and a reason.

    Args:
        source: an attachment, a path or the bytes.
        policy: the rules of acceptance, as for packets; left out, signatures are checked and nobody is trusted.
        limit: largest file, in bytes, that is read.
        budget: the work that several files, such as those of one packet, may take together; left out, the file has one
            of its own.

    Raises:
        AttachmentError: the bytes cannot be read or decoded.
        ConfigError: the extra ``pdf`` is not installed.
    """
    require_packages("pyhanko")
    from .examine import examine

    policy = policy or VerifyPolicy()
    at = policy.at or utc_now()
    try:
        with open_seekable(as_attachment(source), limit=limit) as (stream, size):
            budget = budget or PdfBudget()
            budget.add_file(size)
            examined = examine(stream, size, policy, budget)
    except PdfRefused as refusal:
        return PdfVerification(reason=refusal.code, detail=refusal.detail, judged_at=at)
    return _combine([_judge_signature(one, policy, at, budget.paths) for one in examined], at)


def _judge_signature(
    examined: ExaminedSignature, policy: VerifyPolicy, at: datetime, budget: PathBudget
) -> PdfSignature:
    """Judge an examined signature by its signer."""
    signature = examined.signature
    certificate = signature.certificate
    if certificate is None or signature.status is VerificationStatus.UNVERIFIABLE:
        return signature
    if signature.kind == "timestamp" and policy.timestamp_anchors:
        policy = replace(policy, anchors=policy.timestamp_anchors)
    trust = judge_certificate(certificate, examined.embedded_certificates, policy=policy, at=at, budget=budget)
    signature = replace(signature, chain=trust.chain, trusted=trust.trusted)
    valid = signature.status is VerificationStatus.VALID
    if valid and policy.mode is VerifyMode.TRUSTED and not trust.trusted:
        return replace(signature, reason=trust.problem, detail=trust.detail)
    findings = [SigningFinding(trust.problem, trust.detail)] if trust.problem else []
    if signature.kind == "signature" and signature.signed_at is not None:
        findings += check_claimed_time(certificate, signature.signed_at, at)
    if trust.trusted is None:
        findings.append(SigningFinding("SIG-NOT-JUDGED"))
    return replace(signature, findings=(*signature.findings, *findings))


def _combine(signatures: Sequence[PdfSignature], at: datetime) -> PdfVerification:
    ordinary = [one for one in signatures if one.kind == "signature"]
    broken = [one for one in signatures if one.status is VerificationStatus.INVALID]
    decisive = _find_worst(ordinary) or (ordinary[-1] if ordinary else None)
    if broken:  # a broken time stamp tells of a change as a signature does
        decisive = broken[0]
    if decisive is None:
        return PdfVerification(reason="PDF-NONE", judged_at=at, signatures=tuple(signatures))
    return PdfVerification(reason=decisive.reason, detail=decisive.detail, judged_at=at, signatures=tuple(signatures))


def _find_worst(signatures: Iterable[PdfSignature]) -> PdfSignature | None:
    found = list(signatures)
    return next((one for status in _WORST_FIRST for one in found if one.status is status), None)
