"""Signers whose keys are on tokens, by PKCS#11; a URI of RFC 7512 names the key.

The key never leaves the token: the token gets SignedInfo, or its hash, and gives the signature value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from cryptography import x509

from ..._core import make_lock, notice_fork
from ...errors import SigningError
from ..algorithms import SIGNATURES, PublicKey, SignatureAlgorithm, is_valid_signature, list_algorithms
from ..pki import order_chain
from ..signer import Certified, Clock, choose_algorithm
from .files import load_certificates
from .pkcs11_errors import list_session_errors, token_error
from .pkcs11_library import is_not_initialised
from .pkcs11_objects import (
    find_candidates,
    find_public_key,
    list_private_keys,
    no_certificate_error,
    read_attribute,
    require_one_key,
)
from .pkcs11_session import (
    AskPin,
    Connection,
    TokenUri,
    acquire,
    ask_pin,
    drop,
    log,
    pin_error,
    release,
    require_pkcs11,
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

_PROOF_TEXT = b"edoc-connector: a trial signature that tells which certificate belongs to this key"


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
        certificates += load_certificates(path)
    return TokenSigner(
        token_uri,
        pin=lambda: secrets(source),
        certificates=tuple(certificates),
        algorithm=uri.algorithm,
        clock=clock,
    )


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
                key = self._find_private_key(connection, is_last_try=is_last_try)
                needs_pin = bool(read_attribute(key, "ALWAYS_AUTHENTICATE"))
            chain = self._find_chain(connection, key, needs_pin=needs_pin, is_last_try=is_last_try)
            algorithm = choose_algorithm(chain[0].public_key(), self._wanted_algorithm)
        except BaseException:
            release(connection)
            raise
        return _OpenKey(
            connection=connection, key=key, certificates=chain, algorithm=algorithm, needs_pin_each_time=needs_pin
        )

    def _find_private_key(self, connection: Connection, *, is_last_try: bool) -> Any:
        found = list_private_keys(connection.session, self._uri)
        if not found and connection.users > 1 and not is_last_try:
            # a token hides its keys from a session that somebody logged out
            drop(connection)
            raise _SessionLost
        return require_one_key(found, connection.session, self._uri)

    def _find_chain(
        self, connection: Connection, key: Any, *, needs_pin: bool, is_last_try: bool
    ) -> tuple[x509.Certificate, ...]:
        """Find the key's certificate by what the token tells of both; where it tells too little, by a signature."""
        with self._use_session(connection, is_last_try=is_last_try):
            candidates = find_candidates(connection.session, key, self._configured_certificates)
        own = candidates.certain or [
            one
            for one in candidates.possible
            if self._proves(connection, key, one, needs_pin=needs_pin, is_last_try=is_last_try)
        ]
        if not own:
            raise no_certificate_error(self._uri)
        # a renewed certificate may lie beside the old one for the same key: the newest counts
        return order_chain(max(own, key=lambda one: one.not_valid_after_utc), candidates.all)

    def _proves(
        self, connection: Connection, key: Any, certificate: x509.Certificate, *, needs_pin: bool, is_last_try: bool
    ) -> bool:
        """Tell whether a key's signature holds under a certificate."""
        public: Any = certificate.public_key()
        algorithms = list_algorithms(public)
        if not algorithms:
            return False
        open_key = _OpenKey(
            connection=connection,
            key=key,
            certificates=(certificate,),
            algorithm=algorithms[0],
            needs_pin_each_time=needs_pin,
        )
        try:
            value = self._sign(open_key, _PROOF_TEXT, is_last_try=is_last_try)
        except SigningError as error:
            log.info("a certificate is not tried for %s: %s", self._uri.redacted, error)
            return False
        return is_valid_signature(public, algorithms[0], _PROOF_TEXT, value)

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
        except pkcs11.PKCS11Error as error:
            if isinstance(error, list_session_errors()) or is_not_initialised(error):
                self._give_up(connection, error, is_last_try=is_last_try)
            if pin is not None:
                raise pin_error(error, connection.token_key, self._uri, pin) from error
            raise token_error(error, self._uri.redacted) from error

    def _give_up(self, connection: Connection, error: pkcs11.PKCS11Error, *, is_last_try: bool) -> NoReturn:
        """Give up a session: the token was pulled out and put back, or another part of the program logged out."""
        drop(connection)
        if is_last_try:
            raise token_error(error, self._uri.redacted) from error
        log.info("the session on the token of %s was lost and is opened anew", self._uri.redacted)
        raise _SessionLost from error

    def _ask_pin_each_time(self, open_key: _OpenKey) -> str | None:
        """Ask the PIN where the key wants it for every signature, as keys for qualified signatures may."""
        return ask_pin(open_key.connection.token_key, self._uri, self._pin) if open_key.needs_pin_each_time else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """A key for which a certificate is asked: it needs none yet; one on a token, while its session is open.

    Args:
        public_key: its public part.
        algorithm: name of the signature algorithm.
        sign: gives the signature value of data; of ECDSA r‖s.
    """

    public_key: PublicKey
    algorithm: SignatureAlgorithm
    sign: Callable[[bytes], bytes]


@contextmanager
def open_token_key(uri: KeyUri, secrets: Secrets) -> Iterator[RequestKey]:
    """Open a key on a token that may have no certificate yet.

    Raises:
        SigningError: the token cannot be used, there is no such key, or its public part is not told.
    """
    token_uri = TokenUri.parse(uri)
    require_pkcs11()
    source = uri.query.get("pin-source", (uri.redacted,))[0]
    connection = acquire(token_uri, lambda: secrets(source))
    try:
        with _as_token_errors(connection, token_uri):
            key = require_one_key(list_private_keys(connection.session, token_uri), connection.session, token_uri)
            public_key = find_public_key(connection.session, key, token_uri)
            needs_pin = bool(read_attribute(key, "ALWAYS_AUTHENTICATE"))
        algorithm = choose_algorithm(public_key, uri.algorithm)

        def sign(data: bytes) -> bytes:
            mechanism, parameter, prepared = prepare_input(algorithm, data, connection.mechanisms)
            pin = ask_pin(connection.token_key, token_uri, lambda: secrets(source)) if needs_pin else None
            with _as_token_errors(connection, token_uri, pin):
                value: bytes = key.sign(prepared, mechanism=mechanism, mechanism_param=parameter, pin=pin)
            return value

        yield RequestKey(public_key=public_key, algorithm=algorithm, sign=sign)
    finally:
        release(connection)


@contextmanager
def _as_token_errors(connection: Connection, uri: TokenUri, pin: str | None = None) -> Iterator[None]:
    """Use the session alone, and turn the token's refusals into errors of ours."""
    import pkcs11

    try:
        with connection.lock:
            yield
    except pkcs11.PKCS11Error as error:
        if pin is not None:
            raise pin_error(error, connection.token_key, uri, pin) from error
        raise token_error(error, uri.redacted) from error


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
