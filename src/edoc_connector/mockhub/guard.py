"""Who may use the page and the administration interface, which play every agency.

With a password they ask for that (HTTP Basic, RFC 7617, under any user name); without one they answer this machine
only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from edoc_connector.mockhub.config import is_loopback

if TYPE_CHECKING:
    from edoc_connector.mockhub.hub import Hub

Endpoint = Callable[[Request], Awaitable[Response]]


def guard_endpoint(hub: Hub, endpoint: Endpoint) -> Endpoint:
    """Refuse strangers, and what a page of another site makes a browser ask for."""

    async def guard(request: Request) -> Response:
        refusal = _refuse_stranger(request, hub.config.password)
        if refusal is not None:
            return refusal
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if hub.config.hosts and (urlsplit(f"//{host}").hostname or "") not in hub.config.hosts:
            return PlainTextResponse("This host name is not one of this hub's.", status_code=403)
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("Requests from other sites are not allowed.", status_code=403)
        return await endpoint(request)

    return guard


def _refuse_stranger(request: Request, password: str) -> Response | None:
    if not password:
        is_here = request.client is None or is_loopback(request.client.host)
        return None if is_here else PlainTextResponse("Without a password, this machine only.", status_code=403)
    if hmac.compare_digest(_hash_text(_get_password(request)), _hash_text(password)):
        return None
    challenge = {"www-authenticate": 'Basic realm="mock hub", charset="UTF-8"'}
    return PlainTextResponse("The password of this mock hub is asked for.", status_code=401, headers=challenge)


def _get_password(request: Request) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    try:
        text = base64.b64decode(credentials, validate=True).decode() if scheme.lower() == "basic" else ""
    except ValueError:
        return ""
    return text.partition(":")[2]


def _hash_text(text: str) -> bytes:
    """Hash a text, so that comparing takes as long whatever its length."""
    return hashlib.sha256(text.encode()).digest()
