"""The page and the administration interface over HTTP: for people and tests, not part of the dialect.

==========================  ==================================================================================
``GET /``                   the page
``GET /mock/faults``        the fault plan
``POST /mock/faults``       plan a fault: JSON object with the fields of `Fault`; answers its ``id``
``DELETE /mock/faults``     forget the plan
``POST /mock/clock``        set the clock: ``{"offset_seconds": 3600}``
``POST /mock/lock``         lock or unlock a receiver: ``{"code": "G22", "locked": true}``
==========================  ==================================================================================
"""

from __future__ import annotations

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
from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.hub import Hub

_MAX_BODY = 1 << 16

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(hub: Hub) -> list[Route]:
    """Routes of the page and the administration of a hub."""
    token = secrets.token_urlsafe(32)
    table: list[tuple[str, Endpoint, list[str]]] = [
        ("/", _show(hub, token), ["GET"]),
        ("/mock/style.css", _style, ["GET"]),
        ("/mock/act", _act(hub, token), ["POST"]),
        ("/mock/faults", _faults(hub), ["GET", "POST", "DELETE"]),
        ("/mock/clock", _clock(hub), ["POST"]),
        ("/mock/lock", _lock(hub), ["POST"]),
    ]
    return [Route(path, _guarded(hub, endpoint), methods=methods) for path, endpoint, methods in table]


def _guarded(hub: Hub, endpoint: Endpoint) -> Endpoint:
    """Refuse what a page of another site makes a browser ask for."""

    async def guarded(request: Request) -> Response:
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if hub.config.hosts and (urlsplit(f"//{host}").hostname or "") not in hub.config.hosts:
            return PlainTextResponse("This host name is not one of this hub's.", status_code=403)
        if origin is not None and urlsplit(origin).netloc != host:
            return PlainTextResponse("Requests from other sites are not allowed.", status_code=403)
        return await endpoint(request)

    return guarded


def _show(hub: Hub, token: str) -> Endpoint:
    async def show(request: Request) -> Response:
        content = await run_in_threadpool(page.render, hub, token, request.query_params.get("message", ""))
        headers = {
            "content-security-policy": page.POLICY,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cache-control": "no-store",
        }
        return Response(content, media_type="text/html", headers=headers)

    return show


async def _style(_: Request) -> Response:
    return Response(page.STYLE, media_type="text/css")


def _act(hub: Hub, token: str) -> Endpoint:
    async def act(request: Request) -> Response:
        form = dict(parse_qsl((await _body(request)).decode("utf-8", "replace")))
        try:
            message = await run_in_threadpool(page.act, hub, form, token)
        except RefusedError as refused:
            message = refused.text
        return RedirectResponse(f"/?message={quote(message)}", status_code=303)

    return act


def _faults(hub: Hub) -> Endpoint:
    async def faults(request: Request) -> Response:
        if request.method == "POST":
            return await _with_json(request, lambda given: {"id": hub.faults.add(Fault(**given))})
        if request.method == "DELETE":
            hub.faults.clear()
        rows = [{"id": number, **asdict(fault), "left": left} for number, fault, left in hub.faults.pending()]
        return JSONResponse({"faults": rows})

    return faults


def _clock(hub: Hub) -> Endpoint:
    def set_offset(given: dict[str, Any]) -> dict[str, Any]:
        hub.clock_offset = timedelta(seconds=float(given["offset_seconds"]))
        return {"now": hub.stamp()}

    async def clock(request: Request) -> Response:
        return await _with_json(request, set_offset)

    return clock


def _lock(hub: Hub) -> Endpoint:
    def set_lock(given: dict[str, Any]) -> dict[str, Any]:
        hub.storage.mark_agency(str(given["code"]), locked=bool(given["locked"]), at=hub.now())
        return {}

    async def lock(request: Request) -> Response:
        return await _with_json(request, set_lock)

    return lock


async def _with_json(request: Request, use: Callable[[dict[str, Any]], dict[str, Any]]) -> Response:
    """Answer a JSON object. The content type is asked for because a browser lets no other site send it unasked."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return JSONResponse({"error": "send application/json"}, status_code=415)
    try:
        return JSONResponse(use(dict(json.loads(await _body(request)))), status_code=201)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=422)


async def _body(request: Request) -> bytes:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_BODY:
            raise HTTPException(413)
    return data
