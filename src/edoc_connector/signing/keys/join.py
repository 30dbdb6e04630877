"""A key and the certificate that an authority issued for it, joined into one PKCS#12 file."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from ...errors import SigningError
from ..algorithms import PrivateKey
from ..pki import PARSE_ERRORS, human_name, is_same_key, order_chain
from .files import load_certificates, open_private_key
from .request import fingerprint_key
from .uri import KeyUri, Secrets


def join_key(uri: str, certificates: Sequence[str], *, secrets: Secrets, password: str) -> bytes:
    """Join a key with its certificate, and those that lead from it to an authority.

    Args:
        uri: the key: ``pem:`` or ``p12:`` as of `load_signer`; it needs no certificate.
        certificates: paths of files with certificates, as authorities hand them out (PEM, DER, .p7b), in any order.
        secrets: gives the password of the key's file, where it has one.
        password: of the new file.

    Returns:
        The file: PKCS#12, encrypted with AES-256.

    Raises:
        SigningError: the key or a certificate cannot be read, or no certificate is the key's.
    """
    parsed = KeyUri.parse(uri)
    if parsed.scheme not in ("pem", "p12"):
        raise SigningError(
            f"a key of a {parsed.scheme}: URI stays where it is: put the certificate on the token, or name its file "
            "with cert= in the URI of [signing] key",
            vi=f"khóa ở URI {parsed.scheme}: không lấy ra được: hãy nạp chứng thư số vào thiết bị, hoặc chỉ tệp chứng "
            "thư số bằng cert= trong URI của [signing] key",
        )
    key = open_private_key(parsed, secrets)
    found = [one for path in certificates for one in load_certificates(path)]
    leaf, *above = order_chain(_find_own(key, found), found)
    name = human_name(leaf).encode()
    encryption = BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(name, key, leaf, above or None, encryption)


def _find_own(key: PrivateKey, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    """Find the key's certificate; of several, as after a renewal, the one that became valid last."""
    own = [one for one in certificates if _is_of(key, one)]
    if not own:
        digest = fingerprint_key(key.public_key())
        holders = ", ".join(human_name(one) for one in certificates)
        raise SigningError(
            f"none of the certificates is for this key (public key SHA-256 {digest}; there are: {holders}): take the "
            "key that the request was made with, or ask the authority for the certificate of that request",
            vi=f"không chứng thư số nào là của khóa này (SHA-256 của khóa công khai {digest}; hiện có: {holders}): hãy "
            "dùng đúng khóa đã ký yêu cầu, hoặc hỏi nơi cấp chứng thư số của yêu cầu đó",
        )
    return max(own, key=lambda one: one.not_valid_before_utc)


def _is_of(key: PrivateKey, certificate: x509.Certificate) -> bool:
    try:
        public = certificate.public_key()
    except PARSE_ERRORS:
        return False  # of a kind that cannot be read, so not this key's
    return is_same_key(public, key.public_key())  # type: ignore[arg-type]  # bytes of any kind compare
