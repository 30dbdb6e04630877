"""The fast path for elements written exactly as the standard writes them, as most are.

`elements` reads any element, and reports each deviation from the table. An element without any deviation is read here
in a fraction of the time; an element that may have one is left to `elements` as a whole.
"""

from __future__ import annotations

from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

from lxml import etree

from ..._core import has_too_many_marks
from ..message import TEXT, Model, Row, Steps, Table

M = TypeVar("M")

_NOT_PLAIN = -1


def build_model(kind: type[M], values: dict[str, Any]) -> M:
    """Build a model of the values; missing ones are empty, never a default, since the packet does not state it."""
    if issubclass(kind, Model):
        # values come from the table's own kinds, so nothing is left to validate
        return kind.model_construct(**(_build_empty_values(kind) | values))
    return kind(**values)


def read_plain_values(table: Table, parent: etree._Element, prefix: str | None) -> dict[str, Any] | None:
    """Read the values of an element that gives no finding, as `ElementReader.read_values` would.

    Args:
        table: the table of the element's children.
        parent: the element; its own name and attributes are not checked.
        prefix: the prefix of the names in it, as this library writes them.

    Returns:
        Values by attribute of the model; None where a child deviates from the table, or may do so.
    """
    found: dict[str, Any] = {}
    if _gather_values(table.steps, parent, prefix, found, 0) == _NOT_PLAIN or not table.required <= found.keys():
        return None
    for attr in table.many & found.keys():
        found[attr] = tuple(found[attr])
    return found


def _gather_values(
    steps: Steps, parent: etree._Element, prefix: str | None, found: dict[str, Any], least_place: int
) -> int:
    """Gather the values in an element; return the last one's place in the table, before which none may follow."""
    if _has_text(parent.text):
        return _NOT_PLAIN
    seen_groups: set[str] = set()
    for child in parent:
        tag: Any = child.tag  # no text for a comment, so that it is not among the steps
        step = steps.get(tag)
        if step is None or child.prefix != prefix or child.keys() or _has_text(child.tail):
            return _NOT_PLAIN
        if isinstance(step, dict):
            count_before = len(found)
            if tag in seen_groups:
                return _NOT_PLAIN
            seen_groups.add(tag)
            least_place = _gather_values(step, child, prefix, found, least_place)
            if least_place == _NOT_PLAIN or len(found) == count_before:
                return _NOT_PLAIN
            continue
        place, row = step
        value = _read_value(row, child, prefix)
        if value is None or place < least_place or (row.attr in found and not row.many):
            return _NOT_PLAIN
        least_place = place
        if row.many:
            found.setdefault(row.attr, []).append(value)
        else:
            found[row.attr] = value
    return least_place


def _has_text(text: str | None) -> bool:
    """Tell whether a text between elements is more than space."""
    return bool(text) and not text.isspace()  # type: ignore[union-attr]  # it is one


def _read_value(row: Row, element: etree._Element, prefix: str | None) -> Any:
    """Read the value of an element; None where that needs a closer look."""
    kind = row.kind
    if isinstance(kind, Table):
        values = read_plain_values(kind, element, prefix)
        return build_model(kind.model, values) if values else None
    text = element.text
    if len(element) or not text or text == "null" or text.strip() != text:
        return None
    if (row.limit is not None and len(text) > row.limit) or has_too_many_marks(text):
        return None
    if kind is TEXT:
        return text
    value = kind.read(text)
    if value is None or kind.write(value) != text:
        return None
    return None if kind.find_doubt is not None and kind.find_doubt(text) else value


@cache
def _build_empty_values(kind: type[Model]) -> dict[str, Any]:
    """Build the empty values of a model, which stand for elements that are not in the packet."""
    return {name: _make_empty_value(field.annotation) for name, field in kind.model_fields.items()}


def _make_empty_value(annotation: Any) -> Any:
    if NoneType in get_args(annotation):
        return None
    if get_origin(annotation) is tuple:
        return ()
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation.model_construct(**_build_empty_values(annotation))
    return ""
