"""The language of a command's words: that of ``EDOC_LANG``, of the configuration, or both."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import cast

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


def choose_language_of_usage() -> str:
    """Choose the language of helps and of errors in how a command is written, before any command runs.

    Returns:
        ``vi``, ``en`` or ``both``; what else the variable says is told by the command.
    """
    named = os.environ.get(LANGUAGE_VARIABLE, "") or _read_language(Path(os.environ.get("EDOC_CONFIG", CONFIG)))
    language = named if named in ("en", "vi") else "both"
    set_language(cast("Language", language))
    return str(language)
