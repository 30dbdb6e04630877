"""Errors in how a command was written: a line, in each language."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import typer

from .._core import escape_json
from .help import name_placeholder
from .output import ExitCode, say

# typer has click inside, or beside it, by its version; this is the class either way.
UsageError: Any = typer.BadParameter.__mro__[1]


def explain_usage(error: Any) -> None:
    """Print the error of a command line to stderr, and where help is."""
    context = error.ctx
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(context.get_help())
        return
    if "--json" in sys.argv[1:]:
        _print_json(error)
        return
    help_command = f"{context.command_path} --help" if context is not None else "edoc --help"
    say(
        f"edoc: {error.format_message().rstrip('.')}; see `{help_command}`",
        f"{_explain_vi(error)}; xem `{help_command}`",
        err=True,
    )


def _print_json(error: Any) -> None:
    told = {"error": "UsageError", "message": error.format_message(), "message_vi": _explain_vi(error)}
    told |= {"exit_code": int(ExitCode.UNREADABLE)}
    typer.echo(escape_json(json.dumps(told, ensure_ascii=False)), err=True)


def _explain_vi(error: Any) -> str:
    kind, message = type(error).__name__, error.format_message()
    quoted = re.findall(r"'([^']+)'", message)
    named = name_placeholder(quoted[0], "vi") if quoted else ""
    if kind == "NoSuchOption":
        near = ", ".join(error.possibilities or ())
        return f"không có tùy chọn {error.option_name}" + (f" (có phải {near}?)" if near else "")
    if kind == "BadOptionUsage":
        return f"tùy chọn {error.option_name} dùng chưa đúng, hoặc thiếu giá trị"
    if kind == "MissingParameter":
        return f"thiếu {named}"
    if kind == "BadParameter":
        allowed = re.findall(r"'([^']+)'", message.partition(" is not one of ")[2])
        return f"giá trị của {named} không hợp lệ" + (f": chỉ dùng {', '.join(allowed)}" if allowed else "")
    if message.startswith("No such command"):
        return f"không có lệnh {', '.join(quoted)}"
    if message.startswith("Missing command"):
        return "thiếu tên lệnh"
    if "extra argument" in message:
        return f"thừa tham số {message[message.rindex('(') :]}"
    return "lệnh chưa đúng cú pháp"
