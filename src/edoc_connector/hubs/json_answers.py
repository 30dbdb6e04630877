"""Answers in JSON, as every dialect reads them: an object or an error, rows, and fields of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .fields import as_json_or_text
from .messages import build_protocol_error
from .refusals import build_lost_answer_error
from .results import MessageType
from .strict_json import NotJsonError, parse_strict_json
from .wire import WireResponse

Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Fields of a result: attribute to the hub's name and the conversion."""


def parse_object(response: WireResponse, call: str, *, sends: bool) -> Mapping[str, Any]:
    """Parse the JSON object of an answer.

    Args:
        response: the answer.
        call: name of the call.
        sends: whether the call hands a packet over.

    Raises:
        OutcomeUnknown: the call handed something over, and the answer is empty or cut off.
        ProtocolError: the answer is no JSON object.
    """
    body = response.body.strip()
    try:
        answer = parse_strict_json(body)
    except NotJsonError as error:
        if sends and (not body or body.startswith(b"{")):  # began as an answer does, or never began
            raise build_lost_answer_error("empty" if not body else "JSON cut off or broken") from None
        raise build_protocol_error(call, _describe_body(body, str(error))) from None
    if not isinstance(answer, dict):
        raise build_protocol_error(call, "it is no JSON object")
    return answer


def parse_object_if_any(response: WireResponse) -> Mapping[str, Any]:
    """Parse the JSON object of an answer that is an error anyway; empty where there is none, as in a proxy's page."""
    try:
        answer = parse_strict_json(response.body)
    except NotJsonError:
        return {}
    return answer if isinstance(answer, dict) else {}


def require_rows(rows: Any, call: str, name: str) -> list[Mapping[str, Any]]:
    """Require a list of objects; null is a list of nothing.

    Args:
        rows: the value.
        call: name of the call.
        name: of the member that has the value.

    Raises:
        ProtocolError: it is anything else.
    """
    if rows is None:
        return []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise build_protocol_error(call, f"its {name} is no list of objects")
    return rows


def convert_fields(row: Mapping[str, Any], fields: Fields) -> dict[str, Any]:
    """Convert the fields of a row; one that is absent is converted from None."""
    return {attribute: convert(row.get(key)) for attribute, (key, convert) in fields.items()}


def parse_message_type(value: Any, requested_type: MessageType) -> MessageType:
    """Parse the row's own message type; where the hub writes none that is known, it is the one asked for."""
    words = as_json_or_text(value).strip().lower()
    return MessageType(words) if words in set(MessageType) else requested_type


def _describe_body(body: bytes, why: str) -> str:
    if not body:
        return "it is empty"
    return "it is an HTML page, as proxies send" if body.startswith(b"<") else f"it is not JSON ({why})"
