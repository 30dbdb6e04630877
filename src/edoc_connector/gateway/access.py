"""Who may do what: the key of a request, the agency of its address, and the parameters that calls share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Path, Query, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from ..store import KeyRow
from .keys import authenticate, record_use, require_agency
from .offices import Office, Offices
from .rate_limit import RateLimiter

_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="A key made by `edoc gateway keys add`.")


def get_offices(request: Request) -> Offices:
    """Get the agencies."""
    offices: Offices = request.app.state.offices
    return offices


def authenticate_request(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> dict[str, KeyRow]:
    """Find what the key of a request may speak for, and count the request.

    Raises:
        NotAuthenticated: there is no key, or it is not taken.
        TooManyRequests: the key made too many requests.
    """
    offices, limiter = get_offices(request), _get_limiter(request)
    held = authenticate(offices.stores, None if credentials is None else credentials.credentials)
    limiter.take(next(iter(held.values())).key_id)
    return held


def authorize(
    request: Request,
    agency: Annotated[str, Path(description="Code of the agency of ours.")],
    held: Annotated[dict[str, KeyRow], Depends(authenticate_request)],
) -> Office:
    """Find the agency of a request's address, for which its key must be.

    Raises:
        NotAllowed: the key may not speak for it.
    """
    row = require_agency(held, agency)
    office = get_offices(request)[agency]
    record_use(office.store, row)
    return office


def _get_limiter(request: Request) -> RateLimiter:
    limiter: RateLimiter = request.app.state.limiter
    return limiter


HeldKeys = Annotated[dict[str, KeyRow], Depends(authenticate_request)]
OfficeOf = Annotated[Office, Depends(authorize)]
Limit = Annotated[int, Query(ge=1, le=1000, description="Items on the page.")]
After = Annotated[
    str | None,
    Query(max_length=512, pattern=r"^[^\x00]*$", description="`next` of the page before, with the same filters."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of the client's, new for each request: sent again with the same content it gets the same "
        "answer, and nothing is done twice.",
    ),
]
