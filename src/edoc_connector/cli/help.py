"""The help of commands in the language that is chosen: usage, paragraphs, arguments, options, commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import partial
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_USAGE = "Usage / Cách dùng"
_OPTIONS = "Options / Tùy chọn"
_ARGUMENTS = "Arguments / Tham số"
_COMMANDS = "Commands / Các lệnh"
_REQUIRED = "required / bắt buộc"
_DEFAULT = "default / mặc định"
_VARIABLE = "environment variable / biến môi trường"
_TAKES_OPTIONS = "[OPTIONS] / [TÙY-CHỌN]"
_TAKES_COMMAND = "COMMAND [ARGUMENTS]... / LỆNH [THAM-SỐ]..."
_OF_THE_LIBRARY = {
    "--help": "Show this help. / Hiển thị phần trợ giúp này.",
    "--install-completion": "Install completion for this shell. / Cài đặt tự hoàn thành lệnh cho shell này.",
    "--show-completion": "Show completion for this shell, to copy it. / In mã tự hoàn thành lệnh cho shell này.",
}
"""Helps of options that typer adds."""
_PLACEHOLDERS = {
    "AGENCY": "ĐƠN-VỊ",
    "BATCH": "TÊN-LẦN",
    "CALL": "LỆNH-GỌI",
    "CODE": "MÃ",
    "CURSOR": "CON-TRỎ",
    "DAYS": "SỐ-NGÀY",
    "DIR": "THƯ-MỤC",
    "DN": "TÊN-CHỦ-THỂ",
    "DOCUMENT": "VĂN-BẢN",
    "DOCUMENT-ID": "MÃ-VĂN-BẢN",
    "ENTRY": "MỤC",
    "FILE": "TỆP",
    "FOLDER": "THƯ-MỤC",
    "HOST": "MÁY-CHỦ",
    "ID": "MÃ",
    "KEY-ID": "MÃ-KHÓA",
    "LEVEL": "ĐỘ-MẬT",
    "LINE": "MỤC",
    "MODULE": "MÔ-ĐUN",
    "N": "SỐ",
    "NAME": "TÊN",
    "NUMBER": "SỐ-KÝ-HIỆU",
    "PATH": "ĐƯỜNG-DẪN",
    "PORT": "CỔNG",
    "REF": "NƠI-LẤY",
    "ROLE": "VAI-TRÒ",
    "SECONDS": "GIÂY",
    "SECRET": "MÃ-BÍ-MẬT",
    "STATE": "TÌNH-TRẠNG",
    "TEXT": "NỘI-DUNG",
    "TIME": "THỜI-ĐIỂM",
    "VALUE": "GIÁ-TRỊ",
    "WHAT": "PHẦN",
    "WORDS": "TỪ",
}
"""What stands for a value, as the pages have it; what is not here stays as it is (URL, URI, MB, X.pdf)."""
_PLACEHOLDER = re.compile(r"(?<![.\w])[A-Z]+(?:-[A-Z]+)*(?!\w)")


def translate_help(command: Any, language: str) -> None:
    """Let a command and those below it print their help in a language.

    Args:
        command: as click has it, before it runs.
        language: ``en``, ``vi`` or ``both``.
    """
    command.format_help = partial(_print_help, command, language)
    for inner in getattr(command, "commands", {}).values():
        translate_help(inner, language)


def pick_help(text: str, language: str) -> str:
    """Pick a language of a help text, whose paragraphs are each ``English. / Vietnamese.``"""
    return "\n\n".join(_pick(paragraph, language) for paragraph in text.split("\n\n"))


def _pick(paragraph: str, language: str) -> str:
    english, is_parted, vietnamese = paragraph.partition(" / ")
    if not is_parted or language not in ("en", "vi"):
        return paragraph
    return (english if language == "en" else vietnamese).strip()


def name_placeholder(metavar: str, language: str) -> str:
    """Name what stands for a value in a language: ``FILE`` is ``TỆP`` in Vietnamese."""
    if language != "vi":
        return metavar
    return _PLACEHOLDER.sub(lambda found: _PLACEHOLDERS.get(found[0], found[0]), metavar)


def _print_help(command: Any, language: str, context: Any, formatter: Any) -> None:
    out = Console(highlight=False)
    words = (f"{_pick(_USAGE, language)}: ", "yellow"), (_format_usage(command, language, context), "bold")
    shown = [one for one in command.get_params(context) if not getattr(one, "hidden", False)]
    arguments = [_build_argument(one, language) for one in shown if one.param_type_name == "argument"]
    options = [_build_option(one, language) for one in shown if one.param_type_name == "option"]
    inner = [_build_command(one, language) for one in getattr(command, "commands", {}).values() if not one.hidden]
    with out.capture() as captured:
        out.print(Padding(Text.assemble(*words), (0, 1, 1, 1)))
        for number, paragraph in enumerate(pick_help(command.help or "", language).split("\n\n")):
            out.print(Padding(Text.from_markup(paragraph, style="dim" if number else ""), (0, 1, 1, 1)))
        for title, rows in ((_ARGUMENTS, arguments), (_OPTIONS, options), (_COMMANDS, inner)):
            _print_panel(out, _pick(title, language), rows)
    formatter.write(captured.get())


def _format_usage(command: Any, language: str, context: Any) -> str:
    arguments = [one for one in command.get_params(context) if one.param_type_name == "argument"]
    words = [_format_argument(one, language) for one in arguments]
    further = [_pick(_TAKES_COMMAND, language)] if hasattr(command, "commands") else []
    return " ".join([context.command_path, _pick(_TAKES_OPTIONS, language), *words, *further])


def _format_argument(argument: Any, language: str) -> str:
    name = _name_argument(argument, language)
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _name_argument(argument: Any, language: str) -> str:
    name = name_placeholder(argument.metavar or argument.name.upper(), language)
    return name if argument.nargs == 1 or "..." in name else f"{name}..."


def _build_argument(argument: Any, language: str) -> Sequence[Text]:
    return Text(_name_argument(argument, language), style="bold cyan"), _describe(argument, argument.help, language)


def _build_option(option: Any, language: str) -> Sequence[Text]:
    names = ", ".join(sorted(option.opts, key=len, reverse=True) + option.secondary_opts)
    value = "" if option.is_flag else name_placeholder(option.metavar or "TEXT", language)
    named = Text.assemble((names, "bold cyan"), (f" {value}" if value else "", "bold yellow"))
    return named, _describe(option, _find_help(option), language)


def _find_help(option: Any) -> str | None:
    return next((_OF_THE_LIBRARY[name] for name in option.opts if name in _OF_THE_LIBRARY), option.help)


def _build_command(command: Any, language: str) -> Sequence[Text]:
    first = pick_help(command.help or "", language).partition("\n\n")[0]
    return Text(command.name, style="bold cyan"), Text.from_markup(first)


def _describe(parameter: Any, help_text: str | None, language: str) -> Text:
    """Describe what a parameter is for, with its variable, its default, and whether it must be there."""
    notes = []
    if isinstance(parameter.envvar, str):
        notes.append(f"{_pick(_VARIABLE, language)}: {parameter.envvar}")
    default = _format_default(parameter)
    if default:
        notes.append(f"{_pick(_DEFAULT, language)}: {default}")
    if parameter.required:
        notes.append(_pick(_REQUIRED, language))
    described = Text.from_markup(pick_help(help_text or "", language))
    return described.append(f" [{'; '.join(notes)}]", style="dim") if notes else described


def _format_default(parameter: Any) -> str:
    default = parameter.default
    if default in (None, "", ()) or not parameter.show_default or callable(default):
        return ""
    if isinstance(default, bool):
        return str(parameter.opts[0]) if default and parameter.secondary_opts else ""
    return str(default.value if isinstance(default, Enum) else default)


def _print_panel(out: Console, title: str, rows: Iterable[Sequence[Text]]) -> None:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(max_width=max(24, out.width * 2 // 5), overflow="fold")
    table.add_column(ratio=1)
    for row in rows:
        table.add_row(*row)
    if table.row_count:
        out.print(Panel(table, title=title, title_align="left", border_style="dim"))
