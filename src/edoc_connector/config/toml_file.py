"""The file ``edoc.toml`` as plain values, and sections laid over others."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .messages import (
    FILE_NOT_UTF8,
    build_agency_beside_error,
    build_unreadable_error,
    describe_toml_error,
    describe_unreadable_file,
)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: it cannot be read; says where it is wrong.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # as the editor of Windows writes it, too
    except OSError as error:
        reason = describe_unreadable_file(error)
    except UnicodeDecodeError:
        reason = FILE_NOT_UTF8
    except tomllib.TOMLDecodeError as error:
        reason = describe_toml_error(error)
    raise build_unreadable_error(path, reason)


def merge_sections(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Lay sections over others; inside one too, name by name."""
    merged = {**base, **overrides}
    inner = {name for name in overrides if isinstance(overrides[name], Mapping) and isinstance(base.get(name), Mapping)}
    return merged | {name: merge_sections(base[name], overrides[name]) for name in inner}


def find_agency_code(values: Mapping[str, Any]) -> str | None:
    """Find the code of the agency that sections are of; None where they do not say."""
    section = values.get("agency")
    return str(section["id"]) if isinstance(section, Mapping) and "id" in section else None


def refuse_agency_beside(values: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a file whose ``[agency] id`` is nobody's, as each of its ``[agencies]`` has an id of its own.

    Args:
        values: a file's sections but ``[agencies]``.
        members: the file's ``[agencies]``.

    Raises:
        ConfigError: it is so; that agency would not be served, and nothing would say it.
    """
    code = find_agency_code(values)
    if members and code is not None and all(find_agency_code(one) not in (None, code) for one in members.values()):
        raise build_agency_beside_error(code, members)
