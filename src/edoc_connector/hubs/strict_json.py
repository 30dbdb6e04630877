"""A strict reader of JSON, for answers of hubs.

``json.loads`` takes NaN, keeps the last of two equal keys and fails with RecursionError on depth. Two programs read an
answer that relies on any of that differently.
"""

from __future__ import annotations

import json
import math
from typing import Any

MAX_DEPTH = 32
MAX_VALUES = 2_000_000
"""Most values, counted by the commas and brackets before any is made: an empty object of three bytes takes thirty times
its length in memory. A directory of 200,000 agencies has fewer."""


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
