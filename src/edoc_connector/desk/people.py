"""People who work at the desk: adding them, their passwords and roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError, InvalidQuery, NotFound
from ..store import DeskUserRow, Store
from .roles import Role

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 256
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def add_person(
    store: Store, agency: str, name: str, *, full_name: str, role: str, password: str | None, by: str | None = None
) -> None:
    """Add a person.

    Args:
        store: of the agency.
        agency: code of the agency.
        name: name to sign in with: small letters, digits, ``.``, ``-``, ``_`` and ``@``.
        full_name: the person's name, as evidence and pages show it.
        role: see `Role`.
        password: 12 to 256 characters; None where only a proxy lets the person in.
        by: who adds them, for the evidence.

    Raises:
        InvalidQuery: the name, role or password cannot be, or the name is taken.
    """
    if not _NAME.fullmatch(name) or not full_name.strip():
        raise InvalidQuery(
            "a person has a name to sign in with, of small letters, digits, . - _ and @, and a full name.",
            vi="mỗi người cần tên đăng nhập gồm chữ thường, chữ số, . - _ @ và họ tên.",
        )
    parsed, password_hash = parse_role(role), None if password is None else hash_password(password)
    with store.transaction(by) as tx:
        tx.advisory_lock(f"desk {agency}")
        if tx.desk_users.find(agency, name) is not None:
            raise InvalidQuery(
                f"there is a person {name} already: give another name.",
                vi=f"Đã có người dùng {name}: hãy đặt tên khác.",
            )
        tx.desk_users.add(agency, name=name, full_name=full_name.strip(), role=parsed, password_hash=password_hash)


def set_password(store: Store, agency: str, name: str, password: str, *, by: str | None = None) -> None:
    """Set another password of a person, whose sessions end.

    Raises:
        InvalidQuery: it is too short or too long.
        NotFound: there is no such person.
    """
    password_hash = hash_password(password)
    with store.transaction(by) as tx:
        tx.desk_users.set_password(require_person(tx.desk_users.find(agency, name), name), password_hash)


def set_role(store: Store, agency: str, name: str, role: str, *, by: str | None = None) -> None:
    """Set another role of a person, whose sessions end.

    Raises:
        InvalidQuery: there is no such role.
        NotFound: there is no such person.
    """
    parsed = parse_role(role)
    with store.transaction(by) as tx:
        tx.desk_users.set_role(require_person(tx.desk_users.find(agency, name), name), parsed)


def remove_person(store: Store, agency: str, name: str, *, by: str | None = None) -> None:
    """Remove a person, whose sessions end; what they did stays in the evidence.

    Raises:
        NotFound: there is no such person.
    """
    with store.transaction(by) as tx:
        tx.desk_users.remove(require_person(tx.desk_users.find(agency, name), name))


def list_people(store: Store, agency: str) -> Sequence[DeskUserRow]:
    """List the people of an agency, by name."""
    with store.snapshot() as tx:
        return tx.desk_users.list_all(agency)


def require_person(row: DeskUserRow | None, name: str) -> DeskUserRow:
    """Require a person.

    Raises:
        NotFound: there is none.
    """
    if row is None:
        raise NotFound(
            f"there is no person {name}: see edoc web user list.", vi=f"Không có {name}: xem edoc web user list."
        )
    return row


def parse_role(role: str) -> Role:
    """Parse a role.

    Raises:
        InvalidQuery: there is none of that name.
    """
    try:
        return Role(role)
    except ValueError:
        known = ", ".join(Role)
        raise InvalidQuery(
            f"there is no role {role}: known are {known}.", vi=f"Không có vai trò {role}: hãy chọn một trong {known}."
        ) from None


def hash_password(password: str) -> str:
    """Hash a password (argon2id, RFC 9106).

    Raises:
        InvalidQuery: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidQuery(
            f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters.",
            vi=f"mật khẩu phải có từ {MIN_PASSWORD} đến {MAX_PASSWORD} ký tự.",
        )
    return load_hasher().hash(password)


def matches_password(password_hash: str | None, password: str) -> bool:
    """Tell whether a password is the one of a hash; as long a look where there is no hash."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        load_hasher().verify(password_hash or _hash_of_nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


@cache
def load_hasher() -> PasswordHasher:
    """Load argon2 with its defaults, which are those of RFC 9106.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise ConfigError(
            "the desk needs the extra 'web'; install it: pip install 'edoc-connector[web]'",
            vi="bàn làm việc cần gói bổ sung 'web'; hãy cài: pip install 'edoc-connector[web]'",
        ) from error
    return PasswordHasher()


@cache
def _hash_of_nobody() -> str:
    return load_hasher().hash("nobody has this password")
