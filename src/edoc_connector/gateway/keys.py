"""Keys of clients: random, shown once, kept as hashes, valid for the agencies that they were made for."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..errors import NotFound
from ..store import KeyRow, Store
from .errors import NotAllowed, NotAuthenticated

_FORM = re.compile(r"edoc_(?P<id>[0-9a-f]{16})_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made.

    Args:
        key_id: its public name.
        token: the key, which is nowhere else.
    """

    key_id: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """A key and what it is for.

    Args:
        key_id: its public name.
        name: who has it.
        agencies: codes of the agencies that it may speak for.
        created_at: when it was made, UTC.
        expires_at: from when on it is refused, UTC; None for never.
        revoked_at: when it was revoked, UTC; None where it was not.
        last_used_at: when it was last used, UTC, to the minute; None for never.
    """

    key_id: str
    name: str
    agencies: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


def add_key(stores: Sequence[tuple[str, Store]], *, name: str) -> NewKey:
    """Make a key that may speak for some agencies.

    Args:
        stores: the agencies and their stores.
        name: who gets it, for a person.
    """
    key_id = secrets.token_hex(8)
    token = f"edoc_{key_id}_{secrets.token_urlsafe(32)}"
    for agency, store in stores:
        with store.transaction() as tx:
            tx.gateway_keys.add(agency, key_id=key_id, name=name, digest=_compute_digest(token))
    return NewKey(key_id, token)


def list_keys(stores: Sequence[tuple[str, Store]]) -> list[KeyReport]:
    """List every key of some agencies, the oldest first."""
    rows: dict[str, list[KeyRow]] = {}
    for agency, store in stores:
        with store.snapshot() as tx:
            for row in tx.gateway_keys.list_all(agency):
                rows.setdefault(row.key_id, []).append(row)
    return sorted(map(_build_report, rows.values()), key=lambda report: report.created_at)


def revoke_key(stores: Sequence[tuple[str, Store]], key_id: str) -> int:
    """Refuse a key from now on, and return for how many agencies.

    Raises:
        NotFound: there is no such key, or it is revoked already.
    """
    revoked = 0
    for agency, store in stores:
        with store.transaction() as tx:
            revoked += tx.gateway_keys.revoke(agency, key_id)
    if not revoked:
        raise _build_unknown_key_error(key_id)
    return revoked


def rotate_key(stores: Sequence[tuple[str, Store]], key_id: str, *, overlap: timedelta) -> NewKey:
    """Make the successor of a key, which is taken a while longer, so that clients can change over.

    Args:
        stores: the agencies and their stores.
        key_id: the key.
        overlap: how long both are taken.

    Raises:
        NotFound: there is no such key, or it is not taken any more.
    """
    held = [(agency, store, row) for agency, store in stores if (row := _find_valid(store, agency, key_id)) is not None]
    if not held:
        raise _build_unknown_key_error(key_id)
    made = add_key([(agency, store) for agency, store, _ in held], name=held[0][2].name)
    for agency, store, _ in held:
        with store.transaction() as tx:
            tx.gateway_keys.expire(agency, key_id, at=tx.now + overlap)
    return made


def authenticate(stores: Sequence[tuple[str, Store]], token: str | None) -> dict[str, KeyRow]:
    """Find the agencies that a key may speak for, with its row of each.

    Raises:
        NotAuthenticated: it is no key, or one that is not taken.
    """
    found = None if token is None else _FORM.fullmatch(token)
    if token is None or found is None:
        raise _build_authentication_error()
    digest = _compute_digest(token)
    rows = {agency: row for agency, store in stores if (row := _find_valid(store, agency, found["id"])) is not None}
    held = {agency: row for agency, row in rows.items() if hmac.compare_digest(row.digest, digest)}
    if not held:
        raise _build_authentication_error()
    return held


def require_agency(held: dict[str, KeyRow], agency: str) -> KeyRow:
    """Require that a key may speak for an agency.

    Raises:
        NotAllowed: it may not, or there is no such agency.
    """
    if agency not in held:
        raise NotAllowed(
            "this key may not speak for that agency.", vi="Khóa truy cập này không được làm việc cho đơn vị đó."
        )
    return held[agency]


def record_use(store: Store, row: KeyRow) -> None:
    """Record that a key was used, unless that was recorded a moment ago."""
    if row.last_used_at is None or store.clock() - row.last_used_at >= timedelta(minutes=1):
        with store.transaction() as tx:
            tx.gateway_keys.record_use(row)


def _find_valid(store: Store, agency: str, key_id: str) -> KeyRow | None:
    with store.snapshot() as tx:
        row = tx.gateway_keys.find(agency, key_id)
        return row if row is not None and row.is_valid(tx.now) else None


def _compute_digest(token: str) -> str:
    """Compute the hash that is kept of a key: of 256 random bits nothing slower is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def _build_report(rows: Sequence[KeyRow]) -> KeyReport:
    first = rows[0]
    return KeyReport(
        key_id=first.key_id,
        name=first.name,
        agencies=tuple(row.agency for row in rows),
        created_at=first.created_at,
        expires_at=first.expires_at,
        revoked_at=first.revoked_at,
        last_used_at=max((row.last_used_at for row in rows if row.last_used_at is not None), default=None),
    )


def _build_unknown_key_error(key_id: str) -> NotFound:
    return NotFound(
        f"there is no valid key {key_id}: `edoc gateway keys list` shows them.",
        vi=f"Không có khóa truy cập {key_id} còn hiệu lực: xem `edoc gateway keys list`.",
    )


def _build_authentication_error() -> NotAuthenticated:
    return NotAuthenticated(
        "there is no key, or one that is not taken: send `Authorization: Bearer KEY`. `edoc gateway keys add` makes "
        "one.",
        vi="Thiếu khóa truy cập hoặc khóa không còn hiệu lực: hãy gửi `Authorization: Bearer KHÓA`. Tạo khóa bằng "
        "`edoc gateway keys add`.",
    )
