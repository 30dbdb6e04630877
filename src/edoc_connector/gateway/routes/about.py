"""What a key may speak for, and whether the gateway works."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .. import models
from ..access import HeldKeys, get_offices
from ..answers import answer_json
from ..openapi import UNCHANGED, describe_problems

router = APIRouter(tags=["about"], responses=describe_problems())
health_router = APIRouter(tags=["health"])


@router.get("/v1/agencies", response_model=models.AgencyList, responses=dict(UNCHANGED))
def list_agencies(request: Request, held: HeldKeys) -> Response:
    """List the agencies that your key may speak for."""
    offices = get_offices(request)
    items = [models.AgencyOut(id=agency, name=offices[agency].settings.agency.name) for agency in held]
    return answer_json(request, models.AgencyList(items=items))


@health_router.get("/livez", response_model=models.Health)
def check_life() -> Response:
    """Whether the process answers; no key is needed."""
    return JSONResponse(models.Health(status="ok").model_dump())


@health_router.get(
    "/readyz", response_model=models.Health, responses={503: {"model": models.Health, "description": "Not ready."}}
)
def check_readiness(request: Request) -> Response:
    """Whether every agency's store answers; no key is needed."""
    found = {office.agency: office.is_ready() for office in get_offices(request)}
    is_ready = all(found.values())
    health = models.Health(status="ok" if is_ready else "unavailable", agencies=found)
    return JSONResponse(health.model_dump(), status_code=200 if is_ready else 503)
