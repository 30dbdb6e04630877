"""Certificates: reading them without trusting them, and the checks on a signer's."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID

from ..._core import MAX_MARKS, format_name, get_logger, has_too_many_marks, split_certificates
from ..algorithms import HASHES, PublicKey
from ..reasons import as_one_line

log = get_logger("edoc_connector.signing")

MINIMUM_RSA_BITS = 2048
MAX_CERTIFICATE_SIZE = 64 << 10
"""Largest certificate that is read, in bytes."""
CURVES = ("secp256r1", "secp384r1")

READ_ERRORS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""Errors of reading a malformed certificate: nothing else is caught."""

PARSE_ERRORS = (
    *READ_ERRORS,
    AttributeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    RecursionError,
)
"""Errors of asn1crypto, and of the packages that build on it, for malformed certificates, lists, answers and tokens,
beside errors of their own: they take the types inside on trust. Found by mutating input; nothing else is caught."""


def read_certificate(der: bytes) -> x509.Certificate:
    """Read a certificate, touching every part that is used later, since `cryptography` reads them lazily.

    Raises:
        ValueError: the certificate cannot be read, or its key is of an unknown kind.
    """
    return _load_certificate_cached(der) if len(der) <= _MAX_CACHED_SIZE else _load_certificate(der)


def _load_certificate(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_SIZE:
        raise ValueError(f"larger than {MAX_CERTIFICATE_SIZE} bytes")
    if _is_serial_odd(der):
        return _load_odd_certificate(der)
    return _load_parts(der)


def _load_parts(der: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        parts = (certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key())
        times = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except READ_ERRORS as error:
        raise ValueError(str(error)) from error
    if any(has_too_many_marks(str(one.value)) for one in (*certificate.subject, *certificate.issuer)):
        raise ValueError(f"a name with more than {MAX_MARKS} combining marks in a row")
    if not all(part is not None for part in (*parts, *times)):  # pragma: no cover - cryptography gives values or raises
        raise ValueError("incomplete")
    return certificate


@lru_cache(256)
def is_authority(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate may issue others: CA:TRUE, and key usage, if any, allows it (RFC 5280, 4.2.1.9)."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        return False
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True


_load_certificate_cached = lru_cache(256)(_load_certificate)
_MAX_CACHED_SIZE = 8 << 10  # no certificate of an agency is larger; a stranger's data shall not fill the memory


# -- serial numbers that are not positive. See docs/decisions/odd-serial-numbers.md.

_SERIAL = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"  # Certificate
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)"  # TBSCertificate
    rb"(?:\xa0\x03\x02\x01.)?\x02([\x01-\x7f])",  # version; the serial number's length
    re.DOTALL,
)
_WARNINGS_LOCK = threading.Lock()


def read_serial_number(certificate: x509.Certificate) -> int:
    """Read a certificate's serial number, which may be negative: old authorities' software wrote such ones."""
    with hush_odd_serials():
        return certificate.serial_number


@contextmanager
def hush_odd_serials() -> Iterator[None]:
    """Keep `cryptography` from warning of serial numbers that are not positive; the log tells of them in our words.

    Filters of warnings are the process's, so this is for the few certificates that have such a number, or may.
    """
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parsed a serial number", CryptographyDeprecationWarning)
        yield


def _is_serial_odd(der: bytes) -> bool:
    """Tell whether a certificate's serial number is negative or zero (RFC 5280, 4.1.2.2 has positive ones)."""
    found = _SERIAL.match(der)
    if found is None:
        return False
    value = der[found.end() : found.end() + found[1][0]]
    return int.from_bytes(value, "big", signed=True) <= 0


def _load_odd_certificate(der: bytes) -> x509.Certificate:
    try:
        with hush_odd_serials():
            certificate = _load_parts(der)
    except ValueError as error:
        raise ValueError(
            f"its serial number is not positive, and the installed version of 'cryptography' refuses that: {error}"
        ) from error
    log.info(
        "the certificate of %s has a serial number that is not positive; it is used all the same",
        human_name(certificate),
    )
    return certificate


def read_certificates(data: bytes) -> list[x509.Certificate]:
    """Read the certificates of a file, in any of the forms that authorities hand out (`split_certificates`).

    Raises:
        ValueError: there is no certificate, or one cannot be read.
    """
    return [read_certificate(der) for der in split_certificates(data)]


def human_name(certificate: x509.Certificate) -> str:
    """Return the holder's name for people, in one line: common name, else organisation, else the whole subject."""
    for oid in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATION_NAME):
        found = certificate.subject.get_attributes_for_oid(oid)
        if found:
            return as_one_line(str(found[0].value))
    return as_one_line(format_name(certificate.subject))


