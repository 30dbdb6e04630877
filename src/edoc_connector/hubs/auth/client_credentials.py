"""OAuth2 client credentials (RFC 6749, 4.4), as API managers in front of hubs ask for them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from ..dialect import SECRET
from ..endpoint import is_usable_url, require_settings
from ..wire import Flow, WireRequest, WireResponse
from .answers import MAX_ANSWER, parse_token_answer
from .authenticator import AccessToken, is_token_refused
from .messages import MISSING_CREDENTIALS, UNUSABLE_LIFETIME, UNUSABLE_LOGIN_URL

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """Get a Bearer token for a key and a secret.

    Args:
        token_url: URL of the token call.
        key: the consumer key.
        secret: its secret; never in a repr, a log or an error.
        scope: the scope to ask for, where one is wanted.
        lifetime: seconds that a token is used for, where the answer does not say.

    Raises:
        ConfigError: the URL, key or secret cannot be used.
    """

    token_url: str
    key: str
    secret: str = field(repr=False, metadata=SECRET)
    scope: str = ""
    lifetime: float = 1800.0

    def __post_init__(self) -> None:
        require_settings(
            (
                (is_usable_url(self.token_url), UNUSABLE_LOGIN_URL),
                (bool(self.key and self.secret), MISSING_CREDENTIALS),
                (self.lifetime > 0, UNUSABLE_LIFETIME),
            )
        )

    @property
    def login_url(self) -> str:
        """Where the token is asked for."""
        return self.token_url

    def build_headers(self, token: AccessToken) -> Mapping[str, str]:
        """Build the Bearer header."""
        return build_bearer(token)

    def log_in(self) -> Flow[AccessToken]:
        """Ask for a token; see `Authenticator.log_in`."""
        credentials = base64.b64encode(f"{self.key}:{self.secret}".encode()).decode("ascii")
        headers = {"Authorization": f"Basic {credentials}"}
        return (yield from request_token(self.token_url, headers, scope=self.scope, lifetime=self.lifetime))

    def is_refused(self, response: WireResponse) -> bool:
        """Tell whether an answer refuses the token."""
        return is_token_refused(response)


def build_bearer(token: AccessToken) -> dict[str, str]:
    """Build the header of a Bearer token (RFC 6750, 2.1)."""
    return {"Authorization": f"Bearer {token.value}"}


def request_token(url: str, headers: Mapping[str, str], *, scope: str, lifetime: float) -> Flow[AccessToken]:
    """Ask for a token by the form of the client-credentials grant.

    Args:
        url: the token call.
        headers: that say who asks.
        scope: empty for none.
        lifetime: seconds, where the answer has no ``expires_in``.
    """
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    response = yield WireRequest(
        method="POST",
        url=url,
        headers={"Content-Type": FORM, "Accept": "application/json", **headers},
        body=urlencode(form).encode("ascii"),
        limit=MAX_ANSWER,
        is_login=True,
    )
    return parse_token_answer(response, url=url, path="access_token", lifetime=lifetime, lifetime_member="expires_in")
