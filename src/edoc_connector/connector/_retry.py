"""What becomes of a message after an error, as a table (what happens when something breaks, rows 4–13 and 23–25)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import (
    AttachmentError,
    AuthenticationRejected,
    ConfigError,
    EdocError,
    HubError,
    HubUnavailable,
    NotFound,
    NotSent,
    OutcomeUnknown,
    ProtocolError,
    SigningError,
    StoreError,
    TransportError,
    UnknownSender,
)
from ..store import Altered, LeaseLost


class Undecided(OutcomeUnknown):
    """The hub cannot tell what became of a message: a person has to find out, and `Connector.settle` it."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What an error means for the message that met it and for those behind it.

    Args:
        state: the message's next state: ``ready`` to try again, ``unknown`` to ask the hub first, ``failed`` for good.
        pause: whether the next message would meet the same error, so that sending pauses.
    """

    state: str
    pause: bool = False


_AGAIN, _UNKNOWN, _FAILED = "ready", "unknown", "failed"

# The first class that fits decides.
FATES: tuple[tuple[type[EdocError], Fate], ...] = (
    # The hub refuses us, not the packet: the queue is kept until that is mended (row 10).
    (AuthenticationRejected, Fate(_AGAIN, pause=True)),
    (UnknownSender, Fate(_AGAIN, pause=True)),
    (HubUnavailable, Fate(_AGAIN, pause=True)),
    # An answer came that tells neither yes nor no (rows 11 and 13).
    (ProtocolError, Fate(_UNKNOWN)),
    (HubError, Fate(_FAILED)),
    (OutcomeUnknown, Fate(_UNKNOWN)),
    (NotSent, Fate(_AGAIN, pause=True)),
    (TransportError, Fate(_UNKNOWN)),
    # Nothing left this machine, and nothing will before somebody mends it here (row 25).
    (ConfigError, Fate(_AGAIN, pause=True)),
    (SigningError, Fate(_AGAIN, pause=True)),
    # The stored packet is gone or changed: trying again cannot help.
    (NotFound, Fate(_FAILED)),
    (Altered, Fate(_FAILED)),
    (LeaseLost, Fate(_AGAIN)),
    # A disk that is full, a machine out of handles, a database that is away: everything waits for it (rows 23 and 24).
    (StoreError, Fate(_AGAIN, pause=True)),
    (AttachmentError, Fate(_FAILED)),
)


# There is no such call at that address: nothing was taken, and every other message would meet the same.
_NOT_HERE = frozenset({"404", "405", "501"})


def fate(error: EdocError) -> Fate:
    """What becomes of a message that met this error."""
    if isinstance(error, ProtocolError) and error.code in _NOT_HERE:
        return Fate(_AGAIN, pause=True)
    found = next((fate for kind, fate in FATES if isinstance(error, kind)), Fate(_FAILED))
    if isinstance(error, HubError) and error.retryable and found.state == _FAILED:
        return Fate(_AGAIN, pause=True)
    return found


def columns(error: EdocError | None) -> dict[str, str | None]:
    """An error as the columns of a row; without one, the columns emptied."""
    if error is None:
        return {"error_code": None, "error_text": None, "error_vi": None}
    code = error.code if isinstance(error, HubError) and error.code else type(error).__name__
    return {"error_code": code[:64], "error_text": error.message, "error_vi": error.vi}