def fingerprint(certificate: x509.Certificate) -> str:
    """Compute the SHA-256 of a certificate, lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def certificate_digest(certificate: x509.Certificate, algorithm: str) -> bytes:
    """Compute a certificate's digest by one of `algorithms.HASHES`."""
    return certificate.fingerprint(HASHES[algorithm]())


def is_valid_at(certificate: x509.Certificate, at: datetime) -> bool:
    """Tell whether a moment lies within a certificate's validity."""
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


@lru_cache(64)
def can_sign(certificate: x509.Certificate) -> bool:
    """Tell whether key usage allows signing (RFC 5280, 4.2.1.3); a certificate without the extension may sign."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.content_commitment


_OTHER_USES = {
    ExtendedKeyUsageOID.SERVER_AUTH,
    ExtendedKeyUsageOID.CODE_SIGNING,
    ExtendedKeyUsageOID.TIME_STAMPING,
    ExtendedKeyUsageOID.OCSP_SIGNING,
}


_DOCUMENT_USES = {
    ExtendedKeyUsageOID.EMAIL_PROTECTION,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),  # document signing, RFC 9336
    x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),  # the same as Microsoft names it
    x509.ObjectIdentifier("1.2.840.113583.1.1.5"),  # as Adobe does
}


@lru_cache(64)
def is_for_other_use(certificate: x509.Certificate) -> bool:
    """Tell whether extended key usage names only uses other than signing documents (RFC 5280, 4.2.1.12).

    A web server or a time-stamp authority under the same root as the agencies does not sign packets; the certificates
    of web servers often let them log in too. One that names nothing but logging in (clientAuth) signs only if its key
    usage promises more than a log-in does: contentCommitment, the will to be bound.
    """
    try:
        uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    serves = ExtendedKeyUsageOID.SERVER_AUTH in uses and not any(use in _DOCUMENT_USES for use in uses)
    if serves or all(use in _OTHER_USES for use in uses):
        return True
    logs_in_only = all(use in _OTHER_USES or use == ExtendedKeyUsageOID.CLIENT_AUTH for use in uses)
    return logs_in_only and "contentCommitment" not in key_usage(certificate)


_USAGES = {
    "digitalSignature": "digital_signature",
    "contentCommitment": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}


def key_usage(certificate: x509.Certificate) -> tuple[str, ...]:
    """List the uses of a certificate's key by their names in RFC 5280, 4.2.1.3; none where it names none.

    ``contentCommitment`` is the newer name of ``nonRepudiation``.
    """
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name for name, attribute in _USAGES.items() if getattr(usage, attribute))


def days_left(certificate: x509.Certificate, at: datetime) -> int:
    """Count the whole days from a moment until a certificate expires; negative where it has expired."""
    return (certificate.not_valid_after_utc - at).days


def find_key_problem(
    key: object, *, minimum_rsa_bits: int = MINIMUM_RSA_BITS, curves: Sequence[str] = CURVES
) -> str | None:
    """Find the reason why a key may not sign packets; None for a good one."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size} < {minimum_rsa_bits}" if key.key_size < minimum_rsa_bits else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return None if key.curve.name in curves else f"EC {key.curve.name}"
    return type(key).__name__.lstrip("_")


def is_same_key(one: PublicKey, other: PublicKey) -> bool:
    """Tell whether two public keys are the same."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return one.public_bytes(*form) == other.public_bytes(*form)


def find_leaf(certificates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """Find the one certificate whose holder issued none of the others; None where there is not exactly one."""
    return _find_leaf(tuple(certificates))


@lru_cache(32)
def _find_leaf(certificates: tuple[x509.Certificate, ...]) -> x509.Certificate | None:
    issuers = {other.issuer for other in certificates if other.issuer != other.subject}
    leaves = [one for one in certificates if one.subject not in issuers]
    return leaves[0] if len(leaves) == 1 else None


def order_chain(leaf: x509.Certificate, others: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Order certificates from the leaf upwards, each followed by its issuer's; others are left out.

    Args:
        leaf: the signer's certificate.
        others: certificates in any order; the leaf may be among them.
    """
    return _order_chain(leaf, tuple(others))


@lru_cache(32)
def _order_chain(leaf: x509.Certificate, others: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    chain = [leaf]
    rest = [other for other in others if other != leaf]
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((one for one in rest if one.subject == chain[-1].issuer), None)
        if issuer is None:
            break
        rest.remove(issuer)
        chain.append(issuer)
    return tuple(chain)
