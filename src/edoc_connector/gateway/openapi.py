"""The interface's own description (OpenAPI 3.1): what FastAPI cannot see in the code is added here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from .._version import __version__
from . import models
from .problems import ALL_TYPES, MEDIA_TYPE
from .uploads import FORM_TYPE, JSON_TYPE

_TITLE = "edoc gateway"
_ABOUT = """\
Send and receive official documents over the document interchange hubs, from any language.

Every call needs the header `Authorization: Bearer KEY`. Errors are `application/problem+json` (RFC 9457) in English and
Vietnamese. Lists are pages: `next` goes to `after`.

Gửi, nhận văn bản điện tử qua trục liên thông bằng mọi ngôn ngữ lập trình. Mỗi yêu cầu kèm `Authorization: Bearer KHÓA`;
lỗi trả về theo RFC 9457 bằng tiếng Anh và tiếng Việt."""

_EXTRA_MODELS = (models.Problem, models.DocumentIn, models.WebhookBody)
_REFERENCE = "#/components/schemas/{model}"


def refer(model: type[Any]) -> dict[str, str]:
    """Refer to the schema of a model."""
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def describe_problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problems that calls answer with, by HTTP status; and those that each may."""
    words = {
        status: ", ".join(sorted(one.code for one in ALL_TYPES if one.status == status))
        for status in {400, 401, 403, 429, 500, 503, *codes}
    }
    return {
        status: {"description": f"Problem: {names}", "content": {MEDIA_TYPE: {"schema": refer(models.Problem)}}}
        for status, names in sorted(words.items())
    }


def _describe_body(media_type: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: body}}}


# Of two media types of one call, generators of clients take the first: each has a call of its own.
JSON_BODY = _describe_body(JSON_TYPE, {"schema": refer(models.DocumentIn)})
"""The body of the call that takes a document as JSON."""
FORM_BODY = _describe_body(
    FORM_TYPE,
    {
        "schema": {
            "type": "object",
            "required": ["document"],
            "properties": {
                "document": refer(models.DocumentIn),
                "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
            },
        },
        "encoding": {"document": {"contentType": JSON_TYPE}},
    },
)
"""The body of the call that takes a document with its files as a form."""


def describe_file(media_type: str, about: str) -> dict[str, Any]:
    """Describe an answer that is a file."""
    return {"description": about, "content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}


UNCHANGED: Mapping[int | str, dict[str, Any]] = {304: {"description": "The client has it already (If-None-Match)."}}


def install_description(app: FastAPI) -> None:
    """Have an application describe itself with what is added here."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_description(app)
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def build_description(app: FastAPI) -> dict[str, Any]:
    """Build the description of an application."""
    found = get_openapi(
        title=_TITLE, version=__version__, description=_ABOUT, routes=app.routes, webhooks=app.webhooks.routes
    )
    _, extra = models_json_schema([(model, "validation") for model in _EXTRA_MODELS], ref_template=_REFERENCE)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in extra.get("$defs", {}).items():
        schemas.setdefault(name, schema)
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; ours are problems
        schemas.pop(name, None)
    for path in found.get("webhooks", {}).values():
        path["post"]["responses"] = {"2XX": {"description": "Taken. Anything else is told again later."}}
    found["components"]["schemas"] = dict(sorted(schemas.items()))
    for path, item in found["paths"].items():
        for operation in item.values():
            operation.get("parameters", []).sort(key=lambda parameter: _find_place(path, parameter["name"]))
    return found


def _find_place(path: str, name: str) -> int:
    """Find where a parameter stands in a path: in that order generated clients take them; behind it, those of none."""
    place = path.find(f"{{{name}}}")
    return len(path) if place < 0 else place
