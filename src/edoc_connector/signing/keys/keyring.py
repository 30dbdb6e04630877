"""The keyring: several keys with overlapping validity, one of which signs at any moment; and the status of keys.

Keys are renewed before the old ones expire, so for a while both are valid. For each packet the key that signs is the
one among those fit to sign now (valid now, for signing, strong enough) whose certificate became valid last: a renewed
key takes over the moment it is valid. Where two became valid together, the one valid longer signs; where that is the
same too, the one that stands first in the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from cryptography import x509

from ..._core import get_logger, make_lock, utc_now
from ...errors import EdocError, SigningError
from ..algorithms import SignatureAlgorithm
from ..pki import days_left, fingerprint, human_name, key_usage
from ..signer import Certified, Clock, Signer, refuse_unfit, require_certificate
from .load import load_signer
from .uri import KeyUri, Secrets

log = get_logger("edoc_connector.signing")

WARN_DAYS = (60, 30, 7)
"""Days before a key's certificate expires at which a warning is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """The status of a key: its certificate, its time left, and whether it signs now.

    Args:
        name: the key's name in the configuration; it holds no secret.
        certificate: the certificate, None where the key cannot be loaded.
        chain: the certificates that the key brings beside it.
        algorithm: name of the signature algorithm.
        usage: the uses of the key by their names in RFC 5280, 4.2.1.3; empty where the certificate names none.
        days_left: whole days until the certificate expires; negative where it has.
        problem: why the key does not sign now, None where it does.
        signs: whether this key is the one that signs now.
        succeeded: whether another key takes over before this one expires.
        warn: the least of `WARN_DAYS` that has come, None where the key has longer, or is succeeded.
    """

    name: str
    certificate: x509.Certificate | None = None
    chain: tuple[x509.Certificate, ...] = ()
    algorithm: SignatureAlgorithm | None = None
    usage: tuple[str, ...] = ()
    days_left: int | None = None
    problem: EdocError | None = None
    signs: bool = False
    succeeded: bool = False
    warn: int | None = None


def key_status(signer: Signer, *, name: str = "", at: datetime | None = None) -> KeyStatus:
    """Report the status of any signer's key.

    Args:
        signer: the signer; a token is asked for its certificate.
        name: the name to report the key by.
        at: the moment to judge at, aware; now if left out.
    """
    at = at or utc_now()
    try:
        certificate = require_certificate(signer)
        algorithm = signer.algorithm
    except EdocError as error:
        return KeyStatus(name=name, problem=error)
    left = days_left(certificate, at)
    status = KeyStatus(
        name=name,
        certificate=certificate,
        chain=tuple(signer.certificates[1:]),
        algorithm=algorithm,
        usage=key_usage(certificate),
        days_left=left,
        warn=min((days for days in WARN_DAYS if left < days), default=None),
    )
    try:
        refuse_unfit(certificate, at)
    except SigningError as error:
        return replace(status, problem=error)
    return replace(status, signs=True)


class Keyring(Certified):
    """Several signers as one. Threads may share it.

    Args:
        signers: at least one.
        names: their names for lists and logs, in the same order.
        clock: gives the moment that decides.

    Raises:
        SigningError: there is no signer.
    """

    def __init__(self, signers: Iterable[Signer], *, names: Sequence[str] = (), clock: Clock = utc_now) -> None:
        self._signers = tuple(signers)
        if not self._signers:
            raise SigningError(
                "no key is given; configure one with [signing] key", vi="chưa có khóa nào; hãy cấu hình [signing] key"
            )
        self._names = tuple(names) or tuple(f"key {number}" for number in range(1, len(self._signers) + 1))
        self.clock = clock
        self._lock = make_lock()
        self._logged_warnings: set[tuple[str, str]] = set()

    @classmethod
    def load(cls, uris: Sequence[str], *, secrets: Secrets | None = None, clock: Clock = utc_now) -> Self:
        """Build a keyring of the signers that URIs name (`load_signer`).

        Each key is loaded when it is first needed. A key that cannot be loaded does not keep the others from signing:
        the log and `statuses` tell why, and loading is tried again at the next use.

        Args:
            uris: the URIs, at least one.
            secrets: gives passwords and PINs.
            clock: gives the moment that decides.

        Raises:
            SigningError: there is no URI, or one has no scheme.
        """
        names = [KeyUri.parse(uri).redacted for uri in uris]
        return cls((_LazySigner(uri, secrets, clock) for uri in uris), names=names, clock=clock)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._names)})"

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:  # type: ignore[override]  # a property for an attribute
        """The certificates of the key that signs now.

        Raises:
            SigningError: no key can sign now.
        """
        return self.current().certificates

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The algorithm of the key that signs now.

        Raises:
            SigningError: no key can sign now.
        """
        return self.current().algorithm

    def sign(self, data: bytes) -> bytes:
        """Sign with the key that signs now.

        Signed data may name the certificate, so a caller that asks for it first keeps to one key by `select_signer`.

        Raises:
            SigningError: no key can sign now.
        """
        return self.current().sign(data)

    def current(self) -> Signer:
        """Select the signer whose key signs now, by this module's rule, and log warnings that are due, each once.

        Raises:
            EdocError: no key can sign now; of a keyring with one key that key's own error.
        """
        statuses = self.statuses()
        self._log_warnings(statuses)
        for signer, status in zip(self._signers, statuses, strict=True):
            if status.signs:
                return signer
        if len(statuses) == 1 and statuses[0].problem is not None:
            raise statuses[0].problem
        raise SigningError(
            "none of the keys can sign now: " + "; ".join(f"{one.name}: {one.problem}" for one in statuses),
            vi="hiện không khóa nào ký được: "
            + "; ".join(f"{one.name}: {one.problem.vi}" for one in statuses if one.problem),
        )

    def statuses(self) -> tuple[KeyStatus, ...]:
        """Report the status of each key, in the order given. No key signs anything for this."""
        at = self.clock()
        pairs = zip(self._signers, self._names, strict=True)
        found = [key_status(signer, name=name, at=at) for signer, name in pairs]
        fit = [status for status in found if status.signs]
        chosen = max(fit, key=_rank_status, default=None)  # the first of equals
        return tuple(_complete_status(status, found, signs=status is chosen) for status in found)

    def close(self) -> None:
        """End the sessions on tokens."""
        for signer in self._signers:
            close_signer(signer)

    def _log_warnings(self, statuses: Sequence[KeyStatus]) -> None:
        for status in statuses:
            for mark, message in _list_warnings(status):
                with self._lock:
                    new = (status.name, mark) not in self._logged_warnings
                    self._logged_warnings.add((status.name, mark))
                if new:
                    log.warning(message)


