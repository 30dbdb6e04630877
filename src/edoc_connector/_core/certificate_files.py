"""The forms in which authorities hand out certificates, taken apart into the certificates' own bytes (DER).

Known are DER, PEM (``CERTIFICATE``, ``X509 CERTIFICATE``, OpenSSL's ``TRUSTED CERTIFICATE``), PKCS#7 bundles (``.p7b``,
``.p7c``; DER, PEM or base64) and base64 without the lines around it; each also as a text in UTF-16, or in UTF-8 with a
byte order mark. The certificates are not read here: nothing is known of them but where each begins and ends.
"""

from __future__ import annotations

import base64
import binascii
import re

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_CERTIFICATE_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_BUNDLE_LABELS = (b"PKCS7", b"CMS", b"PKCS #7 SIGNED DATA")
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_SEQUENCE = 0x30
_OBJECT_IDENTIFIER = b"\x06"
_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""Errors of asn1crypto for malformed data, which takes the types inside on trust."""


def split_certificates(data: bytes) -> list[bytes]:
    """Split a file into its certificates, DER each and in its order; other parts of it, such as keys, are skipped.

    Raises:
        ValueError: there is no certificate, or the file is damaged.
    """
    found = _split(decode_text(data))
    if not found:
        raise ValueError("no certificate in it")
    return found


def _split(data: bytes) -> list[bytes]:
    if b"-----BEGIN" in data:
        return [der for label, body in _BLOCK.findall(data) for der in _split_block(label, body)]
    if data[:1] == bytes([_SEQUENCE]):
        return _split_der(data)
    return _split_der(_decode_base64(data))


def decode_text(data: bytes) -> bytes:
    """Decode a text in UTF-16 or behind a byte order mark to plain UTF-8; other files are as they are.

    Raises:
        UnicodeDecodeError: it begins like such a text, and is none.
    """
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return data.decode(encoding).encode()
    if data[:2] in (b"-\x00", b"\x00-", b"M\x00", b"\x00M"):  # the first letter of PEM or of base64 in UTF-16
        return data.decode("utf-16-le" if data[1] == 0 else "utf-16-be").encode()
    return data


def _split_block(label: bytes, body: bytes) -> list[bytes]:
    if label in _CERTIFICATE_LABELS:
        return [_cut_first_value(_decode_base64(body))]  # OpenSSL's form has uses and names behind the certificate
    return _split_der(_decode_base64(body)) if label in _BUNDLE_LABELS else []


def _split_der(der: bytes) -> list[bytes]:
    """Split a certificate or a bundle; the object identifier that only a bundle begins with tells which it is."""
    first = _cut_first_value(der)
    _, _, _, _, content, _ = _parse_value(first)
    return _split_bundle(first) if content.startswith(_OBJECT_IDENTIFIER) else [first]


def _split_bundle(der: bytes) -> list[bytes]:
    """List the certificates of a PKCS#7 bundle, which carries them beside nothing that is signed (RFC 2315, 9)."""
    # Large, and only for bundles. tsp adds its types to a table of cms, which asn1crypto turns round at its first use.
    from asn1crypto import cms, tsp  # type: ignore[import-untyped]  # noqa: F401

    try:
        bundle = cms.ContentInfo.load(der)
        if bundle["content_type"].native != "signed_data":
            return []
        return [one.chosen.dump() for one in bundle["content"]["certificates"] if one.name == "certificate"]
    except _DAMAGE as error:
        raise ValueError("the bundle of certificates (PKCS#7) is damaged") from error


def _cut_first_value(der: bytes) -> bytes:
    """Cut the first value off; zeros and line ends that some tools leave behind a file are not part of it."""
    try:
        class_, method, tag, header, content, trailer = _parse_value(der)
    except _DAMAGE as error:
        raise ValueError("neither DER nor PEM, or cut short") from error
    if (class_, method, tag) != (0, 1, 16):
        raise ValueError("neither DER nor PEM")
    return bytes(header + content + trailer)


def _parse_value(der: bytes) -> tuple[int, int, int, bytes, bytes, bytes]:
    """Parse the first value: class, method, tag, header, content and trailer."""
    from asn1crypto import parser  # for whoever reads certificates, not on import

    value: tuple[int, int, int, bytes, bytes, bytes] = parser.parse(der, strict=False)
    return value


def _decode_base64(text: bytes) -> bytes:
    lines = [line.strip() for line in text.splitlines()]
    try:
        return base64.b64decode(b"".join(line for line in lines if b":" not in line), validate=True)
    except binascii.Error as error:
        raise ValueError("neither DER nor PEM") from error
