"""Pages of reference that the code writes itself, in either language: options, settings, errors and reasons."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from edoc_connector import errors
from edoc_connector._core import Text
from edoc_connector.cli.app import app
from edoc_connector.cli.help import name_placeholder, pick_help
from edoc_connector.config import sections
from edoc_connector.signing.reasons import REASONS

DOCS = Path(__file__).parents[1]
SETTINGS_FILE = Path(__file__).with_name("settings.vi.toml")
_ARGUMENT = re.compile(r"^ {8}(\w+): (.+?)(?=\n {8}\w+: |\n\n|\n {4}\S|\Z)", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"``\[(.+?)\]``[^:]*: (.+?)(?:\n\n|\Z)", re.DOTALL)
_ERROR_ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


def format_commands(language: str) -> str:
    """Every command with its arguments and options, as `--help` says them.

    Args:
        language: ``en`` or ``vi``, here and below.
    """
    root: Any = get_command(app)
    lines = [_say(language, "# All options of all commands", "# Mọi tùy chọn của từng lệnh"), ""]
    for name, command in sorted(_walk(root, "edoc")):
        about = pick_help(inspect.cleandoc(command.help or ""), language)
        lines += [f"## `{name}`", "", _escape(about), "", *_options(command, language)]
    return "\n".join(lines)


def _say(language: str, en: str, vi: str) -> str:
    return vi if language == "vi" else en


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield f"{name} {word}", inner
            yield from _walk(inner, f"{name} {word}")


def _options(command: Any, language: str) -> list[str]:
    rows = [_option(one, language) for one in command.params if not getattr(one, "hidden", False)]
    head = _say(language, "| option | meaning |", "| tùy chọn | ý nghĩa |")
    return [head, "|---|---|", *rows, ""] if rows else []


def _option(option: Any, language: str) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    if option.param_type_name == "argument":
        names = f"`{name_placeholder((option.metavar or option.name).upper(), language)}`"
    return f"| {names} | {_cell(pick_help(option.help or '', language))} |"


def format_settings(language: str) -> str:
    """Every setting of edoc.toml with its default and what it means."""
    lines = [
        _say(language, "# All settings", "# Mọi mục cấu hình"), "",
        _say(language, "What each is for, with examples", "Mỗi mục dùng để làm gì, kèm ví dụ")
        + ": [configuration.md](../configuration.md).", "",
    ]  # fmt: skip
    meanings = tomllib.loads(SETTINGS_FILE.read_text(encoding="utf-8")) if language == "vi" else {}
    for section in _sections():
        name, about = describe_section(section)
        about = meanings[name]["about"] if language == "vi" else about
        lines += [f"## `[{name}]`", "", f"{about[0].upper()}{_cell(about[1:])}", ""]
        lines += _settings(section, meanings.get(name) or list_meanings(section), language)
    return "\n".join(lines)


def _sections() -> list[type[sections.Section]]:
    classes = (value for value in vars(sections).values() if inspect.isclass(value))
    return [one for one in classes if issubclass(one, sections.Section) and _SECTION.match(inspect.getdoc(one) or "")]


def list_sections() -> dict[str, set[str]]:
    """List the names of the settings by their section."""
    return {describe_section(one)[0]: set(one.model_fields) for one in _sections()}


def describe_section(section: type[sections.Section]) -> tuple[str | Any, ...]:
    """A section's name in edoc.toml, and what it is about, from its docstring."""
    found = _SECTION.match(inspect.getdoc(section) or "")
    return found.groups() if found else ("", "")


def list_meanings(section: type[sections.Section]) -> dict[str, str]:
    """List what each setting of a section means in English, from its docstring."""
    described = dict(_ARGUMENT.findall(section.__doc__ or ""))
    return {name: described.get(name, field.description or "") for name, field in section.model_fields.items()}


def _settings(section: type[sections.Section], meanings: dict[str, str], language: str) -> list[str]:
    rows = [f"| `{name}` | {_default(field, language)} | {_cell(meanings[name])} |"
            for name, field in section.model_fields.items()]  # fmt: skip
    head = _say(language, "| setting | default | meaning |", "| mục | mặc định | ý nghĩa |")
    return [head, "|---|---|---|", *rows, ""]


def _default(field: Any, language: str) -> str:
    if field.is_required():
        return _say(language, "must be given", "bắt buộc")
    value = field.get_default(call_default_factory=True)
    return (
        "" if value is None else f"`{_literal(value)}`" if isinstance(value, str | int | float | tuple | list) else ""
    )


def _literal(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(list(value) if isinstance(value, tuple) else value).lower()


def format_codes(language: str) -> str:
    """Errors and reasons of verification; findings, rules, checks and problems stand on pages of their own."""
    return "\n".join(
        [
            _say(language, "# Catalogues of codes", "# Danh mục mã"), "",
            _say(
                language,
                "Findings and rules of packets: [edxml.md](../edxml.md). Checks and alerts: "
                "[monitoring.md](../monitoring.md). Problems of the gateway: [gateway.md](../gateway.md).",
                "Phát hiện và quy tắc của gói tin: [edxml.md](../edxml.md). Phép kiểm tra và cảnh báo vận hành: "
                "[monitoring.md](../monitoring.md). Lỗi của cổng tích hợp: [gateway.md](../gateway.md).",
            ), "",
            _say(language, "## Errors", "## Lỗi"), "",
            _say(language, "| error | kind of | when |", "| lỗi | thuộc loại | khi nào |"), "|---|---|---|",
            *_errors(language), "",
            _say(language, "## Reasons of verification", "## Kết luận kiểm tra chữ ký"), "",
            _say(language, "| code | leads to | meaning |", "| mã | kết quả | ý nghĩa |"), "|---|---|---|",
            *_reasons(language), "",
        ]
    )  # fmt: skip


def _reasons(language: str) -> Iterator[str]:
    for code, one in sorted(REASONS.items()):
        leads_to = f"`{one.status.value}`" if one.status else ""
        yield f"| `{code}` | {leads_to} | {_cell(_say(language, one.en, one.vi))} |"


def _errors(language: str) -> Iterator[str]:
    for name, text in describe_errors().items():
        base = getattr(errors, name).__bases__[0].__name__
        yield f"| `{name}` | `{base}` | {_cell(_say(language, text.en, text.vi))} |"


def describe_errors() -> dict[str, Text]:
    """Describe each error: in English as its docstring begins, in Vietnamese as docs/api.vi.md does."""
    page = (DOCS / "api.vi.md").read_text(encoding="utf-8")
    vietnamese = dict(_ERROR_ROW.findall(page.replace("](", "](../").partition("## Lỗi")[2]))
    classes = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}
    return {name: Text((inspect.getdoc(value) or "").partition("\n\n")[0], vietnamese[name])
            for name, value in classes.items() if issubclass(value, errors.EdocError)}  # fmt: skip


def _cell(text: str) -> str:
    """Text for a cell of a table: one line, names in code as Markdown has them."""
    return _escape(" ".join(text.split())).replace("|", "\\|")


def _escape(text: str) -> str:
    return re.sub(r"<(?=[A-Za-z/])", "\\<", text.replace("``", "`").replace("{detail}", "…").replace("\b", ""))
