"""The calls of a provincial eDoc hub, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

JSON = "application/json"
OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the hub.

    Args:
        name: the last part of its path.
        method: HTTP method.
        content_type: of the request; sendDocument is refused with any other.
        sends: whether a repeated call has a further effect, so that it must not be retried blindly after a lost answer.
    """

    name: str
    method: str = "POST"
    content_type: str = JSON
    sends: bool = False


SEND = Call("sendDocument", content_type=OCTETS, sends=True)
LIST = Call("getPendingDocIds", "GET")
FETCH = Call("getDocument")
CONFIRM = Call("confirmReceived")
AGENCIES = Call("getOrganizations", "GET")
EXISTS = Call("checkExistDocument")

OTHER_METHOD: Mapping[str, str] = MappingProxyType({"GET": "POST", "POST": "GET"})
"""The method that a hub takes for a list that answers 405 to the first."""
