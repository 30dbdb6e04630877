"""The calls of a provincial platform, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..refusals import DONE_BEFORE

JSON = "application/json"
XML = "application/xml"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the platform.

    Args:
        name: the last part of its path.
        method: HTTP method.
        sends: whether a repeated call has a further effect, so that it must not be retried blindly after a lost answer.
        done_before: words of a refusal by which the platform says that the call was made before.
    """

    name: str
    method: str = "GET"
    sends: bool = False
    done_before: re.Pattern[str] | None = None

    @property
    def path(self) -> str:
        """The path under the base URL."""
        return f"v1/{self.name}"


SEND = Call("sendEdoc", "POST", sends=True)
LIST = Call("syncReceivedEdocList")
FETCH = Call("getEdoc")
CONFIRM = Call("updateStatus", "POST", done_before=DONE_BEFORE)
AGENCIES = Call("getAgenciesList")
LOGIN_PATH = "v1/auth/login?allow_anonymous=true"
