"""Signature and hash algorithms: their names here, their identifiers in XML Signature, and the code that runs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

_DSIG = "http://www.w3.org/2000/09/xmldsig#"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_ENC = "http://www.w3.org/2001/04/xmlenc#"
_MORE_2007 = "http://www.w3.org/2007/05/xmldsig-more#"


class SignatureAlgorithm(StrEnum):
    """Names of the signature algorithms."""

    RSA_SHA1 = "rsa-sha1"
    RSA_SHA256 = "rsa-sha256"
    RSA_SHA384 = "rsa-sha384"
    RSA_SHA512 = "rsa-sha512"
    RSA_PSS_SHA256 = "rsa-pss-sha256"
    RSA_PSS_SHA384 = "rsa-pss-sha384"
    RSA_PSS_SHA512 = "rsa-pss-sha512"
    ECDSA_SHA256 = "ecdsa-sha256"
    ECDSA_SHA384 = "ecdsa-sha384"
    ECDSA_SHA512 = "ecdsa-sha512"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A signature algorithm, with its identifier in XML Signature and its hash.

    Args:
        name: our name.
        uri: XML Signature's identifier.
        digest: name of the hash for `hashlib`.
        kind: ``rsa`` (RSASSA-PKCS1-v1_5), ``rsa-pss`` or ``ecdsa``.
    """

    name: str
    uri: str
    digest: str
    kind: str


SIGNATURES: dict[str, Algorithm] = {
    name: Algorithm(name, uri, digest, kind)
    for name, uri, digest, kind in (
        ("rsa-sha1", _DSIG + "rsa-sha1", "sha1", "rsa"),
        ("rsa-sha256", _MORE + "rsa-sha256", "sha256", "rsa"),
        ("rsa-sha384", _MORE + "rsa-sha384", "sha384", "rsa"),
        ("rsa-sha512", _MORE + "rsa-sha512", "sha512", "rsa"),
        # RFC 9231, 2.3.10: MGF1 with the same hash, a salt as long as its value, no parameters
        ("rsa-pss-sha256", _MORE_2007 + "sha256-rsa-MGF1", "sha256", "rsa-pss"),
        ("rsa-pss-sha384", _MORE_2007 + "sha384-rsa-MGF1", "sha384", "rsa-pss"),
        ("rsa-pss-sha512", _MORE_2007 + "sha512-rsa-MGF1", "sha512", "rsa-pss"),
        ("ecdsa-sha256", _MORE + "ecdsa-sha256", "sha256", "ecdsa"),
        ("ecdsa-sha384", _MORE + "ecdsa-sha384", "sha384", "ecdsa"),
        ("ecdsa-sha512", _MORE + "ecdsa-sha512", "sha512", "ecdsa"),
    )
}
DIGESTS: dict[str, str] = {
    "sha1": _DSIG + "sha1",
    "sha256": _ENC + "sha256",
    "sha384": _MORE + "sha384",
    "sha512": _ENC + "sha512",
}
"""Hash name to identifier."""

SIGNATURE_BY_URI = {algorithm.uri: algorithm for algorithm in SIGNATURES.values()}
DIGEST_BY_URI = {uri: name for name, uri in DIGESTS.items()}

FORBIDDEN_ALGORITHMS: dict[str, str] = {
    **{_MORE + name: "SIG-MD5" for name in ("md5", "rsa-md5", "ripemd160", "rsa-ripemd160", "ecdsa-ripemd160")},
    _ENC + "ripemd160": "SIG-MD5",
    **{_MORE_2007 + name: "SIG-MD5" for name in ("ecdsa-ripemd160", "md5-rsa-MGF1", "ripemd160-rsa-MGF1")},
    _MORE_2007 + "sha1-rsa-MGF1": "SIG-SHA1",
    _DSIG + "hmac-sha1": "SIG-HMAC",
    **{_MORE + f"hmac-{h}": "SIG-HMAC" for h in ("md5", "ripemd160", "sha224", "sha256", "sha384", "sha512")},
    _DSIG + "dsa-sha1": "SIG-SHA1",
    _MORE + "ecdsa-sha1": "SIG-SHA1",
}
"""Identifiers that no switch accepts, and the reason given."""

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
"""Hashes by their names."""
_RSA_KEYS = rsa.RSAPrivateKey | rsa.RSAPublicKey
_EC_KEYS = ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey
_CURVE_ALGORITHM = {"secp256r1": "ecdsa-sha256", "secp384r1": "ecdsa-sha384"}


