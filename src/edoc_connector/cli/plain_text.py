"""Texts of the command line: what no document can hold is refused before a command begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import Parameter
from typing import Any

from typer.models import ArgumentInfo

from .._core import escape_line
from .errors import WrongOption

_OF_LINES = frozenset({"reason"})
"""Parameters whose texts may have several lines."""
_SHOWN = 40
"""Characters of a text that are shown in an error, at most."""


def require_plain_texts(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> None:
    """Require texts without control characters, and without what is no letter, such as a name that is no UTF-8.

    Args:
        values: of a command's parameters, by their names; only texts are looked at, paths are the system's.
        parameters: those of the command, as its function has them.

    Raises:
        WrongOption: one holds such a character.
    """
    for name, text in _iterate_texts(values):
        if any(_is_unusable(letter, name) for letter in text):
            shown, option = escape_line(text[:_SHOWN]), _name_parameter(parameters[name])
            raise WrongOption(
                f"{option}: control characters, and what is no letter, cannot be used ({shown}): write it anew.",
                vi=f"{option}: không dùng được ký tự điều khiển hoặc ký tự không hợp lệ ({shown}): hãy ghi lại.",
            )


def _iterate_texts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        yield from ((name, one) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _is_unusable(letter: str, name: str) -> bool:
    if letter in "\t\n\r":
        return name not in _OF_LINES
    return letter < " " or "\x7f" <= letter <= "\x9f" or "\ud800" <= letter <= "\udfff" or letter in "\ufffe\uffff"


def _name_parameter(parameter: Parameter) -> str:
    """Name a parameter as the command line has it."""
    declared = [one for one in getattr(parameter.annotation, "__metadata__", ()) if hasattr(one, "param_decls")]
    if any(isinstance(one, ArgumentInfo) for one in declared):
        return str(declared[0].metavar or parameter.name.upper())
    # typer keeps the first name where the default stands outside of Annotated
    names = [one for info in declared for one in (info.default, *(info.param_decls or ())) if isinstance(one, str)]
    named = next((one for one in names if one.startswith("--")), "")
    return named.partition("/")[0] or f"--{parameter.name.replace('_', '-')}"
