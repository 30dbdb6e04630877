"""The administration interface over HTTP, for tests and programs; not part of a dialect.

==========================  ==================================================================================
``GET /mock/faults``        the fault plan
``POST /mock/faults``       plan a fault: JSON object with the fields of `Fault`; answers its ``id``
``DELETE /mock/faults``     forget the plan
``GET /mock/requests``      the calls that came last; ``?path=/sendEdoc&agency=G22`` selects
``DELETE /mock/requests``   forget them
``POST /mock/clock``        set the clock: ``{"offset_seconds": 3600}``, and be strict: ``"tolerance_seconds": 300``
``POST /mock/lock``         lock or unlock a receiver: ``{"code": "G22", "locked": true}``
==========================  ==================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edoc_connector.mockhub.faults import Fault
from edoc_connector.mockhub.guard import Endpoint, guard_endpoint
from edoc_connector.mockhub.hub import Hub

_MAX_BODY = 1 << 16


def build_routes(hub: Hub) -> list[Route]:
    """Build the routes of the administration of a hub."""
    table: list[tuple[str, Endpoint, list[str]]] = [
        ("/mock/faults", _build_faults_endpoint(hub), ["GET", "POST", "DELETE"]),
        ("/mock/requests", _build_requests_endpoint(hub), ["GET", "DELETE"]),
        ("/mock/clock", _build_clock_endpoint(hub), ["POST"]),
        ("/mock/lock", _build_lock_endpoint(hub), ["POST"]),
    ]
    return [Route(path, guard_endpoint(hub, endpoint), methods=methods) for path, endpoint, methods in table]


def _build_faults_endpoint(hub: Hub) -> Endpoint:
    async def handle_faults(request: Request) -> Response:
        if request.method == "POST":
            return await _answer_json(request, lambda given: {"id": hub.faults.add(Fault(**given))})
        if request.method == "DELETE":
            hub.faults.clear()
        rows = [{"id": number, **asdict(fault), "left": left} for number, fault, left in hub.faults.list_pending()]
        return JSONResponse({"faults": rows})

    return handle_faults


def _build_requests_endpoint(hub: Hub) -> Endpoint:
    async def handle_requests(request: Request) -> Response:
        if request.method == "DELETE":
            hub.requests.clear()
        query = request.query_params
        found = hub.requests.list_seen(query.get("path", "*"), query.get("agency", ""))
        return JSONResponse({"requests": [one.to_json() for one in found]})

    return handle_requests


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
