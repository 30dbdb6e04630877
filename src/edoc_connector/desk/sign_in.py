"""Signing in: by password or by what a trusted proxy says; sessions, and how often somebody may try."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.requests import Request

from .._core import get_logger, make_lock
from ..config import WebSettings
from ..store import DeskUserRow, Store
from .people import MAX_PASSWORD, load_hasher, matches_password
from .roles import PERMISSIONS, Act, Role

log = get_logger("edoc_connector.desk")

SECRET_HEADER: Final = "x-edoc-proxy-secret"  # noqa: S105  its name
_HASHES_AT_ONCE: Final = 2  # each takes 64 MiB for a while
_MAX_REMEMBERED: Final = 10_000
_USE_NOTED_AFTER: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in.

    Args:
        name: the name to sign in with.
        full_name: the person's name.
        role: what they are.
        session: what their forms' tokens are made of; a secret.
    """

    name: str
    full_name: str
    role: Role
    session: str

    @property
    def actor(self) -> str:
        """The person, as evidence and timeline name them."""
        return f"{self.full_name} ({self.name})"

    def may(self, act: Act) -> bool:
        """Tell whether the person may do something."""
        return act in PERMISSIONS[self.role]


class Throttle:
    """Counts failures by key; who failed too often waits.

    Args:
        most: failures that are let through in the window.
        window: seconds.
        clock: seconds that never go back.
    """

    def __init__(self, *, most: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window, self._clock = most, window, clock
        self._lock = make_lock()
        self._failures: dict[str, list[float]] = {}

    def is_open(self, key: str) -> bool:
        """Tell whether another try is let through."""
        with self._lock:
            return len(self._list_recent(key)) < self._most

    def begin(self, key: str) -> bool:
        """Begin a try, unless there were too many: it counts as a failure until `forget` or `take_back`.

        Tries that come at the same time are counted before any of them is looked at, so that they are not let through
        together.
        """
        with self._lock:
            if len(self._list_recent(key)) >= self._most:
                return False
            self._note(key)
            return True

    def take_back(self, key: str) -> None:
        """Take back the newest failure: the try was none."""
        with self._lock:
            self._failures[key] = self._list_recent(key)[:-1]

    def note_failure(self, key: str) -> None:
        """Count a failure."""
        with self._lock:
            self._note(key)

    def _note(self, key: str) -> None:
        if len(self._failures) >= _MAX_REMEMBERED:
            self._failures = {one: recent for one in self._failures if (recent := self._list_recent(one))}
        self._failures[key] = [*self._list_recent(key), self._clock()]

    def forget(self, key: str) -> None:
        """Forget the failures of who got in."""
        with self._lock:
            self._failures.pop(key, None)

    def _list_recent(self, key: str) -> list[float]:
        since = self._clock() - self._window
        return [at for at in self._failures.get(key, ()) if at > since]


class Gate:
    """Lets people in, and knows them again.

    Args:
        store: of the agency.
        agency: code of the agency.
        settings: ``[web]``.
        proxy_secret: what a proxy has to send; None where none lets people in.
    """

    def __init__(self, store: Store, agency: str, settings: WebSettings, *, proxy_secret: str | None) -> None:
        self._store, self._agency, self._settings = store, agency, settings
        self._proxy_secret = proxy_secret
        self._hashing = threading.BoundedSemaphore(_HASHES_AT_ONCE)
        self.by_name = Throttle(most=5, window=15 * 60)
        self.by_address = Throttle(most=30, window=15 * 60)
        self._spans = {
            "idle": timedelta(minutes=settings.idle_minutes),
            "lifetime": timedelta(hours=settings.session_hours),
        }

    @property
    def uses_proxy(self) -> bool:
        """Whether a proxy says who somebody is."""
        return bool(self._settings.user_header)

    def is_answered(self, request: Request) -> bool:
        """Tell whether who connects is answered: anybody, or the configured proxies only."""
        return not self._settings.proxies or _is_within(_get_peer(request), self._settings.proxies)

    def find_person(self, request: Request, secret: str) -> Person | None:
        """Find who makes a request: by the proxy's header, else by the session."""
        if self.uses_proxy:
            return self._find_by_header(request)
        if not secret:
            return None
        digest = _digest(secret)
        with self._store.snapshot() as tx:
            found = tx.desk_users.find_session(self._agency, digest, **self._spans)
        if found is None:
            return None
        user, last_used_at = found
        if self._store.clock() - last_used_at > _USE_NOTED_AFTER:
            with self._store.transaction() as tx:
                tx.desk_users.use_session(digest)
        return _build_person(user, secret)

    def sign_in(self, request: Request, name: str, password: str) -> tuple[Person, str] | None:
        """Sign in by password; gives the person and the session's secret, None where that is refused.

        Whether the name or the password was wrong is not told, and a wrong name takes as long.
        """
        user = self._find_by_password(request, name, password)
        return None if user is None else self._begin_session(user, password)

    def has_password(self, request: Request, name: str, password: str) -> bool:
        """Tell whether a password is that of a person; tries count with those of signing in."""
        return self._find_by_password(request, name, password) is not None

    def _find_by_password(self, request: Request, name: str, password: str) -> DeskUserRow | None:
        """Find a person by name and password; None too where there were too many tries."""
        address = self._get_address(request)
        if not self._begin_try(name, address):
            log.warning("somebody gave wrong passwords too often, and has to wait")
            return None
        with self._store.snapshot() as tx:
            user = tx.desk_users.find(self._agency, name)
        with self._hashing:
            is_right = len(password) <= MAX_PASSWORD and matches_password(
                None if user is None else user.password_hash, password
            )
        if user is None or not is_right:
            return None
        self.by_name.forget(name)
        self.by_address.take_back(address)
        return user

    def _begin_try(self, name: str, address: str) -> bool:
        if not self.by_address.begin(address):
            return False
        if not self.by_name.begin(name):
            self.by_address.take_back(address)
            return False
        return True

    def sign_out(self, secret: str) -> None:
        """End a session."""
        with self._store.transaction() as tx:
            tx.desk_users.end_session(_digest(secret))

    def _begin_session(self, user: DeskUserRow, password: str) -> tuple[Person, str]:
        secret, hasher = secrets.token_urlsafe(32), load_hasher()
        stronger = hasher.hash(password) if hasher.check_needs_rehash(user.password_hash or "") else None
        with self._store.transaction() as tx:
            tx.desk_users.forget_old_sessions(**self._spans)
            tx.desk_users.begin_session(user, _digest(secret))
            if stronger is not None:
                tx.desk_users.renew_hash(user, stronger)
        return _build_person(user, secret), secret

    def _find_by_header(self, request: Request) -> Person | None:
        """Find who a proxy says it is: of a configured address, with its secret, for a person whom we know."""
        given = request.headers.get(SECRET_HEADER, "")
        is_proxy = _is_within(_get_peer(request), self._settings.proxies)
        if not is_proxy or not hmac.compare_digest(_digest(given), _digest(self._proxy_secret or "")):
            return None
        name = request.headers.get(self._settings.user_header, "").lower()
        with self._store.snapshot() as tx:
            user = tx.desk_users.find(self._agency, name)
        return None if user is None else _build_person(user, f"proxy:{user.id}:{user.name}")

    def _get_address(self, request: Request) -> str:
        """Get the address that tries are counted for: behind a proxy the last one that it names."""
        peer = _get_peer(request)
        if _is_within(peer, self._settings.proxies):
            return request.headers.get("x-forwarded-for", peer).rpartition(",")[2].strip()
        return peer


def _build_person(user: DeskUserRow, session: str) -> Person:
    return Person(user.name, user.full_name, Role(user.role), session)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _get_peer(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _is_within(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
