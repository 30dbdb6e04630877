"""Signers: who can sign, and how a URI in the configuration becomes one.

A signer takes bytes and gives bytes. Keys in files are here; any object with the members of `Signer` will do as well,
for example one that asks a remote signing service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import unquote

from cryptography import x509

from ..errors import SigningError, describe_system_error_vi
from .algorithms import PrivateKey, SignatureAlgorithm, list_algorithms, select_algorithm, sign_with
from .pki.certificates import can_sign, days_left, find_key_problem, human_name, is_for_other_use, key_usage

Secrets = Callable[[str], str | None]
"""Gives the password for what the argument names; None if there is none."""
Clock = Callable[[], datetime]
"""Gives the present moment, aware."""


class Signer(Protocol):
    """Something that signs.

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
        """Sign data: RSASSA-PKCS1-v1_5 or -PSS, or for ECDSA r‖s as XML Signature has it.

        Raises:
            SigningError: the key must not or cannot sign now; the message says what to do.
        """
        ...


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


class Certified:
    """What a signer tells of its certificate. A base for signers, ours and others: needs `certificates` and `clock`."""

    __slots__ = ()

    certificates: tuple[x509.Certificate, ...]
    clock: Clock

    @property
    def certificate(self) -> x509.Certificate:
        """The signer's certificate.

        Raises:
            SigningError: there is none, or its key is of a kind that cannot sign packets.
        """
        return require_certificate(cast("Signer", self))

    @property
    def days_left(self) -> int:
        """Whole days until the certificate expires; negative where it has."""
        return days_left(self.certificate, self.clock())

    @property
    def key_usage(self) -> tuple[str, ...]:
        """What the key is for, as RFC 5280, 4.2.1.3, names it; empty where the certificate does not say."""
        return key_usage(self.certificate)

    def refuse_unfit(self) -> None:
        """Refuse to sign with a certificate that is not valid now, not for signing, or whose key is too weak.

        Raises:
            SigningError: it is.
        """
        refuse_unfit(self.certificate, self.clock())


_USUAL_ALGORITHM = cast("SignatureAlgorithm", None)
"""Stands for the usual algorithm of the key until the signer knows its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSigner(Certified):
    """A signer whose private key is in this process.

    Args:
        key: RSA or EC private key.
        certificates: its certificate, then those that lead towards a root.
        algorithm: left out: RSA-SHA256 for RSA keys, ECDSA with the curve's own hash for P-256 and P-384.
        clock: gives the moment the certificate must be valid at.

    Raises:
        SigningError: the key is of a kind that cannot sign packets, or not one for the algorithm.
    """

    key: PrivateKey = field(repr=False)
    certificates: tuple[x509.Certificate, ...]
    algorithm: SignatureAlgorithm = _USUAL_ALGORITHM
    clock: Clock = field(default=utc_now, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "algorithm", choose_algorithm(self.key, self.algorithm))

    def sign(self, data: bytes) -> bytes:
        """Sign data.

        Raises:
            SigningError: the certificate is not valid now, not for signing, or its key is too weak.
        """
        self.refuse_unfit()
        return sign_with(self.key, self.algorithm, data)


def choose_algorithm(key: object, wanted: str | None = None) -> SignatureAlgorithm:
    """The algorithm a key signs with.

    Args:
        key: public or private key.
        wanted: its name; None for the usual one.

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
        SigningError: it is not valid then, not for signing, or its key is too weak.
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
    """The certificate of a signer, whose key is one that can sign packets.

    Raises:
        SigningError: there is none, or its key cannot.
    """
    if not signer.certificates:
        raise SigningError(
            "the signer brings no certificate; configure the certificate of its key",
            vi="người ký không kèm chứng thư số; cấu hình chứng thư số của khóa",
        )
    certificate = signer.certificates[0]
    if select_algorithm(certificate.public_key()) is None:
        raise unusable_key_error(certificate.public_key())
    return certificate


def unusable_key_error(key: object) -> SigningError:
    """The error for a key of a kind that cannot sign packets."""
    problem = find_key_problem(key) or type(key).__name__
    return SigningError(
        f"a key of this kind cannot sign packets ({problem}); use RSA of 2048 bits or more, P-256 or P-384",
        vi=f"loại khóa này không ký được gói tin ({problem}); dùng RSA từ 2048 bit, P-256 hoặc P-384",
    )


# -- from a URI to a signer