def _rank_status(status: KeyStatus) -> tuple[datetime, datetime]:
    certificate = status.certificate
    assert certificate is not None  # noqa: S101 - a key that signs has one
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def _complete_status(status: KeyStatus, all_statuses: Sequence[KeyStatus], *, signs: bool) -> KeyStatus:
    succeeded = any(_is_successor(other, status) for other in all_statuses)
    return replace(status, signs=signs, succeeded=succeeded, warn=None if succeeded else status.warn)


def _is_successor(other: KeyStatus, status: KeyStatus) -> bool:
    """Tell whether the other key goes on without a gap when this one expires."""
    if other.certificate is None or status.certificate is None:
        return False
    begins, ends = other.certificate.not_valid_before_utc, other.certificate.not_valid_after_utc
    if not begins <= status.certificate.not_valid_after_utc < ends:
        return False
    try:
        refuse_unfit(other.certificate, max(begins, status.certificate.not_valid_after_utc))
    except SigningError:
        return False
    return True


def _list_warnings(status: KeyStatus) -> list[tuple[str, str]]:
    """List the warnings due for a key, each as a mark that keeps it from being logged again, and the words."""
    if status.certificate is None:
        return [(f"unusable: {status.problem}", f"the key {status.name} cannot be used: {status.problem}")]
    if status.warn is None or status.days_left is None:
        return []
    expired = status.days_left < 0
    how = "has expired" if expired else f"expires in {status.days_left} days"
    words = (
        f"the certificate of {human_name(status.certificate)} ({status.name}) {how}, on "
        f"{status.certificate.not_valid_after_utc:%Y-%m-%d}; renew it and add the new key to [signing] keys"
    )
    return [(f"{fingerprint(status.certificate)} {'expired' if expired else status.warn}", words)]


def select_signer(signer: Signer) -> Signer:
    """Select the one signer for everything in one packet: of a keyring the key that signs now, else the signer itself.

    Raises:
        EdocError: no key of the keyring can sign now.
    """
    return signer.current() if isinstance(signer, Keyring) else signer


def close_signer(signer: Signer) -> None:
    """Close the resources that a signer holds open, such as a session on a token."""
    end = getattr(signer, "close", None)
    if end is not None:
        end()


class _LazySigner:
    """A signer that is loaded when it is first needed.

    After an error loading is tried again, since a token may be plugged in meanwhile; but a password that was refused is
    not offered again: three wrong PINs lock a token.
    """

    def __init__(self, uri: str, secrets: Secrets | None, clock: Clock) -> None:
        self._load: Callable[[], Signer] = lambda: load_signer(uri, secrets=secrets and self._ask_secret, clock=clock)
        self._secrets = secrets
        self._lock = make_lock()
        self._loaded_signer: Signer | None = None
        self._has_offered_secret = False
        self._refusal: SigningError | None = None

    def _ask_secret(self, name: str) -> str | None:
        found = self._secrets(name) if self._secrets is not None else None
        self._has_offered_secret = self._has_offered_secret or found is not None
        return found

    def _load_once(self) -> Signer:
        with self._lock:
            if self._refusal is not None:
                raise _no_retry_error(self._refusal)
            if self._loaded_signer is None:
                self._loaded_signer = self._load_now()
            return self._loaded_signer

    def _load_now(self) -> Signer:
        try:
            return self._load()
        except SigningError as error:
            if self._has_offered_secret:
                self._refusal = error
            raise

    @property
    def algorithm(self) -> SignatureAlgorithm:
        return self._load_once().algorithm

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        return self._load_once().certificates

    def sign(self, data: bytes) -> bytes:
        return self._load_once().sign(data)

    def close(self) -> None:
        with self._lock:
            if self._loaded_signer is not None:
                close_signer(self._loaded_signer)


def _no_retry_error(error: SigningError) -> SigningError:
    return SigningError(
        f"{error.message}. The password is not tried again before the connector is opened anew: too many wrong PINs "
        "lock a token.",
        vi=f"{error.vi}. Mật khẩu không được thử lại cho đến khi mở lại kết nối: nhập sai PIN nhiều lần sẽ khóa token.",
    )
