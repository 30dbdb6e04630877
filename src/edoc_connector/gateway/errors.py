"""What the gateway refuses by itself, before the connector is asked."""

from __future__ import annotations

from collections.abc import Sequence

from ..edxml import FieldProblem
from ..errors import EdocError


class GatewayError(EdocError):
    """The gateway refuses a request."""


class NotAuthenticated(GatewayError):
    """There is no key, or one that is not taken."""


class NotAllowed(GatewayError):
    """The key may not speak for that agency."""


class TooManyRequests(GatewayError):
    """The key made too many requests.

    Args:
        retry_after: whole seconds until the next one is taken.
    """

    def __init__(self, message: str, *, vi: str, retry_after: int) -> None:
        super().__init__(message, vi=vi)
        self.retry_after = retry_after


class BodyTooLarge(GatewayError):
    """A body, or a part of it, has more bytes than the settings let through."""


class UnsupportedBody(GatewayError):
    """A body of another media type than the call takes."""


class InvalidRequest(GatewayError):
    """Values of a request that cannot be.

    Args:
        problems: each field that is wrong.
    """

    def __init__(self, message: str, *, vi: str, problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message, vi=vi)
        self.problems = tuple(problems)


class KeyReused(GatewayError):
    """An Idempotency-Key that another request has."""


class NotNow(GatewayError):
    """The packet is not in a state for that."""
