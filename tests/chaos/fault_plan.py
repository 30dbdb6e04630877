"""The faults of the chaos run's hub, as data: what goes wrong, with which calls, and how often.

The n-th call of a kind meets the same fault in every run of a seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

SEND, LIST, FETCH, CONFIRM, ASK = (
    "sendEdoc",
    "getReceivedEdocList",
    "downloadEdoc",
    "updateStatus",
    "getSentEdocList",
)
CALLS = (SEND, LIST, FETCH, CONFIRM, ASK)
ANSWERED = (SEND, LIST, CONFIRM, ASK)  # those with a JSON answer


@dataclass(frozen=True)
class Fault:
    """A fault.

    Args:
        kind: what goes wrong; `hub.py` knows how.
        calls: the calls that it happens to.
        chance: of one call.
        seconds: how long it lasts for every call, of a fault that comes in bursts.
    """

    kind: str
    calls: tuple[str, ...]
    chance: float
    seconds: tuple[float, float] = (0.0, 0.0)


FAULTS = (
    # nothing was taken
    Fault("cut before", CALLS, 0.010),
    Fault("half-open before", CALLS, 0.003),
    Fault("500 before", CALLS, 0.006),
    Fault("503", CALLS, 0.006),
    Fault("429 until a date", CALLS, 0.006),
    Fault("gateway page", CALLS, 0.006),
    Fault("redirect", CALLS, 0.003),
    Fault("late", CALLS, 0.020),
    Fault("401 burst", CALLS, 0.0015, seconds=(0.5, 2.0)),
    Fault("clock off", CALLS, 0.0020, seconds=(1.0, 6.0)),
    # the call was done, and its answer does not say so
    Fault("cut after", ANSWERED, 0.030),
    Fault("half-open after", ANSWERED, 0.003),
    Fault("500 after", ANSWERED, 0.010),
    Fault("empty", ANSWERED, 0.010),
    Fault("truncated", ANSWERED, 0.010),
    Fault("odd 200", ANSWERED, 0.015),
    Fault("foreign DocId", (SEND,), 0.050),
    Fault("no DocId", (SEND,), 0.020),
    Fault("list of DocIds", (SEND,), 0.010),
    Fault("refused", (CONFIRM,), 0.080),
    Fault("question refused", (ASK,), 0.020),
    Fault("empty list", (ASK,), 0.020),
    # downloads
    Fault("odd body", (FETCH,), 0.060),
    Fault("other body", (FETCH,), 0.040),
    Fault("half body", (FETCH,), 0.020),
    Fault("cut body", (FETCH,), 0.020),
    Fault("gone", (FETCH,), 0.010),
)

ODD_ANSWERS = (b"null", b"[]", b"OK", b"<soap:Envelope/>", b"\0" * 64, b"{}", b"7", b'{"status":"OK"}')
ODD_BODIES = (
    b"null",
    b"[]",
    b"maintenance",
    b"<soap:Envelope><soap:Fault/></soap:Envelope>",
    b"\0" * 512,
    b"\x1f\x8b\x08\x00rest",
)
GHOSTS = (404, 500, 403)
"""HTTP status of the docIds that fail for ever, one of each for every agency."""

LATE_LISTING, LATE_OFFER, CONFIRMATIONS_REFUSED = 0.10, 0.15, 0.05
"""Parts of the packets that the hub shows late, to their senders and to their recipients, or does not let confirm."""

SHOWN_IDS = ("document", "hub", "empty")
"""What a hub may write as senderDocId; for a status ``document`` is the id of the document that it answers."""


def draw(seed: int, call: str, number: int, strength: float) -> Fault | None:
    """Draw the fault of the n-th call of a kind; none for most."""
    point = random.Random(f"{seed}/{call}/{number}").random()
    for fault in FAULTS:
        if call not in fault.calls:
            continue
        point -= fault.chance * strength
        if point < 0:
            return fault
    return None
