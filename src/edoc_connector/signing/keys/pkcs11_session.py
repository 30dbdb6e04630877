"""Sessions on tokens: finding the token, logging in once, and sharing the login among signers.

PKCS#11 has one login per token and program: whoever logs out ends it for everyone. So all signers of this process on
one token share one session, and the last to be closed ends it. A PIN that a token refused is never given to it again,
since tokens lock after a few wrong ones; a token that says its next wrong PIN would be the last is not given any.

A session is one process': in one that was forked the library is initialised anew and the token logged in to once more
(PKCS#11 v2.40, 2.5 and 5.4, C_Initialize).
"""

from __future__ import annotations

import hashlib
import secrets as randomness
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_to_bytes

from ..._core import ForkAware, get_logger, notice_fork, watch_forks
from ...errors import SigningError
from .pkcs11_errors import library_error, list_session_errors, pin_locked_error, token_error
from .pkcs11_library import is_not_initialised, list_tokens
from .uri import KeyUri

if TYPE_CHECKING:
    import pkcs11

log = get_logger("edoc_connector.signing")

AskPin = Callable[[], str | None]
"""Gives the PIN; None if there is none."""

_TOKEN_ATTRIBUTES: Mapping[str, Callable[[Any], str]] = {
    "token": lambda token: token.label,
    "serial": lambda token: token.serial.decode("utf-8", "replace"),
    "manufacturer": lambda token: token.manufacturer_id,
    "model": lambda token: token.model,
    "slot-id": lambda token: str(token.slot.slot_id),
}
"""Attributes of RFC 7512, 2.3, that choose the token."""
_OBJECT_ATTRIBUTES = ("object", "id", "type")
_SALT = randomness.token_bytes(32)
_REFUSED_PINS: set[tuple[tuple[str, str, int], bytes]] = set()
"""The PINs that each token refused, as salted hashes."""
_LIBRARY_LOCKS: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
"""One lock for each library: it is loaded without the promise that threads may call it at the same time."""
_OPEN_CONNECTIONS: dict[tuple[str, str, int], Connection] = {}
_PARENT_LIBRARIES: set[str] = set()
"""Libraries that the process initialised from which this one was forked, and this one not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUri:
    """The token and the key that a PKCS#11 URI chooses (RFC 7512).

    Args:
        module: the vendor's library.
        token: attributes of the token, by their names in the URI.
        object: label of the key.
        id: id of the key.
        redacted: the URI without its query, for messages.
    """

    module: str
    token: Mapping[str, str]
    object: str | None
    id: bytes | None
    redacted: str

    @classmethod
    def parse(cls, uri: KeyUri) -> TokenUri:
        """Take a URI apart.

        Raises:
            SigningError: the URI lacks the module, holds a PIN or an unknown attribute.
        """
        if "pin-value" in uri.query or "pin-value" in uri.body:
            raise SigningError(
                "a PIN may not stand in a key's URI; take pin-value out and write pin-source=env:NAME or file:PATH",
                vi="không được ghi PIN trong URI của khóa; hãy bỏ pin-value và dùng pin-source=env:TÊN hoặc file:TỆP",
            )
        uri.refuse_other_attributes("module-path", "pin-source", "cert", "algorithm")
        parts = dict(part.partition("=")[::2] for part in uri.body.split(";"))
        known_attributes = (*_TOKEN_ATTRIBUTES, *_OBJECT_ATTRIBUTES)
        unknown = [name for name in parts if name not in known_attributes]
        if unknown or parts.get("type", "private") != "private":
            name = unknown[0] if unknown else "type"
            raise SigningError(
                f"pkcs11: cannot choose a key by this '{name}'; it knows {', '.join(known_attributes)}, with "
                "type=private",
                vi=f"pkcs11: không chọn được khóa theo '{name}' này; chỉ có {', '.join(known_attributes)}, với "
                "type=private",
            )
        if "module-path" not in uri.query:
            raise SigningError(
                f"{uri.redacted} does not say which library drives the token; add ?module-path=/path/to/library.so",
                vi=f"{uri.redacted} chưa chỉ ra thư viện của thiết bị; hãy thêm ?module-path=/đường/dẫn/thư-viện.so",
            )
        return cls(
            module=uri.query["module-path"][0],
            token={name: unquote(parts[name]) for name in _TOKEN_ATTRIBUTES if name in parts},
            object=unquote(parts["object"]) if "object" in parts else None,
            id=unquote_to_bytes(parts["id"]) if "id" in parts else None,
            redacted=uri.redacted,
        )


@dataclass(slots=True, kw_only=True)
class Connection:
    """A session on a token that signers share.

    Args:
        session: the session, logged in.
        token_key: module, serial number and slot.
        mechanisms: the mechanisms that the token has.
        lock: the library's lock, to be held for every call.
        users: number of signers that hold the connection.
        is_lost: whether the session is gone, with its objects.
    """

    session: pkcs11.Session = field(repr=False)
    token_key: tuple[str, str, int]
    mechanisms: frozenset[int] = field(repr=False)
    lock: threading.RLock = field(repr=False)
    users: int = 0
    is_lost: bool = False


class _Sessions(ForkAware):
    """The sessions of this process."""

    def renew_after_fork(self) -> None:
        """Forget the parent's sessions; they are not closed here."""
        for connection in _OPEN_CONNECTIONS.values():
            connection.is_lost = True
        _OPEN_CONNECTIONS.clear()
        _PARENT_LIBRARIES.update(_LIBRARY_LOCKS)
        _LIBRARY_LOCKS.clear()  # a thread of the parent may have held one


