"""The signer of a signature in words: who it is, by which certificates, and whether it is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cryptography import x509

from ..._core import Text, format_name
from ..reasons import VerificationStatus, as_one_line
from .certificates import human_name

_NOT_ACCEPTED = Text("NOT accepted: see the reason", "KHÔNG được chấp nhận: xem lý do")
_TRUST_WORDS = {
    True: Text("trusted", "tin cậy"),
    False: Text("NOT trusted", "KHÔNG tin cậy"),
    None: Text("signer not checked, anybody may have made this certificate", "chưa xác minh người ký"),
}


class SignedResult(Protocol):
    """What the verification of a signature says of its signer."""

    @property
    def certificate(self) -> x509.Certificate | None: ...
    @property
    def chain(self) -> tuple[x509.Certificate, ...]: ...
    @property
    def trusted(self) -> bool | None: ...
    @property
    def status(self) -> VerificationStatus: ...


def describe_signer(result: SignedResult) -> Text | None:
    """Describe a signer, the chain of certificates from it upwards, and whether it is trusted; None without a signer.

    Args:
        result: of verifying a packet, or a signature in a PDF file.
    """
    if result.certificate is None:
        return None
    chain = describe_chain(result.chain or (result.certificate,))
    is_judged = result.trusted is not None or result.status is VerificationStatus.VALID
    trust = _TRUST_WORDS[result.trusted] if is_judged else _NOT_ACCEPTED
    return Text(
        f"Signed by {human_name(result.certificate)} (chain: {chain}): {trust.en}.",
        f"Người ký: {human_name(result.certificate)} (chuỗi chứng thư số: {chain}): {trust.vi}.",
    )


def describe_chain(chain: Sequence[x509.Certificate]) -> str:
    """Name the holders of a chain of certificates, the signer first; in brackets an issuer that is not at hand."""
    names = [human_name(one) for one in chain]
    last = chain[-1]
    if last.issuer != last.subject:
        names.append(f"[{as_one_line(format_name(last.issuer))}]")
    return " ← ".join(names)
