"""The gateway as an application of FastAPI: its calls, and its errors as problem documents."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .._core import get_logger, log_exception
from ..edxml import list_field_problems
from ..errors import EdocError
from . import models
from .offices import Offices
from .openapi import install_description
from .problems import MEDIA_TYPE, build_http_problem, build_internal_problem, build_problem
from .rate_limit import RateLimiter
from .routes import ROUTERS
from .uploads import build_invalid_request

log = get_logger("edoc_connector.gateway")

_SECURITY_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def build_app(offices: Offices) -> FastAPI:
    """Build the application for some agencies."""
    app = _make_app()
    app.state.offices = offices
    app.state.limiter = RateLimiter(rate=offices.settings.rate, burst=offices.settings.burst)
    return app


def describe_interface() -> dict[str, Any]:
    """Describe the interface (OpenAPI 3.1), as a running gateway does at /openapi.json."""
    return _make_app().openapi()


def _make_app() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, generate_unique_id_function=_name_operation)
    for router in ROUTERS:
        app.include_router(router)
    app.webhooks.post("event", response_model=None, tags=["webhooks"])(_describe_webhook)
    app.add_exception_handler(EdocError, _handle_known_error)
    app.add_exception_handler(RequestValidationError, _handle_invalid_request)
    app.add_exception_handler(HTTPException, _handle_refusal)
    app.add_exception_handler(ClientDisconnect, _handle_disconnect)
    app.add_exception_handler(Exception, _handle_mistake)
    install_description(app)
    return app


def _name_operation(route: APIRoute) -> str:
    """Name an operation as its function: clients are generated with that name."""
    return route.name


def _describe_webhook(body: models.WebhookBody) -> None:
    """Tell of a change (Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`)."""


def _answer_problem(problem: models.Problem, **headers: str) -> Response:
    wait = {"Retry-After": str(problem.retry_after)} if problem.retry_after is not None else {}
    body = problem.model_dump_json()
    return Response(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=_SECURITY_HEADERS | wait | headers)


async def _handle_known_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, EdocError)  # noqa: S101  FastAPI calls it for those
    problem = build_problem(error)
    if problem.status >= 500:
        log.warning("%s: %s", problem.code, error)
    challenge = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    return _answer_problem(problem, **challenge)


async def _handle_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  as above
    faults: list[Any] = [{**fault, "loc": fault["loc"][1:] or fault["loc"]} for fault in error.errors()]
    return _answer_problem(build_problem(build_invalid_request(list_field_problems(faults))))


async def _handle_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  as above
    return _answer_problem(build_http_problem(error.status_code, error.detail), **dict(error.headers or {}))


async def _handle_disconnect(_request: Request, _error: Exception) -> Response:
    log.info("a client went away while it sent a body; nothing was stored")
    return Response(status_code=400)


async def _handle_mistake(_request: Request, error: Exception) -> Response:
    log_exception(log, logging.ERROR, "a call of the gateway failed", error=error)
    return _answer_problem(build_internal_problem())
