"""Pages of reference that the code writes itself: options of commands, settings, errors and reasons."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from edoc_connector import errors
from edoc_connector.cli.app import app
from edoc_connector.config import sections
from edoc_connector.signing.reasons import REASONS

_ARGUMENT = re.compile(r"^ {8}(\w+): (.+?)(?=\n {8}\w+: |\n\n|\n {4}\S|\Z)", re.MULTILINE | re.DOTALL)

_SECTION = re.compile(r"``\[(.+?)\]``[^:]*: (.+?)(?:\n\n|\Z)", re.DOTALL)


def format_commands() -> str:
    """Every command with its arguments and options, as `--help` says them."""
    root: Any = get_command(app)
    lines = ["# All options of all commands · Mọi tùy chọn của từng lệnh", ""]
    for name, command in sorted(_walk(root, "edoc")):
        lines += [f"## `{name}`", "", _escape(inspect.cleandoc(command.help or "")), "", *_options(command)]
    return "\n".join(lines)


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield f"{name} {word}", inner
            yield from _walk(inner, f"{name} {word}")


def _options(command: Any) -> list[str]:
    rows = [_option(one) for one in command.params if not getattr(one, "hidden", False)]
    return ["| option · tùy chọn | meaning · ý nghĩa |", "|---|---|", *rows, ""] if rows else []


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.param_type_name == "argument":
        names = f"`{(option.metavar or option.name).upper()}`"
    return f"| {names} | {_cell(option.help or '')} |"


def format_settings() -> str:
    """Every setting of edoc.toml with its default and what it means."""
    lines = ["# All settings", "", "What each is for, with examples: [configuration.md](../configuration.md).", ""]
    for section in _sections():
        name, about = _describe(section)
        lines += [f"## `[{name}]`", "", f"{about[0].upper()}{_cell(about[1:])}", "", *_settings(section)]
    return "\n".join(lines)


def _sections() -> list[type[sections.Section]]:
    classes = (value for value in vars(sections).values() if inspect.isclass(value))
    return [one for one in classes if issubclass(one, sections.Section) and _SECTION.match(inspect.getdoc(one) or "")]


def _describe(section: type[sections.Section]) -> tuple[str | Any, ...]:
    """A section's name in edoc.toml, and what it is about, from its docstring."""
    found = _SECTION.match(inspect.getdoc(section) or "")
    return found.groups() if found else ("", "")


def _settings(section: type[sections.Section]) -> list[str]:
    meanings = dict(_ARGUMENT.findall(section.__doc__ or ""))
    rows = [f"| `{name}` | {_default(field)} | {_cell(meanings.get(name, field.description or ''))} |"
            for name, field in section.model_fields.items()]  # fmt: skip
    return ["| setting | default | meaning |", "|---|---|---|", *rows, ""]


def _default(field: Any) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    return (
        "" if value is None else f"`{_literal(value)}`" if isinstance(value, str | int | float | tuple | list) else ""
    )


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(list(value) if isinstance(value, tuple) else value).lower()


def format_codes() -> str:
    """Errors and reasons of verification; findings, rules, checks and problems stand on pages of their own."""
    return "\n".join(
        [
            "# Catalogues of codes · Danh mục mã", "",
            "Findings and rules of packets · Cảnh báo và quy tắc của gói tin: [edxml.md](../edxml.md). "
            "Checks and alerts · Kiểm tra và cảnh báo vận hành: [monitoring.md](../monitoring.md). "
            "Problems of the gateway · Lỗi của cổng tích hợp: [gateway.md](../gateway.md).", "",
            "## Errors · Lỗi", "",
            "| error · lỗi | kind of · thuộc loại | when |", "|---|---|---|", *_errors(), "",
            "## Reasons of verification · Kết luận kiểm tra chữ ký", "",
            "| code · mã | leads to · kết quả | meaning · ý nghĩa |", "|---|---|---|",
            *(f"| `{code}` | {one.status.value if one.status else ''} | {_cell(one.en)}<br>{_cell(one.vi)} |"
              for code, one in sorted(REASONS.items())), "",
        ]
    )  # fmt: skip


def _errors() -> Iterator[str]:
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, errors.EdocError):
            first = (inspect.getdoc(value) or "").partition("\n\n")[0]
            yield f"| `{name}` | `{value.__bases__[0].__name__}` | {_cell(first)} |"


def _cell(text: str) -> str:
    """Text for a cell of a table: one line, names in code as Markdown has them."""
    return _escape(" ".join(text.split())).replace("|", "\\|")


def _escape(text: str) -> str:
    return re.sub(r"<(?=[A-Za-z/])", "\\<", text.replace("``", "`").replace("{detail}", "…").replace("\b", ""))