def select_algorithm(key: object) -> SignatureAlgorithm | None:
    """Select the usual algorithm of a key; None for a kind of key that does not sign packets."""
    return next(iter(list_algorithms(key)), None)


def list_algorithms(key: object) -> tuple[SignatureAlgorithm, ...]:
    """List the algorithms that a key can sign packets with, the usual one first and without SHA-1."""
    if isinstance(key, _RSA_KEYS):
        return _list_fitting("rsa-sha256", "rsa", "rsa-pss")
    if isinstance(key, _EC_KEYS) and key.curve.name in _CURVE_ALGORITHM:
        return _list_fitting(_CURVE_ALGORITHM[key.curve.name], "ecdsa")
    return ()


@cache
def _list_fitting(usual: str, *kinds: str) -> tuple[SignatureAlgorithm, ...]:
    fitting = [name for name, one in SIGNATURES.items() if one.kind in kinds and one.digest != "sha1"]
    return tuple(SignatureAlgorithm(name) for name in dict.fromkeys((usual, *fitting)))


def digest_size(name: str) -> int:
    """Return the length of a hash's value in octets."""
    return hashlib.new(name, usedforsecurity=False).digest_size


def coordinate_size(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> int:
    """Return the length of r, and of s, in octets, in XML Signature's form of an ECDSA value."""
    return (key.curve.key_size + 7) // 8


def signature_size(key: PublicKey) -> int:
    """Return the length in octets of every signature value made with a key."""
    return (key.key_size + 7) // 8 if isinstance(key, rsa.RSAPublicKey) else 2 * coordinate_size(key)


def sign_with(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """Sign data: RSASSA-PKCS1-v1_5, RSASSA-PSS, or ECDSA as r‖s (XML Signature 1.1, 6.4.3; RFC 9231, 2.3.10)."""
    chosen = SIGNATURES[algorithm]
    digest = HASHES[chosen.digest]()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, _select_padding(chosen), digest)
    return raw_ecdsa(key.sign(data, ec.ECDSA(digest)), key)


def raw_ecdsa(value: bytes, key: ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) -> bytes:
    """Convert an ECDSA value from DER, as most software and services give it, to r‖s.

    Args:
        value: the signature value, DER.
        key: the key that made it, or its public key; its curve decides the length.

    Returns:
        r and s, each as long as the curve, as XML Signature has them (XML Signature 1.1, 6.4.3).

    Raises:
        ValueError: the value is not DER, or not of the key's curve.
    """
    size = coordinate_size(key)
    try:
        return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(value))
    except OverflowError as error:
        raise ValueError("the value is of another curve") from error


def is_valid_signature(key: PublicKey, algorithm: str, data: bytes, value: bytes) -> bool:
    """Tell whether a key made a signature value over data; False too where algorithm and key do not fit.

    Args:
        key: the public key.
        algorithm: name of the signature algorithm.
        data: the signed octets.
        value: the signature value; of ECDSA r‖s.
    """
    chosen = SIGNATURES[algorithm]
    digest = HASHES[chosen.digest]()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if chosen.kind == "ecdsa":
                return False
            key.verify(value, data, _select_padding(chosen), digest)
            return True
        size = coordinate_size(key)
        if chosen.kind != "ecdsa" or len(value) != 2 * size:
            return False
        r, s = (int.from_bytes(half, "big") for half in (value[:size], value[size:]))
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
    except InvalidSignature:
        return False
    return True


def _select_padding(algorithm: Algorithm) -> padding.AsymmetricPadding:
    if algorithm.kind == "rsa":
        return padding.PKCS1v15()
    digest = HASHES[algorithm.digest]()
    return padding.PSS(padding.MGF1(digest), digest.digest_size)
