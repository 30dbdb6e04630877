"""Requests for certificates (PKCS#10, RFC 2986): the key signs its own request, on its token where it lives there.

That signature is the proof of possession that an authority asks for (RFC 4211, 4.1): nobody asks for a certificate of a
key that he does not hold.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ..._core import parse_name
from ...errors import SigningError
from ..algorithms import PublicKey, sign_with
from ..signer import choose_algorithm
from .files import open_private_key
from .pkcs11 import RequestKey, open_token_key
from .uri import KeyUri, Secrets

_ALGORITHM_NAMES = {
    "rsa-sha256": "sha256_rsa",
    "rsa-sha384": "sha384_rsa",
    "rsa-sha512": "sha512_rsa",
    "ecdsa-sha256": "sha256_ecdsa",
    "ecdsa-sha384": "sha384_ecdsa",
    "ecdsa-sha512": "sha512_ecdsa",
}
"""Signature algorithms of requests, by the names that asn1crypto gives them; authorities take few others."""


@contextmanager
def open_request_key(uri: str, secrets: Secrets) -> Iterator[RequestKey]:
    """Open the key that a URI names; a token's session lasts for the block.

    Args:
        uri: as of `load_signer`.
        secrets: gives the password or PIN.

    Raises:
        SigningError: the key cannot be opened, or cannot sign.
    """
    parsed = KeyUri.parse(uri)
    if parsed.scheme == "pkcs11":
        with open_token_key(parsed, secrets) as key:
            yield key
        return
    private = open_private_key(parsed, secrets)
    algorithm = choose_algorithm(private, parsed.algorithm)
    yield RequestKey(
        public_key=private.public_key(), algorithm=algorithm, sign=lambda data: sign_with(private, algorithm, data)
    )


def build_subject(*, name: str, organ_id: str, email: str | None = None) -> x509.Name:
    """Build an agency's subject: its name, and its code where receivers look for it.

    Args:
        name: of the agency.
        organ_id: its code, in organizationIdentifier.
        email: its address; left out, none stands in it.
    """
    values = (
        (NameOID.COUNTRY_NAME, "VN"),
        (NameOID.ORGANIZATION_NAME, name),
        (NameOID.ORGANIZATION_IDENTIFIER, organ_id),
        (NameOID.COMMON_NAME, name),
        (NameOID.EMAIL_ADDRESS, email or ""),
    )
    try:
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in values if value])
    except ValueError as error:
        raise _subject_error(str(error)) from error


def parse_subject(text: str) -> x509.Name:
    """Read a subject, e.g. ``C=VN,O=UBND tỉnh,CN=Sở Nội vụ`` (RFC 4514: written from the least part upwards).

    Raises:
        SigningError: it cannot be read.
    """
    try:
        return parse_name(text)
    except ValueError as error:
        raise _subject_error(str(error)) from error


def build_request(key: RequestKey, subject: x509.Name) -> bytes:
    """Build a request for a certificate.

    Args:
        key: whose certificate it is to be; it signs the request.
        subject: of the certificate.

    Returns:
        The request, PEM.

    Raises:
        SigningError: the key signs with an algorithm that requests do not have, or its signature does not hold.
    """
    if key.algorithm not in _ALGORITHM_NAMES:
        names = ", ".join(_ALGORITHM_NAMES)
        raise SigningError(
            f"requests are not signed with {key.algorithm}; name one of {names} with algorithm=",
            vi=f"yêu cầu cấp chứng thư không ký bằng {key.algorithm}; hãy chọn một trong {names} bằng algorithm=",
        )
    from asn1crypto import csr, keys  # type: ignore[import-untyped]  # it ships no types
    from asn1crypto import x509 as asn1_x509

    public = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": asn1_x509.Name.load(subject.public_bytes()),
            "subject_pk_info": keys.PublicKeyInfo.load(public),
            "attributes": [],
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": {"algorithm": _ALGORITHM_NAMES[key.algorithm]},
            "signature": _as_der(key, key.sign(info.dump())),
        }
    )
    return _check(request.dump())


def read_request(path: str | Path) -> x509.CertificateSigningRequest:
    """Read a request, PEM or DER, and check that its key signed it.

    Raises:
        SigningError: it cannot be read, or another key signed it.
    """
    try:
        data = Path(path).read_bytes()
        is_pem = data.lstrip().startswith(b"-----BEGIN")
        request = x509.load_pem_x509_csr(data) if is_pem else x509.load_der_x509_csr(data)
    except (OSError, ValueError) as error:
        raise SigningError(
            f"{path} is no request for a certificate that can be read: {error}; name the file that edoc keys request "
            "wrote",
            vi=f"{path} không phải yêu cầu cấp chứng thư đọc được: {error}; hãy chỉ tệp do edoc keys request ghi ra",
        ) from error
    return _require_proof(request)


def _check(der: bytes) -> bytes:
    return _require_proof(x509.load_der_x509_csr(der)).public_bytes(Encoding.PEM)


def _require_proof(request: x509.CertificateSigningRequest) -> x509.CertificateSigningRequest:
    if not request.is_signature_valid:
        raise SigningError(
            "the request is not signed by its own key: there are two keys of that name; give id= or object= in the URI",
            vi="yêu cầu không do chính khóa của nó ký: có hai khóa cùng tên; hãy ghi id= hoặc object= trong URI",
        )
    return request


def _as_der(key: RequestKey, value: bytes) -> bytes:
    """Write an ECDSA value as X.509 has it (RFC 3279, 2.2.3)."""
    if not isinstance(key.public_key, ec.EllipticCurvePublicKey):
        return value
    half = len(value) // 2
    return encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))


def _subject_error(why: str) -> SigningError:
    return SigningError(
        f"the subject of the certificate cannot be written ({why}); give it with --subject, e.g. "
        "'CN=Sở Nội vụ,O=UBND tỉnh,C=VN'",
        vi=f"không viết được tên chủ thể của chứng thư số ({why}); hãy ghi bằng --subject, ví dụ "
        "'CN=Sở Nội vụ,O=UBND tỉnh,C=VN'",
    )


def fingerprint_key(public_key: PublicKey) -> str:
    """Compute the fingerprint of a public key: SHA-256 of its SubjectPublicKeyInfo, hex (RFC 7469, 2.4)."""
    data = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()
