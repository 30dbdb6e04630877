"""Retry decisions: the next state of a message after each class of error (fault table, rows 4–13 and 23–25)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from ..config import LimitSettings
from ..errors import (
    AnswerCut,
    AttachmentError,
    AuthenticationRejected,
    CallNotSupported,
    ConfigError,
    EdocError,
    HubError,
    HubUnavailable,
    IntermediaryAnswer,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProtocolError,
    SigningError,
    StoreError,
    TransportError,
    UnknownSender,
    find_stored_name,
)
from ..store import Altered, LeaseLost


class Undecided(OutcomeUnknown):
    """The hub cannot tell the outcome of a message: a person has to find out, and `Connector.settle` it."""


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """The consequence of an error for the message that met it and for those behind it.

    Args:
        next_state: the message's next state: ``ready`` to try again, ``unknown`` to ask the hub first, ``failed``
            for good.
        opens_breaker: whether the next message would meet the same error, so that sending pauses.
    """

    next_state: str
    opens_breaker: bool = False


_READY, _UNKNOWN, _FAILED = "ready", "unknown", "failed"

# The first class that fits decides.
RETRY_DECISIONS: tuple[tuple[type[EdocError], RetryDecision], ...] = (
    # The hub refuses us, not the packet: the queue is kept until that is mended (row 10).
    (AuthenticationRejected, RetryDecision(_READY, opens_breaker=True)),
    (UnknownSender, RetryDecision(_READY, opens_breaker=True)),
    (HubUnavailable, RetryDecision(_READY, opens_breaker=True)),
    # There is no such call at that address: nothing was taken, and every other message would meet the same.
    (CallNotSupported, RetryDecision(_READY, opens_breaker=True)),
    # What stands in front of the hub says no: the hub never saw it (row 26).
    (IntermediaryAnswer, RetryDecision(_READY, opens_breaker=True)),
    # An answer came that tells neither yes nor no (rows 11 and 13).
    (ProtocolError, RetryDecision(_UNKNOWN)),
    (HubError, RetryDecision(_FAILED)),
    (OutcomeUnknown, RetryDecision(_UNKNOWN)),
    (NotSent, RetryDecision(_READY, opens_breaker=True)),
    (TransportError, RetryDecision(_UNKNOWN)),
    # Nothing left this machine, and nothing will before somebody mends it here (row 25).
    (ConfigError, RetryDecision(_READY, opens_breaker=True)),
    (SigningError, RetryDecision(_READY, opens_breaker=True)),
    # The stored packet is gone or changed: trying again cannot help.
    (NotFound, RetryDecision(_FAILED)),
    (Altered, RetryDecision(_FAILED)),
    (LeaseLost, RetryDecision(_READY)),
    # A disk that is full, a machine out of handles, a database that is away: everything waits for it (rows 23 and 24).
    (StoreError, RetryDecision(_READY, opens_breaker=True)),
    (AttachmentError, RetryDecision(_FAILED)),
)


def decide_retry(error: EdocError) -> RetryDecision:
    """Decide the next state of a message that met an error.

    A confirmation is never unknown, it is sent again: `AckSender` makes it ready where this says unknown. Whether one
    call is tried again within itself is decided in `client`.
    """
    decision = next(
        (candidate for kind, candidate in RETRY_DECISIONS if isinstance(error, kind)), RetryDecision(_FAILED)
    )
    if isinstance(error, HubError) and error.retryable and decision.next_state == _FAILED:
        return RetryDecision(_READY, opens_breaker=True)
    return decision


class Blame(StrEnum):
    """The thing that an error about one docId is about."""

    ITEM = "item"
    """That packet: it is counted and backs off by itself, and every other one goes on."""
    ALL = "all"
    """Everything: the connection, or this machine."""
    UNCLEAR = "unclear"
    """Either: the hub is asked for its list, which tells."""


# Whom an error blames that a call about one docId met; the first class that fits decides. Any other blames the packet.
BLAME_BY_ERROR: tuple[tuple[type[EdocError], Blame], ...] = (
    (AnswerCut, Blame.UNCLEAR),
    (LeaseLost, Blame.ITEM),
    (Altered, Blame.ITEM),
    (TransportError, Blame.ALL),
    (StoreError, Blame.ALL),
    (ConfigError, Blame.ALL),
    (SigningError, Blame.ALL),
    (AuthenticationRejected, Blame.UNCLEAR),
    (UnknownSender, Blame.UNCLEAR),
    (HubUnavailable, Blame.UNCLEAR),
    (CallNotSupported, Blame.UNCLEAR),
    (IntermediaryAnswer, Blame.UNCLEAR),
)


def find_blame(error: EdocError) -> Blame:
    """Find whom an error blames that a call about one docId met."""
    return next((blame for kind, blame in BLAME_BY_ERROR if isinstance(error, kind)), Blame.ITEM)


def compute_next_attempt(
    limits: LimitSettings, attempts: int, now: datetime, error: EdocError | None = None
) -> datetime:
    """Compute the time of the next attempt: exponential back-off with jitter, or the hub's wish, up to a cap.

    Args:
        limits: the back-off and its caps.
        attempts: how many attempts failed before this one.
        now: the time, UTC.
        error: what the attempt met.
    """
    return _add_back_off(limits, limits.backoff_cap, attempts, now, error)


def compute_next_probe(limits: LimitSettings, failures: int, now: datetime, error: EdocError | None) -> datetime:
    """Compute the time at which a hub that fails is asked again: as above, and minutes at most.

    Args:
        limits: the back-off and its caps.
        failures: how often the hub failed in a row before.
        now: the time, UTC.
        error: how it failed now.
    """
    return _add_back_off(limits, limits.pause_cap, failures, now, error)


def _add_back_off(
    limits: LimitSettings, cap_seconds: float, attempts: int, now: datetime, error: EdocError | None
) -> datetime:
    base_seconds: float = min(cap_seconds, limits.backoff * 2.0 ** min(attempts, 30))
    wait_seconds = base_seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, hides nothing
    if isinstance(error, HubError) and error.retry_after is not None:
        wait_seconds = max(wait_seconds, min(error.retry_after, limits.retry_after_cap))
    return now + timedelta(seconds=wait_seconds)


NO_ERROR: Mapping[str, Any] = {"error_code": None, "error_text": None, "error_vi": None}


def as_error_columns(error: EdocError) -> dict[str, str | None]:
    """Express an error as the columns of a row; `NO_ERROR` empties them."""
    code = error.code if isinstance(error, HubError) and error.code else find_stored_name(error)
    return {"error_code": code[:64], "error_text": error.full, "error_vi": error.full_vi}
