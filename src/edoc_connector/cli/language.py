"""The language of a command's words: that of ``EDOC_LANG``, of the configuration, or both."""

from __future__ import annotations

import os
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from ..errors import LANGUAGE_VARIABLE, LANGUAGES, Language, set_language
from .errors import WrongOption
from .options import CONFIG


def choose_language(config: object) -> None:
    """Choose the language of everything that is printed from now on.

    Args:
        config: value of `--config`; where a command has none, the usual file is looked at.

    Raises:
        WrongOption: the variable names none.
    """
    named = os.environ.get(LANGUAGE_VARIABLE, "")
    language = named or _read_language(config if isinstance(config, Path) else CONFIG)
    if language not in LANGUAGES and named:
        set_language("both")
        known = ", ".join(LANGUAGES)
        raise WrongOption(f"{LANGUAGE_VARIABLE}: it is one of {known}", vi=f"{LANGUAGE_VARIABLE}: chỉ dùng {known}")
    set_language(cast("Language", language) if language in LANGUAGES else "both")


def _read_language(config: Path) -> object:
    """Read ``lang`` of a configuration; what is wrong with the file is told when its settings are loaded."""
    try:
        return tomllib.loads(config.read_text(encoding="utf-8-sig")).get("lang")
    except (OSError, ValueError):
        return None


# -- help


def translate_help(command: Any) -> None:
    """Keep one language of the help of a command and those below it, where one is chosen; else both stay.

    Args:
        command: as click has it, before it runs.
    """
    named = os.environ.get(LANGUAGE_VARIABLE, "") or _read_language(Path(os.environ.get("EDOC_CONFIG", CONFIG)))
    if named in ("en", "vi"):
        for one in _iterate_helped(command):
            one.help = pick_help(one.help, str(named))


def _iterate_helped(command: Any) -> Iterator[Any]:
    """Iterate over commands, and their options and arguments, that have a help text."""
    yield from (one for one in (command, *command.params) if getattr(one, "help", None))
    for inner in getattr(command, "commands", {}).values():
        yield from _iterate_helped(inner)


def pick_help(text: str, language: str) -> str:
    """Pick a language of a help text, ``English. / Vietnamese.``, or with a paragraph in each.

    What is told in one language only stays.
    """
    first, *further = text.split("\n\n")
    english, _, vietnamese = first.partition(" / ")
    others = [one for one in further if not _is_vietnamese(one)]
    told_apart = [one for one in further if _is_vietnamese(one)]
    if language == "en":
        return "\n\n".join([english.strip(), *others])
    return "\n\n".join([*([vietnamese.strip()] if vietnamese else told_apart or [first]), *others])


def _is_vietnamese(text: str) -> bool:
    """Tell whether most words of a text have letters that English has not."""
    words = re.findall(r"[^\W\d_]+", text)
    marked = [one for one in words if not unicodedata.normalize("NFD", one).isascii()]
    return 2 * len(marked) > len(words)
