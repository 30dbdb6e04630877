"""Tokens of authenticators: one for all clients with the same credentials, one login in flight, and no login loop.

A session is a generator of requests and waits, as the flows of dialects are: one driver blocks, one awaits, and
clients of both kinds and of any thread share it. The rules:

- A token is used until its time is over or an answer refuses it. A refused one is replaced by one login, and the call
  is repeated once; what the second answer says is the dialect's to judge.
- Who needs a token while a login is in flight waits for that login, and shares its outcome.
- A login that failed, or whose token is refused at once, is not followed by another before a pause, which doubles each
  time. Meanwhile the same error is given at once: platforms throttle logins, or lock who tries too often.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Generator
from copy import copy
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from weakref import WeakValueDictionary

from .._core import ForkAware, get_logger, make_lock, watch_forks
from ..errors import EdocError, HubError
from ..hubs import (
    AccessToken,
    Authenticator,
    Dialect,
    FinishedFlow,
    WireRequest,
    WireResponse,
    advance_flow,
    as_login_error,
)
from .messages import build_login_wait_error

FIRST_PAUSE = 5.0
"""Seconds after the first login in vain in which no other is made."""
LONGEST_PAUSE = 300.0

log = get_logger("edoc_connector.client")


@dataclass(frozen=True, slots=True)
class LoginWait:
    """A wait for the login of another call, which may be another thread's or another event loop's."""

    done: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> None:
        """Wait until the login is over.

        Raises:
            NotSent: it takes longer.
        """
        if not self.done.wait(seconds):
            raise build_login_wait_error()


Exchange: TypeAlias = Generator[WireRequest | LoginWait, WireResponse | None, WireResponse]


@dataclass(slots=True, eq=False)
class _HeldToken:
    """A token, and whether any answer has let it in since."""

    token: AccessToken
    issued_at: float
    is_accepted: bool = False

    def is_current(self, now: float) -> bool:
        return now < self.issued_at + self.token.lifetime


@dataclass(slots=True, eq=False)
class _Login:
    """A login in flight, and who waits for it."""

    waits: list[LoginWait] = field(default_factory=list)

    def end(self) -> None:
        for wait in self.waits:
            wait.done.set()


class TokenSession(ForkAware):
    """The token of one authenticator, for all clients that have an equal one.

    Args:
        authenticator: says how to log in.
        clock: monotonic seconds.
    """

    def __init__(self, authenticator: Authenticator, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._lock = make_lock()
        self._held: _HeldToken | None = None
        self._login: _Login | None = None
        self._error: EdocError | None = None
        self._resume_at = 0.0
        self._vain_logins = 0
        watch_forks(self)

    def renew_after_fork(self) -> None:
        """Forget the parent's login in flight; its token is good here too."""
        self._login = None

    def list_secrets(self) -> tuple[str, ...]:
        """List what answers and logs must not repeat: the token of now."""
        held = self._held
        return () if held is None else (held.token.value,)

    def exchange(self, request: WireRequest) -> Exchange:
        """Make one exchange with a token; once more with a new one, where the first is refused.

        Raises:
            EdocError: there is no token to be had. Nothing was sent.
        """
        held = yield from self._obtain_token(None)
        answer = yield from self._ask(request, held)
        if not self._authenticator.is_refused(answer) or not self._may_renew(held):
            return answer
        held = yield from self._obtain_token(held)
        return (yield from self._ask(request, held))

    def _ask(self, request: WireRequest, held: _HeldToken) -> Exchange:
        answer = yield replace(request, headers={**request.headers, **self._authenticator.build_headers(held.token)})
        if answer is None:
            raise TypeError("a request is answered by a response")
        if not self._authenticator.is_refused(answer):
            self._note_accepted(held)
        return answer

    def _note_accepted(self, held: _HeldToken) -> None:
        if not held.is_accepted:
            with self._lock:
                held.is_accepted = True
                self._vain_logins = 0

    def _may_renew(self, refused: _HeldToken) -> bool:
        """Whether a refused token may be replaced: not one that no answer ever took, before the pause is over."""
        with self._lock:
            is_fresh = refused is self._held and not refused.is_accepted
            return not is_fresh or self._clock() >= refused.issued_at + self._compute_pause()

    def _obtain_token(
        self, refused: _HeldToken | None
    ) -> Generator[WireRequest | LoginWait, WireResponse | None, _HeldToken]:
        while True:
            step = self._begin(refused)
            if isinstance(step, _HeldToken):
                return step
            if isinstance(step, _Login):
                return (yield from self._log_in(step))
            yield step

    def _begin(self, refused: _HeldToken | None) -> _HeldToken | _Login | LoginWait:
        """Take the token that is there, wait for the login in flight, or begin one."""
        with self._lock:
            held, now = self._held, self._clock()
            if held is not None and held is not refused and held.is_current(now):
                return held
            if self._login is not None:
                self._login.waits.append(LoginWait())
                return self._login.waits[-1]
            if self._error is not None and now < self._resume_at:
                raise copy(self._error)
            self._login = _Login()
            return self._login

    def _log_in(self, login: _Login) -> Generator[WireRequest, WireResponse | None, _HeldToken]:
        held: _HeldToken | None = None
        error: EdocError | None = None
        try:
            log.info("logging in at %s", self._authenticator.login_url)
            token = yield from _run_login(self._authenticator)
            held = _HeldToken(token, self._clock())
        except EdocError as met:
            error = as_login_error(met, self._authenticator.login_url)
            raise error from None
        finally:  # a login that was cancelled tells nobody anything: one of those that wait makes the next
            self._end_login(login, held, error)
        return held

    def _end_login(self, login: _Login, held: _HeldToken | None, error: EdocError | None) -> None:
        with self._lock:
            if held is not None or error is not None:
                self._vain_logins += 1
                wish = error.retry_after if isinstance(error, HubError) else None
                self._error = copy(error)  # without the traceback, whose frames would keep this session alive
                self._resume_at = self._clock() + min(max(self._compute_pause(), wish or 0.0), LONGEST_PAUSE)
            if held is not None:
                self._held = held
            if self._login is login:
                self._login = None
        login.end()

    def _compute_pause(self) -> float:
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(max(self._vain_logins - 1, 0), 16))


