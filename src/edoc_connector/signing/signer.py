"""The signer protocol, a base for signers, and the signer whose key is in this process.

A signer takes bytes and gives bytes. Any object with the members of `Signer` is one, for example one that asks a
remote signing service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

from cryptography import x509

from .._core import utc_now
from ..errors import SigningError
from .algorithms import PrivateKey, SignatureAlgorithm, list_algorithms, sign_with
from .pki import can_sign, days_left, find_key_problem, human_name, is_for_other_use, key_usage

Clock = Callable[[], datetime]
"""Gives the present moment, aware."""


class Signer(Protocol):
    """A key that signs, wherever it is kept.

    ``sign`` must refuse with `SigningError` when the certificate is not valid now or not one for signing;
    `refuse_unfit` does that.
    """

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """Name of the signature algorithm, e.g. ``rsa-sha256``."""
        ...

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The signer's certificate, then those that lead towards a root."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Sign data.

        Args:
            data: the octets to sign, not yet hashed.

        Returns:
            The signature value: of RSASSA-PKCS1-v1_5 or -PSS, or for ECDSA r‖s as XML Signature has it.

        Raises:
            SigningError: the key must not or cannot sign now; the message says what to do.
        """
        ...


class Certified:
    """A base for signers, ours and others: reports on the certificate. It needs `certificates` and `clock`."""

    __slots__ = ()

    certificates: tuple[x509.Certificate, ...]
    clock: Clock

    @property
    def certificate(self) -> x509.Certificate:
        """The signer's certificate.

        Raises:
            SigningError: there is no certificate, or its key is of a kind that cannot sign packets.
        """
        return require_certificate(cast("Signer", self))

    @property
    def days_left(self) -> int:
        """Whole days until the certificate expires; negative where it has."""
        return days_left(self.certificate, self.clock())

    @property
    def key_usage(self) -> tuple[str, ...]:
        """The uses of the key by their names in RFC 5280, 4.2.1.3; empty where the certificate names none."""
        return key_usage(self.certificate)

    def refuse_unfit(self) -> None:
        """Refuse to sign with a certificate that no receiver should accept now.

        Raises:
            SigningError: the certificate is not valid now, not for signing, or its key is too weak.
        """
        refuse_unfit(self.certificate, self.clock())


_USUAL_ALGORITHM = cast("SignatureAlgorithm", None)
"""Stands for the usual algorithm of the key until the signer knows its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSigner(Certified):
    """A signer whose private key is in this process.

    Args:
        key: RSA or EC private key.
        certificates: the key's certificate, then those that lead towards a root.
        algorithm: the signature algorithm; left out, RSA-SHA256 for RSA keys, ECDSA with the curve's own hash for P-256
            and P-384.
        clock: gives the moment the certificate must be valid at.

    Raises:
        SigningError: the key is of a kind that cannot sign packets, or not one for the algorithm.
    """

    key: PrivateKey = field(repr=False, metadata={"secret": True})
    certificates: tuple[x509.Certificate, ...]
    algorithm: SignatureAlgorithm = _USUAL_ALGORITHM
    clock: Clock = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "algorithm", choose_algorithm(self.key, self.algorithm))

    def sign(self, data: bytes) -> bytes:
        """Sign data; see `Signer.sign`.

        Raises:
            SigningError: the certificate is not valid now, not for signing, or its key is too weak.
        """
        self.refuse_unfit()
        return sign_with(self.key, self.algorithm, data)


def choose_algorithm(key: object, wanted: str | None = None) -> SignatureAlgorithm:
    """Choose the algorithm that a key signs with.

    Args:
        key: public or private key.
        wanted: name of the algorithm; None for the usual one of the key.

    Raises:
        SigningError: the key cannot sign packets, or not with that algorithm.
    """
    able = list_algorithms(key)
    if not able:
        raise unusable_key_error(key)
    if wanted is None:
        return able[0]
    if wanted not in able:
        names = ", ".join(able)
        raise SigningError(
            f"the key does not sign with the algorithm '{wanted}'; choose one of {names}",
            vi=f"khóa này không ký bằng thuật toán '{wanted}'; hãy chọn một trong {names}",
        )
    return SignatureAlgorithm(wanted)


def refuse_unfit(certificate: x509.Certificate, at: datetime) -> None:
    """Refuse to sign with a certificate that no receiver should accept.

    Args:
        certificate: the signer's certificate.
        at: the moment of signing, aware.

    Raises:
        SigningError: the certificate is not valid then, not for signing, or its key is too weak.
    """
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    problem = find_key_problem(certificate.public_key())
    if begins <= at <= ends and can_sign(certificate) and not is_for_other_use(certificate) and not problem:
        return
    name = human_name(certificate)
    if at > ends:
        raise SigningError(
            f"the certificate of {name} expired on {ends:%Y-%m-%d}; renew it and configure the new key",
            vi=f"chứng thư số của {name} đã hết hạn ngày {ends:%d/%m/%Y}; gia hạn và cấu hình khóa mới",
        )
    if at < begins:
        raise SigningError(
            f"the certificate of {name} is valid only from {begins:%Y-%m-%d %H:%M} UTC; wait, or check the clock",
            vi=f"chứng thư số của {name} chỉ có hiệu lực từ {begins:%H:%M %d/%m/%Y} UTC; hãy chờ hoặc kiểm tra đồng hồ",
        )
    if not can_sign(certificate):
        raise SigningError(
            f"the certificate of {name} is not for signing (key usage lacks digitalSignature); use one that is",
            vi=f"chứng thư số của {name} không dùng để ký (key usage thiếu digitalSignature); dùng chứng thư số để ký",
        )
    if is_for_other_use(certificate):
        raise SigningError(
            f"the certificate of {name} is for other uses than signing documents (extended key usage); use another",
            vi=f"chứng thư số của {name} không dành cho việc ký văn bản (extended key usage); dùng chứng thư số khác",
        )
    raise SigningError(
        f"the key of {name} is too weak or of an unknown kind ({problem}); use RSA ≥ 2048 bits, P-256 or P-384",
        vi=f"khóa của {name} quá yếu hoặc không rõ loại ({problem}); dùng RSA từ 2048 bit, P-256 hoặc P-384",
    )


def require_certificate(signer: Signer) -> x509.Certificate:
    """Return the certificate of a signer, if its key can sign packets.

    Raises:
        SigningError: there is no certificate, or its key cannot sign packets.
    """
    if not signer.certificates:
        raise SigningError(
            "the signer brings no certificate; configure the certificate of its key",
            vi="người ký không kèm chứng thư số; cấu hình chứng thư số của khóa",
        )
    certificate = signer.certificates[0]
    if not list_algorithms(certificate.public_key()):
        raise unusable_key_error(certificate.public_key())
    return certificate


def unusable_key_error(key: object) -> SigningError:
    """Build the error for a key of a kind that cannot sign packets."""
    problem = find_key_problem(key) or type(key).__name__
    return SigningError(
        f"a key of this kind cannot sign packets ({problem}); use RSA of 2048 bits or more, P-256 or P-384",
        vi=f"loại khóa này không ký được gói tin ({problem}); dùng RSA từ 2048 bit, P-256 hoặc P-384",
    )