@dataclass(frozen=True, slots=True)
class KeyUri:
    """A key URI taken apart: ``scheme:path?name=value&…``.

    Args:
        scheme: which kind of key.
        body: what comes between the scheme and the question mark, as written.
        query: the attributes after it, percent-decoded; each may be given more than once.
    """

    scheme: str
    body: str
    query: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, uri: str) -> KeyUri:
        """Take a URI apart.

        Raises:
            SigningError: it has no scheme.
        """
        scheme, colon, rest = uri.partition(":")
        if not colon or not re.fullmatch(r"[a-z][a-z0-9]+", scheme) or not rest:
            raise SigningError(
                "a key is named by a URI such as pem:key.pem?cert=cert.pem or p12:agency.p12; this has no scheme",
                vi="khóa được chỉ định bằng URI như pem:key.pem?cert=cert.pem hoặc p12:agency.p12; "
                "thiếu tiền tố pem:, p12: hoặc pkcs11:",
            )
        body, _, query = rest.partition("?")
        attributes: dict[str, tuple[str, ...]] = {}
        for attribute in filter(None, query.split("&")):
            name, _, value = map(unquote, attribute.partition("="))
            attributes[name] = (*attributes.get(name, ()), value)
        return cls(scheme, body, attributes)

    @property
    def path(self) -> str:
        """The body as a file's path, percent-decoded."""
        return unquote(self.body)

    @property
    def redacted(self) -> str:
        """The URI as logs and lists may show it: without the attributes, where someone may have put a secret."""
        visible_parts = [part for part in self.body.split(";") if not part.lower().startswith("pin")]
        return f"{self.scheme}:{';'.join(visible_parts)}"

    @property
    def algorithm(self) -> str | None:
        """The signature algorithm that the ``algorithm`` attribute asks for."""
        return self.query.get("algorithm", (None,))[0]

    @property
    def secret_name(self) -> str:
        """What the password is asked for by: the ``secret`` attribute if given, else ``scheme:path``."""
        return self.query.get("secret", (f"{self.scheme}:{self.path}",))[0]

    def refuse_other_attributes(self, *names: str) -> None:
        """Refuse attributes other than the named ones.

        Raises:
            SigningError: there is one; its value, which might be a secret, is not repeated.
        """
        unknown = sorted(set(self.query) - set(names))
        if unknown:
            raise SigningError(
                f"{self.scheme}: does not know the attribute '{unknown[0]}'; it knows {', '.join(names)}",
                vi=f"{self.scheme}: không có thuộc tính '{unknown[0]}'; chỉ có {', '.join(names)}",
            )


Loader = Callable[[KeyUri, Secrets, Clock], Signer]
"""Makes a signer of a URI."""


def _load_pem(uri: KeyUri, secrets: Secrets, clock: Clock) -> Signer:
    from .keys.files import load_pem

    return load_pem(uri, secrets, clock)


def _load_p12(uri: KeyUri, secrets: Secrets, clock: Clock) -> Signer:
    from .keys.files import load_p12

    return load_p12(uri, secrets, clock)


def _load_pkcs11(uri: KeyUri, secrets: Secrets, clock: Clock) -> Signer:
    from .keys.pkcs11 import load_token

    return load_token(uri, secrets, clock)


LOADERS: dict[str, Loader] = {"pem": _load_pem, "p12": _load_p12, "pkcs11": _load_pkcs11}
"""The schemes. A loader imports what it needs when it is called."""


def load_signer(uri: str, *, secrets: Secrets | None = None, clock: Clock = utc_now) -> Signer:
    """Load a signer named by a URI.

    ``pem:KEY[?cert=FILE][&secret=REF]``
        a PEM private key (PKCS#8, encrypted or not, or the traditional form). ``cert`` names the file with its
        certificate and those above it; left out, they are in the key's own file. May be given more than once.
    ``p12:FILE[?secret=REF]``
        a PKCS#12 file.
    ``pkcs11:token=LABEL;object=LABEL?module-path=FILE[&pin-source=REF][&cert=FILE]``
        a key on a token (RFC 7512). It needs the extra ``pkcs11``; the token is not touched before it is used.

    ``algorithm`` chooses the signature algorithm where the key has several, e.g. ``rsa-sha512``, ``rsa-pss-sha256``.
    Paths are percent-decoded, and relative to the working directory.

    Args:
        uri: the URI. Never put a password in it.
        secrets: gives the password or PIN. It is called only where one is needed, with the text of ``secret`` or
            ``pin-source`` (for example ``env:EDOC_KEY_PASSWORD``) or, where the URI has none, with the URI's scheme
            and path.
        clock: gives the moment the certificate must be valid at when it signs.

    Raises:
        SigningError: the key cannot be loaded; the message says why and what to do, and holds no secret.
    """
    parsed = KeyUri.parse(uri)
    loader = LOADERS.get(parsed.scheme)
    if loader is None:
        known_schemes = ", ".join(sorted(LOADERS))
        raise SigningError(
            f"no signer for '{parsed.scheme}:'; the known kinds are {known_schemes}",
            vi=f"không có loại khóa '{parsed.scheme}:'; các loại hiện có là {known_schemes}",
        )
    return loader(parsed, secrets or _find_no_secret, clock)


def _find_no_secret(_name: str) -> str | None:
    return None


def read_key_file(path: str) -> bytes:
    """Read a key or certificate file.

    Raises:
        SigningError: it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SigningError(
            f"cannot read {path}: {error.strerror}; check the path and its permissions",
            vi=f"không đọc được {path}: {describe_system_error_vi(error)}; kiểm tra đường dẫn và quyền truy cập",
        ) from error
