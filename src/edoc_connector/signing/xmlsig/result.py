"""The result of verifying a packet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509

from ...edxml import Attachment, Message
from ..pki import human_name
from ..reasons import REASONS, SigningFinding, VerificationStatus, explain, explain_vi

Method = Literal["packet", "seal"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field or an attachment that is not as it was sealed.

    Args:
        name: the field, or the attachment's file name.
        sealed: the value that the sender sealed, None if there was none.
        received: the value in the packet, None if there is none.
    """

    name: str
    sealed: str | None
    received: str | None

    def __str__(self) -> str:
        return f"{self.name}: {_format_value(self.sealed)} → {_format_value(self.received)}"


def _format_value(text: str | None) -> str:
    if text is None:
        return "∅"
    return f"'{text[:77]}…'" if len(text) > 80 else f"'{text}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result of verifying a packet.

    Args:
        reason: reason code, ``SIG-…`` or ``SEAL-…``.
        judged_at: the moment certificates were judged at, UTC: the policy's, or an earlier one by a time-stamp.
        detail: the value that was seen; part of the explanation.
        method: the proof: the packet's own signature or the seal. None where neither holds.
        certificate: the signer's certificate. Given only where the signature was made with its key.
        chain: the certificate, then those above it as far as known.
        trusted: whether the chain leads to a trusted authority; None where that was not judged.
        signed_at: signing time, UTC; only seals have one. The signer claims it, unless `timestamped`.
        timestamped: whether a trusted time-stamp authority vouches that the signature existed at `signed_at`.
        algorithms: names of the signature algorithm and the hashes.
        findings: remarks that change no status.
        sealed: under a seal the names of all that it proves: fields, and ``Attachment.N`` for a file's name and
            content.
        unsealed: under a seal the names of all that is in the packet and that it does not prove. Values that hubs add
            (`edxml.HUB_DEFAULTS`) are not in `message`; the others are, as they came. A packet's own signature covers
            everything, so there nothing is unsealed.
        differences: fields and attachments that are not as they were sealed.
        message: the signed content; None unless VALID. What of it is named in `unsealed` nobody signed.
        attachments: the files that were signed, the seal taken out; none unless VALID. Under a seal their names and
            descriptions are in the form that was sealed.
    """

    reason: str
    judged_at: datetime
    detail: str = ""
    method: Method | None = None
    certificate: x509.Certificate | None = None
    chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    trusted: bool | None = None
    signed_at: datetime | None = None
    timestamped: bool = False
    algorithms: tuple[str, ...] = ()
    findings: tuple[SigningFinding, ...] = ()
    sealed: tuple[str, ...] = ()
    unsealed: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    message: Message | None = field(default=None, repr=False)
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)

    @property
    def status(self) -> VerificationStatus:
        """VALID, INVALID, UNSIGNED or UNVERIFIABLE."""
        status = REASONS[self.reason].status
        assert status is not None  # noqa: S101 - findings are never reasons; a test walks the table
        return status

    @property
    def signer(self) -> str | None:
        """The signer's name as the certificate has it."""
        return human_name(self.certificate) if self.certificate else None

    @property
    def explanation(self) -> str:
        """The reason in plain English."""
        return explain(self.reason, self.detail)

    @property
    def explanation_vi(self) -> str:
        """The reason in plain Vietnamese."""
        return explain_vi(self.reason, self.detail)
