"""Values of a wrong kind in a model, as one error of ours: every field, what is wrong with it, in both languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..._core import Text
from ...errors import InvalidFields

if TYPE_CHECKING:
    import pydantic
    from pydantic_core import ErrorDetails


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A field that a model does not take.

    Args:
        code: kind of the fault, as pydantic names it: ``missing``, ``extra_forbidden``, ``date_type``…
        field: path of the attribute, e.g. ``recipients[1].name``; empty for the model as a whole.
        message: message in English.
        message_vi: message in Vietnamese.
    """

    code: str
    field: str
    message: str
    message_vi: str


_DATE = Text("write the date as 2026-11-20", "hãy ghi ngày theo dạng 2026-11-20")
_LIST = Text("it must be a list: […]", "phải là danh sách: […]")
_OBJECT = Text("it must be an object: {…}", "phải là nhóm trường: {…}")
_TIME = Text("write the time as 2026-11-20T08:30:00+07:00", "hãy ghi thời gian theo dạng 2026-11-20T08:30:00+07:00")
_TEXT = Text('it must be a text in quotes: "…"', 'phải là chuỗi ký tự trong dấu nháy: "…"')
_TRUTH = Text("it must be true or false", "phải là true hoặc false")
_WHOLE = Text("it must be a whole number", "phải là số nguyên")
_FAULT_TEXTS: Mapping[str, Text] = {
    "missing": Text("it is missing", "thiếu trường này"),
    "extra_forbidden": Text("there is no such field", "không có trường này"),
    "string_type": _TEXT,
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "sequence_str": _LIST,
    "is_instance_of": Text("it must be a value of the right class", "phải là giá trị đúng lớp"),
    "timezone_aware": _TIME,
    "frozen_instance": Text(
        "it cannot be changed: make another value with model_copy(update=…)",
        "không sửa được: hãy tạo giá trị khác bằng model_copy(update=…)",
    ),
}
# A derived field cannot be made of a wrong one, and that one is reported already.
_CONSEQUENCE = "default_factory_not_called"


def build_field_error(error: pydantic.ValidationError) -> InvalidFields:
    """Build the error for values that a model does not take."""
    problems = list_field_problems(error.errors(include_url=False, include_input=False))
    words = Text(
        "; ".join(f"{problem.field or 'JSON'}: {problem.message}" for problem in problems),
        "; ".join(f"{problem.field or 'JSON'}: {problem.message_vi}" for problem in problems),
    )
    return InvalidFields(
        f"{error.title} cannot be made of these values: {words.en}. Correct them.",
        vi=f"Không tạo được {error.title} từ các giá trị này: {words.vi}. Hãy sửa lại.",
        problems=problems,
    )


def list_field_problems(faults: Iterable[ErrorDetails]) -> list[FieldProblem]:
    """List the fields that pydantic found wrong, in words of ours."""
    return [_build_problem(fault) for fault in faults if fault["type"] != _CONSEQUENCE]


def _build_problem(fault: ErrorDetails) -> FieldProblem:
    text = _describe_fault(fault)
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).removeprefix(".")
    return FieldProblem(fault["type"], field, text.en, text.vi)


def _describe_fault(fault: ErrorDetails) -> Text:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind.startswith("datetime"):
        return _TIME
    if kind.startswith("date"):
        return _DATE
    if kind == "json_invalid":
        return Text(f"it is not JSON: {context.get('error')}", f"không đúng cú pháp JSON: {context.get('error')}")
    if kind in ("enum", "literal_error"):
        expected = str(context.get("expected"))
        return Text(f"it must be {expected}", f"phải là {expected.replace(' or ', ' hoặc ')}")
    return _FAULT_TEXTS.get(kind) or Text(fault["msg"], f"giá trị không hợp lệ ({fault['msg']})")
