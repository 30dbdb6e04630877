"""What is wrong with settings, in words for whoever wrote them; and the models of what a dialect takes."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, get_type_hints

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from ..errors import ConfigError
from ..hubs import REGISTRY
from .secret_refs import REFERENCE_HINT, REFERENCE_HINT_VI, SecretRef
from .sections import Section

# What pydantic finds, in Vietnamese; its own English words hold no values.
_MESSAGES_VI: Mapping[str, str] = {
    "missing": "thiếu mục bắt buộc này",
    "extra_forbidden": "không có mục nào tên như vậy",
    "greater_than": "phải lớn hơn {gt}",
    "greater_than_equal": "phải từ {ge} trở lên",
    "less_than": "phải nhỏ hơn {lt}",
    "less_than_equal": "không được lớn hơn {le}",
    "enum": "phải là một trong {expected}",
    "literal_error": "phải là một trong {expected}",
    "string_type": "phải là chuỗi ký tự trong dấu nháy",
    "tuple_type": "phải là danh sách: […]",
    "model_type": "phải là một mục có các giá trị bên trong",
    "model_attributes_type": "phải là một mục có các giá trị bên trong",
    "path_type": "phải là đường dẫn trong dấu nháy",
    "string_too_short": "không được để trống",
    "bool_parsing": "phải là true hoặc false",
    "bool_type": "phải là true hoặc false",
    "int_type": "phải là số nguyên",
    "float_type": "phải là số",
    "int_parsing": "phải là số nguyên",
    "float_parsing": "phải là số",
}


def build_dialect_model(name: str) -> type[BaseModel]:
    """A model of the settings that a dialect takes.

    What a dialect keeps out of its repr is a secret if it is a text, and no setting otherwise (a clock, for one).
    """
    dialect: Any = REGISTRY[name]
    hints = get_type_hints(dialect)
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(dialect):
        optional_text = hints[field.name] in (str, str | None)
        if not field.repr and not optional_text:
            continue
        kind = hints[field.name] if field.repr else SecretRef
        fields[field.name] = (kind, _build_field_default(field))
    model: type[BaseModel] = create_model(f"{name}", __base__=Section, **fields)
    return model


def _build_field_default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return Field(default_factory=field.default_factory)
    return ... if field.default is dataclasses.MISSING else field.default


def build_config_error(error: ValidationError, settings: type[BaseModel]) -> ConfigError:
    """What pydantic found, as one error: every setting that is wrong, and what to write instead.

    Args:
        error: of the settings, or of the model of a dialect.
        settings: the model of all settings, whose names are known.
    """
    details = error.errors(include_input=False, include_url=False)
    section = "hub" if error.title in REGISTRY else ""
    lines = [_describe_problem(detail, section, settings) for detail in details]
    return ConfigError(
        "the configuration is not right: " + "; ".join(line for line, _ in lines) + ". Correct it and start again.",
        vi="Cấu hình chưa đúng: " + "; ".join(line for _, line in lines) + ". Hãy sửa rồi chạy lại.",
    )


def _describe_problem(detail: ErrorDetails, section: str, settings: type[BaseModel]) -> tuple[str, str]:
    setting = ".".join(str(part) for part in ((section,) if section else ()) + detail["loc"])
    words = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "missing":
        return f"{setting} is missing", f"{setting}: {_MESSAGES_VI['missing']}"
    if detail["type"] == "extra_forbidden":
        similar = _find_similar_setting(setting, settings)
        hint, hint_vi = (f" (did you mean {similar}?)", f" (có phải {similar}?)") if similar else ("", "")
        return f"{setting}: there is no such setting{hint}", f"{setting}: {_MESSAGES_VI['extra_forbidden']}{hint_vi}"
    if words == REFERENCE_HINT:
        return (
            f"{setting}: a secret may not stand in the configuration; {REFERENCE_HINT}",
            f"{setting}: {REFERENCE_HINT_VI}",
        )
    return f"{setting}: {words}", f"{setting}: {_translate_detail(detail)}"


def _translate_detail(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})  # limits and names that are allowed; never a value that was given
    own_words = getattr(context.get("error"), "vi", None)
    if own_words is not None:
        return str(own_words)
    words = _MESSAGES_VI.get(detail["type"], "giá trị không hợp lệ").format_map(context)
    return words.replace(" or ", " hoặc ")


def _find_similar_setting(setting: str, settings: type[BaseModel]) -> str | None:
    """The known setting that looks most like an unknown one."""
    names: list[str] = list(settings.model_fields)
    for name, field in settings.model_fields.items():
        section: Any = field.annotation
        names += [f"{name}.{inner}" for inner in section.model_fields]
    for dialect in REGISTRY:
        names += [f"hub.{inner}" for inner in build_dialect_model(dialect).model_fields]
    return next(iter(difflib.get_close_matches(setting, names, n=1, cutoff=0.75)), None)
