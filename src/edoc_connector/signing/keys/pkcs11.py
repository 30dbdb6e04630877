"""Signers whose keys are on tokens, by PKCS#11; a URI of RFC 7512 names the key.

The key never leaves the token: the token gets SignedInfo, or its hash, and gives the signature value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ..._core import make_lock, notice_fork
from ...errors import SigningError
from ..algorithms import SIGNATURES, SignatureAlgorithm
from ..pki import find_leaf, order_chain, read_certificate, read_certificates
from ..signer import Certified, Clock, choose_algorithm
from .files import read_key_file
from .pkcs11_session import (
    AskPin,
    Connection,
    TokenUri,
    acquire,
    ask_pin,
    drop,
    list_session_errors,
    log,
    pin_error,
    release,
    require_pkcs11,
    token_error,
)
from .uri import KeyUri, Secrets

if TYPE_CHECKING:
    import pkcs11

_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""Octets that stand before the hash in RSASSA-PKCS1-v1_5 (RFC 8017, 9.2, note 1)."""


def load_token(uri: KeyUri, secrets: Secrets, clock: Clock) -> TokenSigner:
    """Build a signer for a key on a token. The token is not touched yet.

    Raises:
        SigningError: the URI is not right, a certificate's file cannot be read, or python-pkcs11 is not installed.
    """
    token_uri = TokenUri.parse(uri)
    require_pkcs11()
    source = uri.query.get("pin-source", (uri.redacted,))[0]
    certificates: list[x509.Certificate] = []
    for path in uri.query.get("cert", ()):
        certificates += _load_certificates(path)
    return TokenSigner(
        token_uri,
        pin=lambda: secrets(source),
        certificates=tuple(certificates),
        algorithm=uri.algorithm,
        clock=clock,
    )


