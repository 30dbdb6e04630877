"""The library's own eyes, lent to the mock hub's page: findings, and the verdict on the signature."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..edxml import Finding, Severity, read
from ..errors import EdocError
from ..mockhub import Inspection, Observation
from ..signing import VerificationStatus, verify

if TYPE_CHECKING:
    from ..mockhub import Tone
    from ..signing import Verification

_SEVERITY_TONES: Final[Mapping[Severity, Tone]] = {
    Severity.ERROR: "bad", Severity.WARNING: "wait", Severity.INFO: "info",
}  # fmt: skip
_STATUS_TONES: Final[Mapping[VerificationStatus, Tone]] = {
    VerificationStatus.VALID: "good", VerificationStatus.INVALID: "bad", VerificationStatus.UNSIGNED: "plain",
    VerificationStatus.UNVERIFIABLE: "wait",
}  # fmt: skip


def inspect_packet(path: Path) -> Inspection:
    """Inspect a packet: read it, and verify it trusting nobody.

    Args:
        path: the packet's file.
    """
    try:
        packet = read(path)
    except EdocError as error:
        unread = Observation(code=type(error).__name__, tone="bad", vi=error.vi, en=error.message)
        return Inspection(findings=(unread,), signature=None)
    found = (*packet.findings, *packet.content_findings())
    verdict = verify(packet)
    return Inspection(
        findings=tuple(_describe_finding(one) for one in found),
        signature=_describe_verdict(verdict),
        signer=verdict.signer or "",
    )


def _describe_finding(finding: Finding) -> Observation:
    tone = _SEVERITY_TONES[finding.severity]
    return Observation(code=finding.code, tone=tone, vi=finding.message_vi, en=finding.message, place=finding.xpath)


def _describe_verdict(verdict: Verification) -> Observation:
    return Observation(
        code=verdict.status.value,
        tone=_STATUS_TONES[verdict.status],
        vi=verdict.explanation_vi,
        en=verdict.explanation,
        place=verdict.reason,
    )
