"""Statements of succession: the key of before says, signed, which key follows it.

A receiver that knows the old certificate checks by it that the new key is the same agency's, before any certificate of
the new key is there. The form is a JSON Web Signature with the certificates in it (RFC 7515, 7.2.2 and 4.1.6), which
libraries of every language read.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ..._core import format_name, parse_name
from ...errors import SigningError
from ..algorithms import is_valid_signature, list_algorithms
from ..signer import Signer, require_certificate
from .keyring import select_signer
from .pkcs11 import RequestKey
from .request import fingerprint_key

_TYPE = "edoc-key-succession"
_NAMES = {
    "rsa-sha256": "RS256",
    "rsa-sha384": "RS384",
    "rsa-sha512": "RS512",
    "rsa-pss-sha256": "PS256",
    "rsa-pss-sha384": "PS384",
    "rsa-pss-sha512": "PS512",
    "ecdsa-sha256": "ES256",
    "ecdsa-sha384": "ES384",
}
"""Signature algorithms by their names in JSON Web Signatures (RFC 7518, 3.1)."""
_CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Succession:
    """A statement that was checked: its signature holds.

    Args:
        agency: code of the agency.
        old_certificate: the certificate of the key that signed it.
        new_key: fingerprint of the new public key (`fingerprint_key`).
        subject: of the certificate that is asked for.
        stated_at: when it was signed, as it says itself.
    """

    agency: str
    old_certificate: x509.Certificate
    new_key: str
    subject: str
    stated_at: datetime


def state_succession(signer: Signer, *, agency: str, key: RequestKey, subject: x509.Name, at: datetime) -> bytes:
    """State, signed by the key of before, which key follows it.

    Args:
        signer: the key of before, which still signs.
        agency: code of the agency.
        key: the new key.
        subject: of the certificate that is asked for.
        at: now, aware.

    Returns:
        The statement: JSON.

    Raises:
        SigningError: the old key cannot sign, or is the new one.
    """
    signer = select_signer(signer)
    old = require_certificate(signer)
    name = _NAMES.get(signer.algorithm)
    is_for_curve = name not in _CURVES or isinstance(getattr(old.public_key(), "curve", None), _CURVES[name])
    if name is None or not is_for_curve:
        raise SigningError(
            f"a statement of succession is not signed with {signer.algorithm}; take the key's usual algorithm",
            vi=f"bản xác nhận thay khóa không ký bằng {signer.algorithm}; hãy dùng thuật toán thông thường của khóa",
        )
    new_key = fingerprint_key(key.public_key)
    if new_key == fingerprint_key(old.public_key()):  # type: ignore[arg-type]  # of a kind that signs
        raise SigningError(
            "the key of before and the new key are one: name the new one with --key",
            vi="khóa cũ và khóa mới là một: hãy chỉ khóa mới bằng --key",
        )
    chain = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in signer.certificates]
    protected = _encode({"alg": name, "typ": _TYPE, "x5c": chain})
    payload = _encode(
        {"agency": agency, "new_key": new_key, "subject": format_name(subject), "stated_at": at.isoformat()}
    )
    value = signer.sign(f"{protected}.{payload}".encode())
    return json.dumps({"payload": payload, "protected": protected, "signature": _as_base64(value)}, indent=1).encode()


def read_succession(path: str | Path) -> Succession:
    """Read a statement of succession, and check its signature by the certificate in it.

    Whether that certificate is the one that is known of the agency is for the caller to compare.

    Raises:
        SigningError: it cannot be read, or its signature does not hold.
    """
    try:
        statement = _parse(_read_bounded(Path(path)))
        protected, payload = (_decode(statement[name]) for name in ("protected", "payload"))
        certificate = _load_certificate(protected["x5c"][0])
        algorithm = next(long for long, short in _NAMES.items() if short == protected["alg"])
        value = base64.urlsafe_b64decode(_pad(statement["signature"]))
        signed = f"{statement['protected']}.{statement['payload']}".encode()
        public: Any = certificate.public_key()
        result = Succession(
            agency=_take_text(payload, "agency"),
            old_certificate=certificate,
            new_key=_take_fingerprint(payload, "new_key"),
            subject=_name_attributes(_take_text(payload, "subject")),
            stated_at=_take_time(payload, "stated_at"),
        )
    except _UNREADABLE as error:
        raise _unreadable_error(path, type(error).__name__) from error
    if "crit" in protected:  # RFC 7515, 4.1.11: what it names must be understood, and nothing is here
        raise _unreadable_error(path, f"crit {protected['crit']}")
    if protected.get("typ") != _TYPE or algorithm not in list_algorithms(public):
        raise _unreadable_error(path, f"typ {protected.get('typ')}, alg {protected['alg']}")
    if not is_valid_signature(public, algorithm, signed, value):
        raise SigningError(
            f"the signature of {path} does not hold: it was changed, or another key signed it; do not believe it",
            vi=f"chữ ký của {path} không hợp lệ: nội dung đã bị sửa hoặc do khóa khác ký; không được tin",
        )
    return result


_UNREADABLE = (
    OSError, ValueError, TypeError, KeyError, IndexError, StopIteration, RecursionError, UnsupportedAlgorithm,
    x509.InvalidVersion,
)  # fmt: skip
"""What reading a stranger's file may raise, its certificate among it."""
_MAX_BYTES = 1 << 20
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


def _read_bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError("it is too large")
    return content


def _parse(data: bytes) -> dict[str, Any]:
    """Parse an object in which no name stands twice: readers disagree about such (RFC 7515, 4)."""
    return dict(json.loads(data, object_pairs_hook=_refuse_repeated))


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _load_certificate(text: str) -> x509.Certificate:
    """Load a certificate whose names can be read; cryptography parses them when they are asked for."""
    certificate = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
    _ = certificate.subject, certificate.issuer
    return certificate


def _take_text(payload: Mapping[str, Any], name: str) -> str:
    value = payload[name]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name} is no text")
    value.encode()  # half of a surrogate pair is none
    return value


def _name_attributes(subject: str) -> str:
    """Name the attributes of a subject in which earlier versions wrote their numbers."""
    try:
        return format_name(parse_name(subject))
    except ValueError:
        return subject


def _take_fingerprint(payload: Mapping[str, Any], name: str) -> str:
    value = _take_text(payload, name)
    if not _FINGERPRINT.fullmatch(value):
        raise ValueError(f"{name} is no SHA-256")
    return value


def _take_time(payload: Mapping[str, Any], name: str) -> datetime:
    time = datetime.fromisoformat(payload[name])
    if time.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    return time


def _unreadable_error(path: str | Path, why: str) -> SigningError:
    return SigningError(
        f"{path} is no statement of succession that can be read ({why}); name the file that edoc keys request "
        "--succession wrote",
        vi=f"{path} không phải bản xác nhận thay khóa đọc được ({why}); hãy chỉ tệp do edoc keys request --succession "
        "ghi ra",
    )


def _encode(values: Mapping[str, Any]) -> str:
    return _as_base64(json.dumps(values, ensure_ascii=False).encode())


def _decode(text: str) -> dict[str, Any]:
    return _parse(base64.urlsafe_b64decode(_pad(text)))


def _as_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _pad(text: str) -> str:
    return text + "=" * (-len(text) % 4)
