"""Demanding signatures of the PDF files among attachments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ..edxml import Attachment
from ..signing import VerificationStatus, VerifyMode, VerifyPolicy
from .bounds import PdfBudget
from .result import PdfVerification
from .verify import is_pdf, verify_pdf


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsignedPdf:
    """A PDF file whose signatures are not as demanded.

    Args:
        index: place of the attachment, counted from 0.
        attachment: the file.
        verification: the result of verifying its signatures.
    """

    index: int
    attachment: Attachment
    verification: PdfVerification


def require_signatures(policy: VerifyPolicy) -> VerifyPolicy:
    """Derive the policy for PDF files from the policy for packets.

    A signature must hold. Where the policy names trusted authorities the certificate must lead to one of them, even if
    packets need no signature at all: PDF files have been signed for longer than packets.
    """
    return replace(policy, mode=VerifyMode.TRUSTED if policy.anchors else VerifyMode.VALID)


def find_unsigned(attachments: Iterable[Attachment], policy: VerifyPolicy) -> Iterator[UnsignedPdf]:
    """Find the PDF files among attachments that are not signed as `require_signatures` demands. Other files pass.

    The files share one budget of work: those that come when it is used up are refused (PDF-TOO-MUCH).

    Args:
        attachments: the files.
        policy: the policy for packets.

    Raises:
        AttachmentError: a file cannot be read.
        ConfigError: the extra ``pdf`` is not installed.
    """
    strict, budget = require_signatures(policy), PdfBudget()
    for index, attachment in enumerate(attachments):
        if is_pdf(attachment):
            verification = verify_pdf(attachment, strict, budget=budget)
            if verification.status is not VerificationStatus.VALID:
                yield UnsignedPdf(index=index, attachment=attachment, verification=verification)