def _run_login(authenticator: Authenticator) -> Generator[WireRequest, WireResponse | None, AccessToken]:
    flow = authenticator.log_in()
    try:
        step = advance_flow(flow)
        while not isinstance(step, FinishedFlow):
            step = advance_flow(flow, (yield step))
        return step.result
    finally:
        flow.close()


# --- The drivers. ---


def drive(exchange: Exchange, perform: Callable[[WireRequest], WireResponse], *, longest_wait: float) -> WireResponse:
    """Drive an exchange with a blocking transport.

    Args:
        exchange: of `TokenSession.exchange`.
        perform: sends one request and returns the answer.
        longest_wait: seconds that another's login is waited for.
    """

    def take(step: WireRequest | LoginWait) -> WireResponse | None:
        if isinstance(step, WireRequest):
            return perform(step)
        step.wait(longest_wait)
        return None

    try:
        step = next(exchange)
        while True:
            try:
                answer = take(step)
            except BaseException as error:
                step = exchange.throw(error)
            else:
                step = exchange.send(answer)
    except StopIteration as end:
        result: WireResponse = end.value
        return result


async def adrive(
    exchange: Exchange,
    perform: Callable[[WireRequest], Awaitable[WireResponse]],
    wait: Callable[[LoginWait], Awaitable[None]],
) -> WireResponse:
    """Drive an exchange with an asynchronous transport; `wait` waits for another's login."""

    async def take(step: WireRequest | LoginWait) -> WireResponse | None:
        if isinstance(step, WireRequest):
            return await perform(step)
        await wait(step)
        return None

    try:
        step = next(exchange)
        while True:
            try:
                answer = await take(step)
            except BaseException as error:
                step = exchange.throw(error)
            else:
                step = exchange.send(answer)
    except StopIteration as end:
        result: WireResponse = end.value
        return result


# --- One session for equal authenticators. ---

_sessions: WeakValueDictionary[Authenticator, TokenSession] = WeakValueDictionary()
_sessions_lock = threading.Lock()


def open_session(dialect: Dialect, authenticator: Authenticator | None) -> TokenSession | None:
    """Open the session of an authenticator, which all clients with an equal one share; None where none is needed.

    Args:
        dialect: may have an authenticator of its own, as the attribute ``authenticator``.
        authenticator: comes first.
    """
    chosen: Authenticator | None = authenticator or getattr(dialect, "authenticator", None)
    if chosen is None:
        return None
    with _sessions_lock:
        session = _sessions.get(chosen)
        if session is None:
            session = _sessions[chosen] = TokenSession(chosen)
        return session
