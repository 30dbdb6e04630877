"""Tokens that a form brings back: a page of another site cannot know them."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

CSRF_FIELD: Final = "token"
"""The field of a form that holds the token."""


@dataclass(frozen=True, slots=True)
class CsrfTokens:
    """Tokens of this process, one for each session.

    Args:
        key: secret of the process; made where none is given.
    """

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def issue(self, session: str = "") -> str:
        """Issue the token of a session; a program without sessions has one."""
        return hmac.new(self.key, session.encode(), "sha256").hexdigest()

    def matches(self, token: str, session: str = "") -> bool:
        """Tell whether a token is that of a session."""
        return hmac.compare_digest(token.encode(), self.issue(session).encode())
