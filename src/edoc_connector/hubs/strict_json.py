"""Answers in JSON, read strictly: an object or an error, rows, and fields of rows, as every dialect reads them.

``json.loads`` takes NaN, keeps the last of two equal keys and fails with RecursionError on depth. Two programs read an
answer that relies on any of that differently.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from .fields import as_json_or_text
from .messages import build_protocol_error
from .refusals import build_lost_answer_error
from .results import MessageType
from .wire import WireResponse

MAX_DEPTH = 32
MAX_VALUES = 2_000_000
"""Most values, counted by the commas and brackets before any is made: an empty object of three bytes takes thirty times
its length in memory. A directory of 200,000 agencies has fewer."""

Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]
"""Fields of a result: attribute to the hub's name and the conversion."""


class NotJsonError(ValueError):
    """Bytes that are not strict JSON. The text says why, without repeating them."""


def parse_strict_json(data: bytes) -> Any:
    """Read strict JSON.

    Args:
        data: UTF-8, with or without a byte order mark; no NaN or infinities, no repeated key, at most 32 deep.

    Raises:
        NotJsonError: the bytes are anything else, or hold more than `MAX_VALUES` values.
    """
    if len(data) > MAX_VALUES and sum(map(data.count, (b",", b"{", b"["))) > MAX_VALUES:
        raise NotJsonError(f"more than {MAX_VALUES} values")
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_build_object,
            parse_constant=_refuse_constant,
            parse_float=_parse_finite,
        )
    except NotJsonError:
        raise
    except RecursionError:
        raise NotJsonError("nested too deep") from None
    except UnicodeDecodeError:
        raise NotJsonError("not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotJsonError(f"{error.msg} at byte {error.pos}") from None
    except ValueError:  # int() refuses numbers of thousands of digits
        raise NotJsonError("a number is too long") from None
    _check_depth(value)
    return value


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotJsonError("a key is repeated in one object")
    return result


def _refuse_constant(text: str) -> Any:
    raise NotJsonError(f"{text} is not JSON")


def _parse_finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise NotJsonError("a number is too large")
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                children.extend(item.values())
            elif isinstance(item, list):
                children.extend(item)
        if not children:
            return
        level = children
    raise NotJsonError(f"nested deeper than {MAX_DEPTH}")


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
