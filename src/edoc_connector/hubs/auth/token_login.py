"""A login by name and password in JSON, whose answer holds a token for a while."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..dialect import SECRET
from ..endpoint import is_header_value, is_usable_url, require_settings
from ..wire import Flow, WireRequest, WireResponse
from .answers import MAX_ANSWER, parse_token_answer
from .authenticator import AccessToken, is_token_refused
from .messages import MISSING_PASSWORD, UNUSABLE_LIFETIME, UNUSABLE_LOGIN_URL, UNUSABLE_MEMBERS, UNUSABLE_SCHEME


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """Log in by name and password, and carry the token as Bearer, or bare where a hub wants it so.

    Args:
        login_url: URL of the login; may have a query.
        username: the application's name.
        password: its password; never in a repr, a log or an error.
        members: what the JSON of the login holds beside ``username`` and ``password``.
        token_path: names of the members that lead to the token in the answer, joined by dots.
        lifetime: seconds that a token is used for; less than the platform keeps it.
        scheme: what stands before the token in the header Authorization; empty for a bare token.

    Raises:
        ConfigError: the URL, name or password cannot be used.
    """

    login_url: str
    username: str
    password: str = field(repr=False, metadata=SECRET)
    members: Mapping[str, Any] = field(default_factory=dict, hash=False)
    token_path: str = "data.token"  # noqa: S105  a place, and no token
    lifetime: float = 1500.0
    scheme: str = "Bearer"

    def __post_init__(self) -> None:
        require_settings(
            (
                (is_usable_url(self.login_url), UNUSABLE_LOGIN_URL),
                (bool(self.username and self.password), MISSING_PASSWORD),
                (self.lifetime > 0, UNUSABLE_LIFETIME),
                (_is_json(self.members), UNUSABLE_MEMBERS),
                (is_header_value(self.scheme), UNUSABLE_SCHEME),
            )
        )

    def build_headers(self, token: AccessToken) -> Mapping[str, str]:
        """Build the header Authorization."""
        return {"Authorization": f"{self.scheme} {token.value}".lstrip()}

    def log_in(self) -> Flow[AccessToken]:
        """Log in; see `Authenticator.log_in`."""
        entry = {"username": self.username, "password": self.password, **self.members}
        response = yield WireRequest(
            method="POST",
            url=self.login_url,
            headers={"Content-Type": "application/json"},
            body=json.dumps(entry, ensure_ascii=False).encode(),
            limit=MAX_ANSWER,
            is_login=True,
        )
        return parse_token_answer(response, url=self.login_url, path=self.token_path, lifetime=self.lifetime)

    def is_refused(self, response: WireResponse) -> bool:
        """Tell whether an answer refuses the token."""
        return is_token_refused(response)


def _is_json(members: Mapping[str, Any]) -> bool:
    try:
        json.dumps(members, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
