"""All private keys of a PKCS#12 file (RFC 7292). `cryptography` gives the first one only."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ..._core import get_logger
from ...errors import SigningError
from ..pki import PARSE_ERRORS
from .uri import KeyUri

log = get_logger("edoc_connector.signing")

_SEQUENCE = b"\x30"


def decode_pkcs12(data: bytes, uri: KeyUri) -> bytes:
    """Decode the base64 that such a file is sometimes sent in.

    Raises:
        SigningError: it is a PEM file.
    """
    if data.startswith(_SEQUENCE):
        return data
    if b"-----BEGIN" in data:
        raise SigningError(
            f"{uri.path} is a PEM file and no PKCS#12 file; name it as pem:{uri.path}",
            vi=f"{uri.path} là tệp PEM, không phải PKCS#12; hãy ghi pem:{uri.path}",
        )
    try:
        return base64.b64decode(b"".join(data.split()), validate=True)
    except binascii.Error:
        return data  # what is wrong with it is said when it is opened


def load_keys(data: bytes, first: object, password: bytes | None) -> list[object]:
    """Load the private keys of a file that was opened already.

    Args:
        data: the file.
        first: the key that `cryptography` found in it.
        password: the password that opened it.
    """
    try:
        keys = [load_der_private_key(der, secret) for der, secret in _iter_keys(data, password)]
    except (*PARSE_ERRORS, UnsupportedAlgorithm) as error:
        log.info("a PKCS#12 file is looked through for its first key only: %s", type(error).__name__)
        return [first]
    return list(keys) or [first]


def _iter_keys(data: bytes, password: bytes | None) -> Iterator[tuple[bytes, bytes | None]]:
    """Iterate over the keys of the parts that are not encrypted whole, each with the password that it needs."""
    # Large, and only for such files. tsp adds its types to a table of cms, which is turned round at its first use.
    from asn1crypto import pkcs12, tsp  # type: ignore[import-untyped]  # noqa: F401  it ships no types

    for part in pkcs12.Pfx.load(data).authenticated_safe:
        if part["content_type"].native != "data":
            continue
        for bag in pkcs12.SafeContents.load(part["content"].native):
            kind = bag["bag_id"].native
            if kind in ("pkcs8_shrouded_key_bag", "key_bag"):
                yield bag["bag_value"].untag().dump(), password if kind == "pkcs8_shrouded_key_bag" else None
