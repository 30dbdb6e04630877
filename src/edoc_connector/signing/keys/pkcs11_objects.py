"""The objects on a token: finding the private key, and the certificates that may be its own.

Tokens differ in what they tell. Some refuse a search by one attribute or another, some hide the modulus of a private
key or have no CKA_ID: what a token refuses is looked for among all its objects, and what it hides is left open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..._core import get_logger
from ...errors import SigningError
from ..algorithms import PublicKey
from ..pki import find_leaf, read_certificate
from .pkcs11_errors import list_session_errors
from .pkcs11_session import TokenUri

if TYPE_CHECKING:
    import pkcs11

log = get_logger("edoc_connector.signing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The certificates that may be a key's own.

    Args:
        certain: certificates that the token says are the key's.
        possible: certificates about which it does not say enough.
        all: all that are there, for the chain.
    """

    certain: Sequence[x509.Certificate]
    possible: Sequence[x509.Certificate]
    all: Sequence[x509.Certificate]


def read_attribute(found: Any, name: str) -> Any:
    """Read an attribute of an object; None where the token does not tell it.

    Raises:
        pkcs11.PKCS11Error: the session is gone.
    """
    import pkcs11

    try:
        return found[pkcs11.Attribute[name]]
    except list_session_errors():
        raise
    except (pkcs11.PKCS11Error, ValueError, NotImplementedError) as error:  # or not taken apart
        log.debug("the token does not tell %s: %s", name, type(error).__name__)
        return None


def list_private_keys(session: pkcs11.Session, uri: TokenUri) -> list[Any]:
    """List the private keys that a URI chooses."""
    wanted = {name: value for name, value in (("LABEL", uri.object), ("ID", uri.id)) if value is not None}
    return _search(session, "PRIVATE_KEY", wanted)


def require_one_key(found: Sequence[Any], session: pkcs11.Session, uri: TokenUri) -> Any:
    """Require that a search found one private key.

    Raises:
        SigningError: it found none, or several; the message lists those on the token.
    """
    if len(found) == 1:
        return found[0]
    if not found:
        present = _describe_keys(_search(session, "PRIVATE_KEY", {}))
        raise SigningError(
            f"there is no private key {uri.redacted}; correct object= or id=. On the token: {present or 'none'}",
            vi=f"không có khóa riêng {uri.redacted}; hãy sửa object= hoặc id=. Trên thiết bị: {present or 'không có'}",
        )
    raise SigningError(
        f"several private keys fit {uri.redacted}: {_describe_keys(found)}; add id=… or object=… to the URI",
        vi=f"có nhiều khóa riêng khớp với {uri.redacted}: {_describe_keys(found)}; hãy thêm id=… hoặc object=… vào URI",
    )


def find_candidates(session: pkcs11.Session, key: Any, configured: Sequence[x509.Certificate]) -> Candidates:
    """Find the certificates that may be a key's: among the files named, else on the token."""
    if configured:
        leaf = find_leaf(configured)
        pairs: list[tuple[bytes | None, x509.Certificate]] = [] if leaf is None else [(None, leaf)]
    else:
        pairs = list(_iter_certificates(session))
    answers = [(certificate, _is_for_key(certificate, object_id, key)) for object_id, certificate in pairs]
    return Candidates(
        certain=[certificate for certificate, answer in answers if answer is True],
        possible=[certificate for certificate, answer in answers if answer is None],
        all=list(configured) or [certificate for _, certificate in pairs],
    )


