"""People who work at the desk: their roles, the hashes of their passwords, and their sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, or_, select, update

from .._sql import TABLES
from ..rows import TableRow

if TYPE_CHECKING:
    from ..transaction import Tx

USERS = TABLES["desk_users"]
SESSIONS = TABLES["desk_sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskUserRow(TableRow):
    """A person who works at the desk."""

    agency: str
    name: str
    full_name: str
    role: str
    password_hash: str | None
    created_at: datetime
    last_seen_at: datetime | None


@dataclass(slots=True, eq=False)
class DeskUsers:
    """Keeps the people and their sessions; what changes about a person is entered in the evidence.

    Args:
        tx: the transaction.
    """

    _tx: Tx

    def add(self, agency: str, *, name: str, full_name: str, role: str, password_hash: str | None) -> None:
        """Add a person."""
        values = {"agency": agency, "name": name, "full_name": full_name, "role": role}
        values |= {"password_hash": password_hash}  # type: ignore[dict-item]
        self._tx.connection.execute(insert(USERS).values(**values, created_at=self._tx.now))
        self._record(agency, {"act": "added", "user": name, "full_name": full_name, "role": role})

    def find(self, agency: str, name: str) -> DeskUserRow | None:
        """Find a person by the name that is typed."""
        query = select(USERS).where(USERS.c.agency == agency, USERS.c.name == name)
        row = self._tx.connection.execute(query).mappings().first()
        return None if row is None else DeskUserRow.from_row(row)

    def list_all(self, agency: str) -> list[DeskUserRow]:
        """List the people of an agency, by name."""
        query = select(USERS).where(USERS.c.agency == agency).order_by(USERS.c.name)
        return [DeskUserRow.from_row(row) for row in self._tx.connection.execute(query).mappings()]

    def set_password(self, user: DeskUserRow, password_hash: str) -> None:
        """Set another password; every session of the person ends."""
        self._change(user, password_hash=password_hash)
        self._record(user.agency, {"act": "password", "user": user.name})

    def renew_hash(self, user: DeskUserRow, password_hash: str) -> None:
        """Keep the same password under a stronger hash."""
        self._tx.connection.execute(update(USERS).where(USERS.c.id == user.id).values(password_hash=password_hash))

    def set_role(self, user: DeskUserRow, role: str) -> None:
        """Set another role; every session of the person ends."""
        self._change(user, role=role)
        self._record(user.agency, {"act": "role", "user": user.name, "role": role, "before": user.role})

    def remove(self, user: DeskUserRow) -> None:
        """Remove a person with every session; what they did stays in the evidence."""
        self._end_sessions(user)
        self._tx.connection.execute(delete(USERS).where(USERS.c.id == user.id))
        self._record(user.agency, {"act": "removed", "user": user.name, "role": user.role})

    def begin_session(self, user: DeskUserRow, digest: str) -> None:
        """Begin a session of a person, known by the hash of its secret."""
        now = self._tx.now
        values = {"user_id": user.id, "digest": digest, "created_at": now, "last_used_at": now}
        self._tx.connection.execute(insert(SESSIONS).values(values))
        self._tx.connection.execute(update(USERS).where(USERS.c.id == user.id).values(last_seen_at=now))

    def find_session(
        self, agency: str, digest: str, *, idle: timedelta, lifetime: timedelta
    ) -> tuple[DeskUserRow, datetime] | None:
        """Find whose session it is and when it was last used; None where it ended."""
        query = select(USERS, SESSIONS.c.last_used_at).join_from(SESSIONS, USERS, SESSIONS.c.user_id == USERS.c.id)
        query = query.where(SESSIONS.c.digest == digest, USERS.c.agency == agency)
        query = query.where(
            SESSIONS.c.last_used_at > self._tx.now - idle, SESSIONS.c.created_at > self._tx.now - lifetime
        )
        row = self._tx.connection.execute(query).mappings().first()
        return None if row is None else (DeskUserRow.from_row(row), row["last_used_at"])

    def use_session(self, digest: str) -> None:
        """Note that a session was used."""
        query = update(SESSIONS).where(SESSIONS.c.digest == digest)
        self._tx.connection.execute(query.values(last_used_at=self._tx.now))

    def end_session(self, digest: str) -> None:
        """End a session."""
        self._tx.connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest))

    def forget_old_sessions(self, *, idle: timedelta, lifetime: timedelta) -> None:
        """Forget the sessions that are over."""
        now = self._tx.now
        is_over = or_(SESSIONS.c.last_used_at <= now - idle, SESSIONS.c.created_at <= now - lifetime)
        self._tx.connection.execute(delete(SESSIONS).where(is_over))

    def _change(self, user: DeskUserRow, **values: Any) -> None:
        self._end_sessions(user)
        self._tx.connection.execute(update(USERS).where(USERS.c.id == user.id).values(values))

    def _end_sessions(self, user: DeskUserRow) -> None:
        self._tx.connection.execute(delete(SESSIONS).where(SESSIONS.c.user_id == user.id))

    def _record(self, agency: str, details: dict[str, Any]) -> None:
        self._tx.audit_log.record("desk", None, 0, details, agency=agency)
