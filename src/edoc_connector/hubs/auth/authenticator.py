"""The interface of authenticators: values that say how to log in, and what each request carries. No network, no state.

The token itself, its renewal and the one login in flight are the client's (`edoc_connector.client.sessions`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..wire import Flow, WireResponse

_REFUSED_TEXT = b"unauthorized"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token that lets requests in for a while.

    Args:
        value: the token, printable ASCII.
        lifetime: seconds from its issue for which it is good at most; it may be rotated earlier.
    """

    value: str = field(repr=False)
    lifetime: float


class Authenticator(Hashable, Protocol):
    """Say how to get a token, and what requests carry.

    An authenticator that a configuration names is a frozen dataclass whose fields are its settings, secret ones marked
    with `SECRET`. Clients with equal ones share one token: one login is in flight for all of them.
    """

    @property
    def login_url(self) -> str:
        """Where the token is asked for, for words to people."""
        ...

    def build_headers(self, token: AccessToken) -> Mapping[str, str]:
        """Build the headers that a request carries beside its own.

        Args:
            token: the token of now.
        """
        ...

    def log_in(self) -> Flow[AccessToken]:
        """Ask for a token.

        Raises:
            AuthenticationRejected: the credentials are refused.
            HubUnavailable: busy, throttled or failing inside.
            IntermediaryAnswer: what answered is no login.
        """
        ...

    def is_refused(self, response: WireResponse) -> bool:
        """Tell whether an answer refuses the token, so that a new login may help."""
        ...


def is_token_refused(response: WireResponse) -> bool:
    """Tell whether an answer refuses the token: HTTP 401, or the plain text ``Unauthorized`` with any status."""
    return response.status == 401 or response.body.strip().lower() == _REFUSED_TEXT
