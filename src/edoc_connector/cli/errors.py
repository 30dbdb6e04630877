"""Errors as a person at the terminal reads them: one line in both languages, with commands instead of calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .._core import Text
from ..errors import AttachmentError, ConfigError, EdocError, describe_system_error, describe_system_error_vi
from .output import say

if TYPE_CHECKING:
    import pydantic
    from pydantic_core import ErrorDetails


class WrongOption(ConfigError):
    """The value of an option cannot be used; exit code 2, as 1 is a verdict of the command's."""


@contextmanager
def raise_wrong_option() -> Iterator[None]:
    """Raise errors of the block, in which options are read, as `WrongOption`: they are no verdict about a file."""
    try:
        yield
    except (ConfigError, AttachmentError) as error:
        raise WrongOption(error.full, vi=error.full_vi) from error


def print_error(error: EdocError) -> None:
    """Print an error to stderr, both languages on one line."""
    say(f"edoc: {name_commands(_as_one_line(error.full))}", name_commands(_as_one_line(error.full_vi)), err=True)


def _as_one_line(text: str) -> str:
    return " ".join(text.split())


_COMMAND_NAMES = "receive|receipts|deliveries|recheck|settle|resend|reconcile|fsck|prune|explain"
_CALL_IN_TEXT = re.compile(rf"(?:\b(?P<verb>call|gọi) )?\b(?P<name>{_COMMAND_NAMES})\(\)")
_VERBS = {"call": "run ", "gọi": "chạy ", None: ""}


def name_commands(text: str) -> str:
    """Replace the calls in a message of the library by commands: `receive()` by `edoc receive`."""
    text = text.replace("(with receipt: …)", "(`edoc receive`)")
    return _CALL_IN_TEXT.sub(lambda found: f"{_VERBS[found['verb']]}`edoc {found['name']}`", text)


def unusable_path_error(error: OSError) -> EdocError:
    """Build the error for a file or folder that the system does not give."""
    path = error.filename2 or error.filename
    if isinstance(path, str) and path.endswith(".part"):
        path = Path(path).parent  # what is written under another name first
    if path is None:
        return ConfigError(
            f"the system refuses: {describe_system_error(error)}. Check the disk and the paths given.",
            vi=f"hệ thống từ chối: {describe_system_error_vi(error)}. Hãy kiểm tra đĩa và các đường dẫn đã ghi.",
        )
    return ConfigError(
        f"{path} cannot be used: {describe_system_error(error)}. Give another path, or correct the rights of "
        "the folder.",
        vi=f"không dùng được {path}: {describe_system_error_vi(error)}. Hãy ghi đường dẫn khác hoặc sửa quyền "
        "của thư mục.",
    )


_DATE = Text("write the date as 2026-11-20", "hãy ghi ngày theo dạng 2026-11-20")
_LIST = Text("it must be a list: […]", "phải là danh sách: […]")
_OBJECT = Text("it must be an object: {…}", "phải là nhóm trường: {…}")
_TIME = Text("write the time as 2026-11-20T08:30:00+07:00", "hãy ghi thời gian theo dạng 2026-11-20T08:30:00+07:00")
_FAULT_TEXTS: Mapping[str, Text] = {
    "missing": Text("it is missing", "thiếu trường này"),
    "extra_forbidden": Text("there is no such field", "không có trường này"),
    "string_type": Text('it must be a text in quotes: "…"', 'phải là chuỗi ký tự trong dấu nháy: "…"'),
    "bool_type": Text("it must be true or false", "phải là true hoặc false"),
    "bool_parsing": Text("it must be true or false", "phải là true hoặc false"),
    "int_type": Text("it must be a whole number", "phải là số nguyên"),
    "int_parsing": Text("it must be a whole number", "phải là số nguyên"),
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dict_type": _OBJECT,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "timezone_aware": _TIME,
}
# A derived field cannot be made of a wrong one, and that one is reported already.
_CONSEQUENCE = "default_factory_not_called"


def describe_json_faults(error: pydantic.ValidationError) -> Text:
    """Describe every fault of a document's JSON, each after the name of its field."""
    faults = [
        (".".join(map(str, fault["loc"])) or "JSON", _describe_fault(fault))
        for fault in error.errors()
        if fault["type"] != _CONSEQUENCE
    ]
    return Text(
        "; ".join(f"{field}: {text.en}" for field, text in faults),
        "; ".join(f"{field}: {text.vi}" for field, text in faults),
    )


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