_SESSIONS = _Sessions()
watch_forks(_SESSIONS)


def require_pkcs11() -> None:
    """Load python-pkcs11.

    Raises:
        SigningError: the package is not installed; the message holds the line that installs it.
    """
    try:
        import pkcs11  # noqa: F401 - to see whether it is there
    except ImportError as error:
        raise SigningError(
            "keys on tokens need the extra 'pkcs11'; install it: pip install 'edoc-connector[pkcs11]'",
            vi="dùng khóa trên thiết bị cần gói bổ sung 'pkcs11'; hãy cài: pip install 'edoc-connector[pkcs11]'",
        ) from error


def acquire(uri: TokenUri, ask_for_pin: AskPin) -> Connection:
    """Acquire the shared session on a token, opened and logged in if it is not yet. Give it back with `release`.

    Raises:
        SigningError: the library does not load, the token is not there or not the only one, or the PIN is refused.
    """
    notice_fork()
    lock = _LIBRARY_LOCKS[uri.module]
    with lock:
        if uri.module in _PARENT_LIBRARIES:
            _end_parent_library(uri.module)
        token = _find_token(uri)
        token_key = (uri.module, token.serial.hex(), token.slot.slot_id)
        connection = _OPEN_CONNECTIONS.get(token_key)
        if connection is not None and not _is_alive(connection):
            drop(connection)
            connection = None
        if connection is None:
            connection = Connection(
                session=_log_in(token, token_key, uri, ask_for_pin),
                token_key=token_key,
                mechanisms=frozenset(token.slot.get_mechanisms()),
                lock=lock,
            )
            _OPEN_CONNECTIONS[token_key] = connection
            log.debug("session opened on the token of %s", uri.redacted)
        connection.users += 1
        return connection


def release(connection: Connection) -> None:
    """Give a session back; the last one to do so ends it."""
    with connection.lock:
        connection.users -= 1
        if connection.users == 0:
            _end_session(connection)


def drop(connection: Connection) -> None:
    """Give up a session that the token does not know any more, for every signer that holds it."""
    with connection.lock:
        connection.is_lost = True
        _end_session(connection)


def _is_alive(connection: Connection) -> bool:
    import pkcs11

    try:
        connection.session.generate_random(64)
    except list_session_errors():
        return False
    except pkcs11.PKCS11Error as error:
        return not is_not_initialised(error)  # an answer, if a refusal: the session lives
    return True


def _end_session(connection: Connection) -> None:
    import pkcs11

    if _OPEN_CONNECTIONS.get(connection.token_key) is not connection:
        return
    del _OPEN_CONNECTIONS[connection.token_key]
    # a token that was pulled out has ended the session by itself
    with suppress(pkcs11.PKCS11Error):
        connection.session.close()
    log.debug("session on a token closed")


def _end_parent_library(module: str) -> None:
    """End what a fork left of a library in this process; it is initialised anew when it is next used."""
    import pkcs11

    with suppress(pkcs11.PKCS11Error):  # some notice the fork by themselves, and say that they are not initialised
        pkcs11.lib(module).finalize()
    _PARENT_LIBRARIES.discard(module)


def _find_token(uri: TokenUri) -> pkcs11.Token:
    import pkcs11

    try:
        present = [token for token in list_tokens(uri.module) if _is_initialised(token)]
    except pkcs11.PKCS11Error as error:
        raise library_error(error, uri.module) from error
    found = [token for token in present if _is_chosen(token, uri.token)]
    if len(found) == 1:
        return found[0]
    token_names = "; ".join(
        f"{token.label} (serial {token.serial.decode('utf-8', 'replace')})" for token in found or present
    )
    if found:
        raise SigningError(
            f"several tokens fit {uri.redacted}: {token_names}; add serial=… to the URI",
            vi=f"có nhiều thiết bị khớp với {uri.redacted}: {token_names}; hãy thêm serial=… vào URI",
        )
    raise SigningError(
        f"the token of {uri.redacted} is not there; plug it in, or correct the URI. Present: {token_names or 'none'}",
        vi=f"không thấy thiết bị của {uri.redacted}; hãy cắm thiết bị hoặc sửa URI. Hiện có: "
        f"{token_names or 'không có'}",
    )


