"""Faults on demand, so that a client's answer to each can be tested."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

# Kind to whether the hub acts on the request before it fails; a fault may say otherwise.
ACTS_BY_KIND: Final[Mapping[str, bool]] = {
    "delay": True,
    "drop-before-accepting": False,
    "drop-after-accepting": True,
    "error": False,
    "html": False,
    "truncated": True,
    "empty": True,
    "answer": False,
    "half": True,
    "cut": True,
    "duplicate": True,
    "out-of-order": True,
    "garbage": True,
    "wrong-body": True,
    "drip": True,
    "wrong-doc-id": True,
    "expired-token": False,
    "clock-skew": True,
    "proxy-407": False,
    "tls-failure": False,
}
# These are in what the hub says, not in how it comes over; the call itself makes them.
CONTENT_KINDS: Final = frozenset({"duplicate", "out-of-order", "garbage", "wrong-body", "clock-skew"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One planned fault.

    Args:
        kind: ``delay`` (the answer is held back), ``drop-before-accepting`` and ``drop-after-accepting`` (the
            connection is closed without an answer), ``error`` (HTTP `status`), ``html`` (a proxy's page with status
            200), ``truncated`` (Content-Length is longer than the body), ``empty`` (status 200, no body),
            ``duplicate`` and ``out-of-order`` (in lists), ``garbage`` (a fetched packet's bytes are nonsense),
            ``wrong-body`` (another packet's bytes), ``answer`` (`status`, `media_type` and `body` instead of the hub's
            answer, as something in front of it gives, or a hub that is out of order), ``half`` (half of the answer, and
            a length that fits), ``cut`` (half of the answer, no length, then the connection is closed), ``drip`` (the
            answer comes in small pieces over `seconds`), ``wrong-doc-id`` (the docId in the answer is another's),
            ``expired-token`` (the credentials are good no more, in the dialect's own words), ``clock-skew`` (the hub's
            clock is ahead by `offset`), ``proxy-407`` (a proxy wants its own password), ``tls-failure`` (bytes that
            are none of the connection's protocol, under TLS a broken record).
        path: call it happens to, e.g. ``/sendEdoc``; ``*`` any call.
        doc_id: only to calls about this docId; empty for all.
        agency: only to calls of this agency or system, as the request names it; empty for all.
        nth: from which of the calls that fit on, 1 for the first.
        probability: how likely it is at each of them, above 0 and at most 1; the plan's seed decides.
        offset: seconds by which the clock of ``clock-skew`` is ahead; negative for behind.
        count: how many times; None until removed.
        seconds: how long to wait first; with every kind.
        status: HTTP status of ``error``: 500, 503, 429…; of ``answer``: 200 to 599.
        media_type: Content-Type of ``answer``; empty for none.
        body: body of ``answer``; each character stands for one byte (ISO 8859-1).
        retry_after: value of a Retry-After header, in seconds or as an HTTP date.
        after_bytes: with ``drop-before-accepting``: close once so many bytes of the body came, not at its end.
        accepted: whether the hub acts on the request although it fails; by default as `ACTS_BY_KIND` says.
    """

    kind: str
    path: str = "*"
    doc_id: str = ""
    agency: str = ""
    nth: int = 1
    probability: float = 1.0
    offset: float = 3600.0
    count: int | None = 1
    seconds: float = 0.0
    status: int = 500
    media_type: str = "text/html"
    body: str = ""
    retry_after: str | None = None
    after_bytes: int | None = None
    accepted: bool | None = None

    def __post_init__(self) -> None:
        """Refuse a plan that could not happen."""
        if self.kind not in ACTS_BY_KIND:
            raise ValueError(f"there is no fault {self.kind!r}; choose from {', '.join(ACTS_BY_KIND)}")
        if self.count is not None and self.count < 1:
            raise ValueError("count is 1 or more, or nothing for until removed")
        if self.nth < 1 or not 0 < self.probability <= 1:
            raise ValueError("nth is 1 or more, probability above 0 and at most 1")
        lowest_status = 200 if self.kind == "answer" else 400
        if self.seconds < 0 or not lowest_status <= self.status <= 599:
            raise ValueError(f"seconds is not negative, status is {lowest_status} to 599")
        if any(ord(character) > 255 for character in self.body):
            raise ValueError("each character of body is one byte")

    @property
    def acts(self) -> bool:
        """Whether the hub acts on the request."""
        return ACTS_BY_KIND[self.kind] if self.accepted is None else self.accepted


@dataclass(slots=True)
class _PlannedFault:
    fault: Fault
    left: int | None
    seen: int = 0

    def meets(self, path: str, doc_id: str, callers: frozenset[str], dice: random.Random) -> bool:
        """Tell whether a request meets the fault, which then has seen it."""
        fault = self.fault
        if fault.path not in ("*", path) or fault.doc_id not in ("", doc_id):
            return False
        if fault.agency and fault.agency not in callers:
            return False
        self.seen += 1
        return self.seen >= fault.nth and (fault.probability == 1 or dice.random() < fault.probability)


@dataclass(slots=True)
class FaultPlan:
    """Faults waiting to happen, each request meeting the first that fits it. May be used from any thread.

    Args:
        seed: of the dice that a fault's `probability` throws: the same seed, the same faults.
    """

    seed: int = 0
    _planned: dict[int, _PlannedFault] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311  chance, no secret

    def add(self, fault: Fault) -> int:
        """Plan a fault after those already planned, and give its number."""
        with self._lock:
            number = next(self._numbers)
            self._planned[number] = _PlannedFault(fault, fault.count)
            return number

    def remove(self, number: int) -> bool:
        """Take a fault out of the plan; False if it is not there, for example because it is used up."""
        with self._lock:
            return self._planned.pop(number, None) is not None

    def clear(self) -> None:
        """Take every fault out of the plan."""
        with self._lock:
            self._planned.clear()

    def list_pending(self) -> list[tuple[int, Fault, int | None]]:
        """List number, fault and how many times it is still to happen (None: until removed)."""
        with self._lock:
            return [(number, planned.fault, planned.left) for number, planned in self._planned.items()]

    def take(self, path: str, doc_id: str = "", callers: frozenset[str] = frozenset()) -> Fault | None:
        """Take the fault that a request meets; counts as one time.

        Args:
            path: of the call.
            doc_id: docId that it is about; empty where it is about none.
            callers: the agency and the system that ask, as far as the request names them.
        """
        with self._lock:
            for number, planned in self._planned.items():
                if planned.meets(path, doc_id, callers, self._dice):
                    if planned.left is not None:
                        planned.left -= 1
                        if planned.left == 0:
                            del self._planned[number]
                    return planned.fault
            return None
