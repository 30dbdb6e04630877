"""The page and the administration interface over HTTP, for people and tests; not part of the dialect.

Whoever may use it plays every agency. With a password it asks for that (HTTP Basic, RFC 7617, under any user name);
without one it answers callers on this machine only.

==========================  ==================================================================================
``GET /``                   the page
``GET /mock/faults``        the fault plan
``POST /mock/faults``       plan a fault: JSON object with the fields of `Fault`; answers its ``id``
``DELETE /mock/faults``     forget the plan
``POST /mock/clock``        set the clock: ``{"offset_seconds": 3600}``, and be strict: ``"tolerance_seconds": 300``
``POST /mock/lock``         lock or unlock a receiver: ``{"code": "G22", "locked": true}``
==========================  ==================================================================================
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from edoc_connector.mockhub import page
from edoc_connector.mockhub.codes import RefusedError
from edoc_connector.mockhub.config import is_loopback
from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.hub import Hub

_MAX_BODY = 1 << 16

Endpoint = Callable[[Request], Awaitable[Response]]


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of the page and the administration of a hub."""
    token = secrets.token_urlsafe(32)
    table: list[tuple[str, Endpoint, list[str]]] = [
        ("/", _build_page_endpoint(hub, token), ["GET"]),
        ("/mock/style.css", _serve_style, ["GET"]),
        ("/mock/act", _build_action_endpoint(hub, token), ["POST"]),
        ("/mock/faults", _build_faults_endpoint(hub), ["GET", "POST", "DELETE"]),
        ("/mock/clock", _build_clock_endpoint(hub), ["POST"]),
        ("/mock/lock", _build_lock_endpoint(hub), ["POST"]),
    ]
    return [Route(path, _guard_endpoint(hub, endpoint), methods=methods) for path, endpoint, methods in table]


def _guard_endpoint(hub: Hub, endpoint: Endpoint) -> Endpoint:
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


def _build_page_endpoint(hub: Hub, token: str) -> Endpoint:
    async def show(request: Request) -> Response:
        content = await run_in_threadpool(page.render_page, hub, token, request.query_params.get("message", ""))
        headers = {
            "content-security-policy": page.CONTENT_SECURITY_POLICY,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cache-control": "no-store",
        }
        return Response(content, media_type="text/html", headers=headers)

    return show


async def _serve_style(_: Request) -> Response:
    return Response(page.STYLE, media_type="text/css")


def _build_action_endpoint(hub: Hub, token: str) -> Endpoint:
    async def act(request: Request) -> Response:
        form = dict(parse_qsl((await _read_body(request)).decode("utf-8", "replace")))
        try:
            message = await run_in_threadpool(page.perform_action, hub, form, token)
        except RefusedError as refused:
            message = refused.text
        return RedirectResponse(f"/?message={quote(message)}", status_code=303)

    return act


def _build_faults_endpoint(hub: Hub) -> Endpoint:
    async def handle_faults(request: Request) -> Response:
        if request.method == "POST":
            return await _answer_json(request, lambda given: {"id": hub.faults.add(Fault(**given))})
        if request.method == "DELETE":
            hub.faults.clear()
        rows = [{"id": number, **asdict(fault), "left": left} for number, fault, left in hub.faults.list_pending()]
        return JSONResponse({"faults": rows})

    return handle_faults


def _build_clock_endpoint(hub: Hub) -> Endpoint:
    def set_offset(given: dict[str, Any]) -> dict[str, Any]:
        offset = timedelta(seconds=float(given["offset_seconds"]))
        if "tolerance_seconds" in given:
            hub.clock_tolerance = timedelta(seconds=float(given["tolerance_seconds"]))
        hub.clock_offset = offset
        return {"now": hub.format_now()}

    async def handle_clock(request: Request) -> Response:
        return await _answer_json(request, set_offset)

    return handle_clock


def _build_lock_endpoint(hub: Hub) -> Endpoint:
    def set_lock(given: dict[str, Any]) -> dict[str, Any]:
        hub.storage.mark_agency(str(given["code"]), locked=bool(given["locked"]), at=hub.now())
        return {}

    async def handle_lock(request: Request) -> Response:
        return await _answer_json(request, set_lock)

    return handle_lock


async def _answer_json(request: Request, handle: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    """Answer a JSON object. The content type is asked for because a browser lets no other site send it unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "send application/json"}, status_code=415)
    try:
        return JSONResponse(handle(dict(json.loads(await _read_body(request)))), status_code=201)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=422)


async def _read_body(request: Request) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_BODY:
            raise HTTPException(413)
    return data
