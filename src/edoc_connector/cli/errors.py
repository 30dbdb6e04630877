"""What is wrong with a document's JSON, by field, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pydantic
    from pydantic_core import ErrorDetails

_DATE = ("write the date as 2026-11-20", "hãy ghi ngày theo dạng 2026-11-20")
_LIST = ("it must be a list: […]", "phải là danh sách: […]")
_OBJECT = ("it must be an object: {…}", "phải là nhóm trường: {…}")
_TIME = ("write the time as 2026-11-20T08:30:00+07:00", "hãy ghi thời gian theo dạng 2026-11-20T08:30:00+07:00")
_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("it is missing", "thiếu trường này"),
    "extra_forbidden": ("there is no such field", "không có trường này"),
    "string_type": ('it must be a text in quotes: "…"', 'phải là chuỗi ký tự trong dấu nháy: "…"'),
    "bool_type": ("it must be true or false", "phải là true hoặc false"),
    "bool_parsing": ("it must be true or false", "phải là true hoặc false"),
    "int_type": ("it must be a whole number", "phải là số nguyên"),
    "int_parsing": ("it must be a whole number", "phải là số nguyên"),
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "timezone_aware": _TIME,
}
# A derived field cannot be made where what it is made of is wrong: that is said there already.
_CONSEQUENCE = "default_factory_not_called"


def describe_json_faults(error: pydantic.ValidationError) -> tuple[str, str]:
    """Every fault, with the field's name in front."""
    found = [one for one in error.errors() if one["type"] != _CONSEQUENCE]
    faults = [(".".join(map(str, one["loc"])) or "JSON", *_describe_fault(one)) for one in found]
    return "; ".join(f"{place}: {en}" for place, en, _ in faults), "; ".join(
        f"{place}: {vi}" for place, _, vi in faults
    )


def _describe_fault(fault: ErrorDetails) -> tuple[str, str]:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind.startswith("datetime"):
        return _TIME
    if kind.startswith("date"):
        return _DATE
    if kind == "json_invalid":
        return f"it is not JSON: {context.get('error')}", f"không đúng cú pháp JSON: {context.get('error')}"
    if kind in ("enum", "literal_error"):
        expected = str(context.get("expected"))
        return f"it must be {expected}", f"phải là {expected.replace(' or ', ' hoặc ')}"
    return _WORDS.get(kind) or (fault["msg"], f"giá trị không hợp lệ ({fault['msg']})")
