"""The result of verifying a PDF file, and of each signature in it."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from typing import Literal

from cryptography import x509

from ..signing import SigningFinding, VerificationStatus, human_name
from .reasons import find_reason

Kind = Literal["signature", "timestamp"]


class _ExplainedResult:
    """A base for results: the status and the words of a reason code."""

    __slots__ = ()

    reason: str
    detail: str

    @property
    def status(self) -> VerificationStatus:
        """VALID, INVALID, UNSIGNED or UNVERIFIABLE."""
        status = find_reason(self.reason).status
        assert status is not None  # noqa: S101 - findings are never reasons; a test walks the table
        return status

    @property
    def explanation(self) -> str:
        """The reason in plain English."""
        return find_reason(self.reason).en.replace("{detail}", self.detail)

    @property
    def explanation_vi(self) -> str:
        """The reason in plain Vietnamese."""
        return find_reason(self.reason).vi.replace("{detail}", self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfSignature(_ExplainedResult):
    """One signature in a PDF file.

    Args:
        reason: reason code, ``PDF-…``, or ``SIG-…`` where it is about the certificate.
        field: name of the form field that holds the signature.
        kind: an ordinary signature, or a time stamp of the document.
        detail: the value that was seen; part of the explanation.
        certificate: the signer's certificate. Given only where the signature was made with its key.
        chain: the certificate, then those above it as far as known.
        trusted: whether the chain leads to a trusted authority; None where that was not judged.
        signed_at: the time of signing, UTC: as the signer claims it, or for a time stamp as the authority states it.
        whole_document: whether the signature covers every byte of the file as it is now.
        modified: whether something was added to the file after it was signed, allowed or not; None where unknown.
        algorithms: names of the signature algorithm and the hash.
        stated_reason: why it was signed, as the signer says.
        location: where it was signed, as the signer says.
        findings: what is worth knowing and changes no status.
    """

    reason: str
    field: str
    kind: Kind = "signature"
    detail: str = ""
    certificate: x509.Certificate | None = None
    chain: tuple[x509.Certificate, ...] = dataclass_field(default=(), repr=False)
    trusted: bool | None = None
    signed_at: datetime | None = None
    whole_document: bool = False
    modified: bool | None = None
    algorithms: tuple[str, ...] = ()
    stated_reason: str | None = None
    location: str | None = None
    findings: tuple[SigningFinding, ...] = ()

    @property
    def signer(self) -> str | None:
        """The signer's name as the certificate has it."""
        return human_name(self.certificate) if self.certificate else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfVerification(_ExplainedResult):
    """The result of verifying a PDF file.

    The status is that of the worst signature in it: a good one does not make up for a broken one. A file without an
    ordinary signature is UNSIGNED, time stamps or not.

    Args:
        reason: reason code, ``PDF-…`` or ``SIG-…``.
        judged_at: the moment certificates were judged at, UTC.
        detail: the value that was seen; part of the explanation.
        signatures: every signature, in the order they were made.
    """

    reason: str
    judged_at: datetime
    detail: str = ""
    signatures: tuple[PdfSignature, ...] = ()

    @property
    def signers(self) -> tuple[str, ...]:
        """Names of the signers whose signatures are VALID, in the order they signed."""
        return tuple(
            one.signer
            for one in self.signatures
            if one.kind == "signature" and one.status is VerificationStatus.VALID and one.signer
        )