def _is_initialised(token: pkcs11.Token) -> bool:
    import pkcs11

    return bool(token.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED)


def _is_chosen(token: pkcs11.Token, wanted: Mapping[str, str]) -> bool:
    return all(_TOKEN_ATTRIBUTES[name](token) == value for name, value in wanted.items())


# -- the PIN


def _log_in(token: pkcs11.Token, token_key: tuple[str, str, int], uri: TokenUri, ask_for_pin: AskPin) -> pkcs11.Session:
    import pkcs11

    if not token.flags & pkcs11.TokenFlag.LOGIN_REQUIRED:
        return token.open()
    refuse_risky_login(token.flags, uri)
    if token.flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH:
        return token.open(user_pin=pkcs11.PROTECTED_AUTH)  # the reader's own keypad asks
    pin = ask_pin(token_key, uri, ask_for_pin)
    try:
        return token.open(user_pin=pin)
    except pkcs11.UserAlreadyLoggedIn:
        log.info("another part of this program is logged in to the token of %s; its login is used", uri.redacted)
        return token.open()  # logins are the program's, whoever made them
    except pkcs11.PKCS11Error as error:
        raise pin_error(error, token_key, uri, pin) from error


def refuse_risky_login(flags: int, uri: TokenUri) -> None:
    """Refuse a login that could lock the token.

    Raises:
        SigningError: the token's flags say that it is locked, or that one more wrong PIN locks it.
    """
    import pkcs11

    if flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise pin_locked_error(uri.redacted)
    if flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        raise SigningError(
            f"the token of {uri.redacted} locks at the next wrong PIN, so no PIN is tried; log in once with the "
            "vendor's "
            "tool and the right PIN, then start again",
            vi=f"thiết bị của {uri.redacted} sẽ khóa nếu sai PIN lần nữa nên không thử PIN; hãy đăng nhập một lần bằng "
            "công cụ của nhà cung cấp với PIN đúng rồi chạy lại",
        )


def ask_pin(token_key: tuple[str, str, int], uri: TokenUri, ask_for_pin: AskPin) -> str:
    """Ask for the PIN to try.

    Raises:
        SigningError: there is no PIN, or the token has refused it already.
    """
    pin = ask_for_pin()
    if not pin:
        raise SigningError(
            f"the token of {uri.redacted} asks for a PIN and there is none; say where it is: "
            "&pin-source=env:NAME in the "
            "URI, or [signing] secret",
            vi=f"thiết bị của {uri.redacted} cần PIN nhưng chưa có; hãy chỉ nơi lấy: &pin-source=env:TÊN trong URI, "
            "hoặc [signing] secret",
        )
    if (token_key, _hash_pin(pin)) in _REFUSED_PINS:
        raise SigningError(
            f"the token of {uri.redacted} has refused this PIN before; it is not tried again, because the token "
            "may lock. "
            "Correct the PIN where pin-source points",
            vi=f"thiết bị của {uri.redacted} đã từ chối PIN này; không thử lại vì thiết bị có thể bị khóa. "
            "Hãy sửa PIN tại nơi pin-source chỉ tới",
        )
    return pin


def pin_error(error: pkcs11.PKCS11Error, token_key: tuple[str, str, int], uri: TokenUri, pin: str) -> SigningError:
    """Build the error for a failed login, and remember a refused PIN so that it is never tried again."""
    import pkcs11

    if isinstance(error, pkcs11.PinLocked):
        return pin_locked_error(uri.redacted)
    if isinstance(error, pkcs11.PinIncorrect | pkcs11.PinInvalid | pkcs11.PinLenRange):
        _REFUSED_PINS.add((token_key, _hash_pin(pin)))
        return SigningError(
            f"the token of {uri.redacted} refused the PIN. It was tried once and will not be tried again: a token may "
            "lock after a few wrong PINs. Correct the PIN where pin-source points",
            vi=f"thiết bị của {uri.redacted} từ chối PIN. PIN chỉ được thử một lần và sẽ không thử lại: thiết "
            "bị có thể "
            "bị khóa sau vài lần sai. Hãy sửa PIN tại nơi pin-source chỉ tới",
        )
    return token_error(error, uri.redacted)


def _hash_pin(pin: str) -> bytes:
    return hashlib.blake2b(pin.encode(), key=_SALT).digest()