def _load_certificates(path: str) -> list[x509.Certificate]:
    try:
        return read_certificates(read_key_file(path))
    except ValueError as error:
        raise SigningError(
            f"{path} holds no certificate that can be read ({error}); give a PEM or DER file",
            vi=f"{path} không có chứng thư số đọc được ({error}); hãy chỉ tệp PEM hoặc DER",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenKey:
    """A key found on a token, while the session lasts."""

    connection: Connection
    key: Any
    certificates: tuple[x509.Certificate, ...]
    algorithm: SignatureAlgorithm
    needs_pin_each_time: bool


class TokenSigner(Certified):
    """A signer whose key is on a token. Threads may share it.

    The session is opened when the key or its certificate is first needed, again if the token was pulled out in between,
    and closed by `close`, or at the end of a ``with`` block. A process that was forked opens one of its own.

    Args:
        uri: the choice of the token and of the key on it.
        pin: gives the PIN; it is asked whenever the token wants it, and the PIN is not kept.
        certificates: the key's certificate and those above it, where they are not on the token.
        algorithm: name of the signature algorithm; None for the key's usual one.
        clock: gives the moment the certificate must be valid at.
    """

    def __init__(
        self,
        uri: TokenUri,
        *,
        pin: AskPin,
        certificates: tuple[x509.Certificate, ...],
        algorithm: str | None,
        clock: Clock,
    ) -> None:
        self._uri = uri
        self._pin = pin
        self._configured_certificates = certificates
        self._wanted_algorithm = algorithm
        self._lock = make_lock()
        self._open_key: _OpenKey | None = None
        self.clock = clock

    def __repr__(self) -> str:
        return f"TokenSigner({self._uri.redacted!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session, if no other signer of this process uses it. Signing again opens a new one."""
        with self._lock:
            if self._open_key is not None:
                release(self._open_key.connection)
                self._open_key = None

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:  # type: ignore[override]  # a property for an attribute
        """The key's certificate, then those that lead towards a root.

        Raises:
            SigningError: the token cannot be used, or there is no certificate for the key.
        """
        return self._ensure_open().certificates

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The algorithm asked for, or the usual one of the key.

        Raises:
            SigningError: the token cannot be used.
        """
        return self._ensure_open().algorithm

    def sign(self, data: bytes) -> bytes:
        """Sign data.

        Raises:
            SigningError: the certificate is not valid now or not for signing, or the token cannot be used.
        """
        self.refuse_unfit()
        try:
            return self._sign(self._ensure_open(), data)
        except _SessionLost:
            return self._sign(self._ensure_open(), data, is_last_try=True)

    def _ensure_open(self) -> _OpenKey:
        notice_fork()
        with self._lock:
            if self._open_key is not None and not self._open_key.connection.is_lost:
                return self._open_key
            self._open_key = None
            try:
                self._open_key = self._find_key()
            except _SessionLost:
                self._open_key = self._find_key(is_last_try=True)
            return self._open_key

    def _find_key(self, *, is_last_try: bool = False) -> _OpenKey:
        connection = acquire(self._uri, self._pin)
        try:
            with self._use_session(connection, is_last_try=is_last_try):
                key = _find_private_key(connection, self._uri, is_last_try=is_last_try)
                chain = _build_chain(connection.session, key, self._configured_certificates, self._uri)
                needs_pin = _needs_pin_each_time(key)
            algorithm = choose_algorithm(chain[0].public_key(), self._wanted_algorithm)
        except BaseException:
            release(connection)
            raise
        return _OpenKey(
            connection=connection, key=key, certificates=chain, algorithm=algorithm, needs_pin_each_time=needs_pin
        )

    def _sign(self, open_key: _OpenKey, data: bytes, *, is_last_try: bool = False) -> bytes:
        mechanism, parameter, prepared = prepare_input(open_key.algorithm, data, open_key.connection.mechanisms)
        pin = self._ask_pin_each_time(open_key)
        with self._use_session(open_key.connection, pin=pin, is_last_try=is_last_try):
            value: bytes = open_key.key.sign(prepared, mechanism=mechanism, mechanism_param=parameter, pin=pin)
        return value

    @contextmanager
    def _use_session(
        self, connection: Connection, *, pin: str | None = None, is_last_try: bool = False
    ) -> Iterator[None]:
        """Use the session alone, and turn the token's refusals into errors of ours.

        Raises:
            _SessionLost: the session is gone, and opening it anew may help.
            SigningError: the token refused.
        """
        import pkcs11

        try:
            with connection.lock:
                yield
        except list_session_errors() as error:
            drop(connection)
            if is_last_try:
                raise token_error(error, self._uri) from error
            # the token was pulled out and put back, or another part of the program logged out
            log.info("the session on the token of %s was lost and is opened anew", self._uri.redacted)
            raise _SessionLost from error
        except pkcs11.PKCS11Error as error:
            if pin is not None:
                raise pin_error(error, connection.token_key, self._uri, pin) from error
            raise token_error(error, self._uri) from error

    def _ask_pin_each_time(self, open_key: _OpenKey) -> str | None:
        """Ask the PIN where the key wants it for every signature, as keys for qualified signatures may."""
        return ask_pin(open_key.connection.token_key, self._uri, self._pin) if open_key.needs_pin_each_time else None


class _SessionLost(Exception):
    """A session that the token has ended."""


def prepare_input(algorithm: str, data: bytes, mechanisms: frozenset[int]) -> tuple[pkcs11.Mechanism, Any, bytes]:
    """Prepare the input of a token: the mechanism, its parameter, and the data or its hash.

    Few tokens hash by themselves in every way, so the hash is made here where the token has only the bare mechanism.

    Args:
        algorithm: name of the signature algorithm.
        data: the octets to sign.
        mechanisms: the mechanisms that the token has.

    Raises:
        SigningError: the token cannot do the algorithm.
    """
    from pkcs11 import MGF, Mechanism

    chosen = SIGNATURES[algorithm]
    name = chosen.digest.upper()
    digest = hashlib.new(chosen.digest, data).digest()
    pss = (Mechanism[name], MGF[name], len(digest)) if chosen.kind == "rsa-pss" else None
    mechanisms_by_kind = {
        "rsa": (
            (Mechanism[f"{name}_RSA_PKCS"], data),
            (Mechanism.RSA_PKCS, _DIGEST_INFO[chosen.digest] + digest),
        ),
        "rsa-pss": ((Mechanism[f"{name}_RSA_PKCS_PSS"], data), (Mechanism.RSA_PKCS_PSS, digest)),
        "ecdsa": ((Mechanism.ECDSA, digest),),
    }[chosen.kind]
    for mechanism, prepared in mechanisms_by_kind:
        if mechanism in mechanisms:
            return mechanism, pss, prepared
    raise SigningError(
        f"the token cannot sign with {algorithm}; choose another algorithm with &algorithm=…, or another token",
        vi=f"thiết bị không ký được bằng {algorithm}; hãy chọn thuật toán khác với &algorithm=…, hoặc thiết bị khác",
    )


# -- the objects on the token


def _find_private_key(connection: Connection, uri: TokenUri, *, is_last_try: bool) -> Any:
    from pkcs11 import Attribute, ObjectClass

    template: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    if uri.object is not None:
        template[Attribute.LABEL] = uri.object
    if uri.id is not None:
        template[Attribute.ID] = uri.id
    found = list(connection.session.get_objects(template))
    if len(found) == 1:
        return found[0]
    if not found and connection.users > 1 and not is_last_try:
        # a token hides its keys from a session that somebody logged out
        drop(connection)
        raise _SessionLost
    if not found:
        present = _describe_keys(connection.session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
        raise SigningError(
            f"there is no private key {uri.redacted}; correct object= or id=. On the token: {present or 'none'}",
            vi=f"không có khóa riêng {uri.redacted}; hãy sửa object= hoặc id=. Trên thiết bị: {present or 'không có'}",
        )
    raise SigningError(
        f"several private keys fit {uri.redacted}: {_describe_keys(found)}; add id=… or object=… to the URI",
        vi=f"có nhiều khóa riêng khớp với {uri.redacted}: {_describe_keys(found)}; hãy thêm id=… hoặc object=… vào URI",
    )


def _needs_pin_each_time(key: Any) -> bool:
    from pkcs11 import Attribute, AttributeTypeInvalid

    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except AttributeTypeInvalid:
        return False  # tokens older than PKCS#11 2.20 do not know the attribute


def _describe_keys(keys: Any) -> str:
    return "; ".join(f"object={key.label} id={''.join(f'%{octet:02X}' for octet in key.id)}" for key in keys)


def _build_chain(
    session: pkcs11.Session, key: Any, configured: tuple[x509.Certificate, ...], uri: TokenUri
) -> tuple[x509.Certificate, ...]:
    """Build the chain of a key's certificate and those above it: from the files named, else from the token."""
    if configured:
        leaf = find_leaf(configured)
        own = [leaf] if leaf is not None and _is_for_key(leaf, None, key) else []
        everything = list(configured)
    else:
        pairs = list(_iter_certificates(session))
        own = [certificate for object_id, certificate in pairs if _is_for_key(certificate, object_id, key)]
        everything = [certificate for _, certificate in pairs]
    if not own:
        raise SigningError(
            f"there is no certificate for the key {uri.redacted}; write it to the token under the key's id, or "
            "name its "
            "file with &cert=FILE",
            vi=f"không có chứng thư số cho khóa {uri.redacted}; hãy ghi vào thiết bị với cùng id, hoặc chỉ tệp bằng "
            "&cert=TỆP",
        )
    # a renewed certificate may lie beside the old one for the same key: the newest counts
    return order_chain(max(own, key=lambda one: one.not_valid_after_utc), everything)


def _iter_certificates(session: pkcs11.Session) -> Iterator[tuple[bytes, x509.Certificate]]:
    from pkcs11 import Attribute, CertificateType, ObjectClass

    template = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
    for found in session.get_objects(template):
        try:
            yield found[Attribute.ID], read_certificate(found[Attribute.VALUE])
        except ValueError as error:
            log.warning("a certificate on the token cannot be read and is left out: %s", error)


def _is_for_key(certificate: x509.Certificate, object_id: bytes | None, key: Any) -> bool:
    """Tell whether a certificate is for a key: by the modulus or, as EC private keys hide their point, by the id."""
    import pkcs11

    public = certificate.public_key()
    kind = {pkcs11.KeyType.RSA: rsa.RSAPublicKey, pkcs11.KeyType.EC: ec.EllipticCurvePublicKey}.get(key.key_type)
    if kind is None or not isinstance(public, kind):
        return False
    if isinstance(public, rsa.RSAPublicKey):
        modulus = int.from_bytes(key[pkcs11.Attribute.MODULUS], "big")
        return modulus == public.public_numbers().n
    return object_id is None or object_id == key.id