def find_public_key(session: pkcs11.Session, key: Any, uri: TokenUri) -> PublicKey:
    """Find the public part of a private key: what the token tells of the key itself, else of its public object.

    Raises:
        SigningError: the token tells nothing of it.
    """
    numbers = read_attribute(key, "MODULUS"), read_attribute(key, "PUBLIC_EXPONENT")
    if all(numbers):
        modulus, exponent = (int.from_bytes(one, "big") for one in numbers)
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    object_id = read_attribute(key, "ID")
    known = {"ID": object_id} if object_id else {"LABEL": read_attribute(key, "LABEL")}
    for found in _search(session, "PUBLIC_KEY", known):
        public = _read_public_key(found)
        if public is not None:
            return public
    certain = find_candidates(session, key, ()).certain
    for certificate in certain:
        certified = certificate.public_key()
        if isinstance(certified, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            return certified
    raise SigningError(
        f"the token does not tell the public part of {uri.redacted}; write its public key to the token under the key's "
        "id, or have the vendor's tool make the request",
        vi=f"thiết bị không cho biết phần công khai của {uri.redacted}; hãy ghi khóa công khai vào thiết bị với cùng "
        "id, hoặc dùng công cụ của hãng để tạo yêu cầu",
    )


def _read_public_key(found: Any) -> PublicKey | None:
    """Read a public key's object; None where it is of another kind, or the token tells too little."""
    from pkcs11 import KeyType
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    encoders = {KeyType.EC: encode_ec_public_key, KeyType.RSA: encode_rsa_public_key}
    encode = encoders.get(read_attribute(found, "KEY_TYPE"))
    if encode is None:
        return None
    try:
        public = load_der_public_key(encode(found))
    except ValueError as error:
        log.warning("a public key on the token cannot be read and is left out: %s", error)
        return None
    return public if isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None


def no_certificate_error(uri: TokenUri) -> SigningError:
    """Build the error for a key without a certificate."""
    return SigningError(
        f"there is no certificate for the key {uri.redacted}; write it to the token under the key's id, or name its "
        "file with &cert=FILE",
        vi=f"không có chứng thư số cho khóa {uri.redacted}; hãy ghi vào thiết bị với cùng id, hoặc chỉ tệp bằng "
        "&cert=TỆP",
    )


def _search(session: pkcs11.Session, kind: str, wanted: Mapping[str, Any]) -> list[Any]:
    """Search for objects of a kind; what the token refuses to search by is compared here."""
    import pkcs11

    template: dict[Any, Any] = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass[kind]}
    exact = {pkcs11.Attribute[name]: value for name, value in wanted.items()}
    for one in (template | exact, template, {}):
        try:
            found = list(session.get_objects(one))
        except list_session_errors():
            raise
        except pkcs11.PKCS11Error as error:
            if not one:
                raise
            log.info("the token refuses a search by %d attributes (%s)", len(one), type(error).__name__)
            continue
        if one == template | exact and (found or not wanted):
            return found  # the token did all the work
        if one == template | exact:
            continue  # a label may be padded on the token
        return [item for item in found if _is_match(item, kind, wanted)]
    return []  # pragma: no cover - the last search returns or raises


def _is_match(item: Any, kind: str, wanted: Mapping[str, Any]) -> bool:
    import pkcs11

    if read_attribute(item, "CLASS") != pkcs11.ObjectClass[kind]:
        return False
    return all(_is_equal(read_attribute(item, name), value) for name, value in wanted.items())


def _is_equal(value: Any, wanted: Any) -> bool:
    return value == wanted or (isinstance(value, str) and value.rstrip("\0 ") == wanted)


def _describe_keys(keys: Sequence[Any]) -> str:
    return "; ".join(map(_describe_key, keys))


def _describe_key(key: Any) -> str:
    label, object_id = read_attribute(key, "LABEL"), read_attribute(key, "ID")
    known = ([f"object={label}"] if label else []) + (
        ["id=" + "".join(f"%{octet:02X}" for octet in object_id)] if object_id else []
    )
    return " ".join(known) or "a key without object and id"


def _iter_certificates(session: pkcs11.Session) -> Iterator[tuple[bytes | None, x509.Certificate]]:
    for found in _search(session, "CERTIFICATE", {}):
        value = read_attribute(found, "VALUE")
        try:
            yield read_attribute(found, "ID"), read_certificate(bytes(value or b""))
        except ValueError as error:
            log.warning("a certificate on the token cannot be read and is left out: %s", error)


def _is_for_key(certificate: x509.Certificate, object_id: bytes | None, key: Any) -> bool | None:
    """Tell whether a certificate is for a key: by the modulus, else by the id; None where the token tells neither.

    Private EC keys hide their point, and some tokens the modulus of RSA keys.
    """
    import pkcs11

    public = certificate.public_key()
    key_type = read_attribute(key, "KEY_TYPE")
    kind = {pkcs11.KeyType.RSA: rsa.RSAPublicKey, pkcs11.KeyType.EC: ec.EllipticCurvePublicKey}.get(key_type)
    if key_type is not None and (kind is None or not isinstance(public, kind)):
        return False
    modulus = read_attribute(key, "MODULUS") if isinstance(public, rsa.RSAPublicKey) else None
    if modulus:
        return bool(int.from_bytes(modulus, "big") == public.public_numbers().n)  # type: ignore[union-attr]  # of RSA
    key_id = read_attribute(key, "ID")
    return bool(object_id == key_id) if object_id and key_id else None
