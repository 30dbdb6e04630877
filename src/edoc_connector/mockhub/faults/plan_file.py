"""A fault plan in a file, so that a trial can be repeated: TOML, a ``seed`` and a table ``[[fault]]`` for each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edoc_connector.errors import ConfigError
from edoc_connector.mockhub.faults.plan import Fault


@dataclass(frozen=True, slots=True)
class PlannedFaults:
    """The faults of a file, in order, and the seed of their dice."""

    faults: tuple[Fault, ...]
    seed: int


def load_faults(path: Path) -> PlannedFaults:
    """Load a fault plan.

    Args:
        path: TOML, with the fields of `Fault` in each table ``[[fault]]``; ``count = 0`` is until removed.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or a fault in it could not happen.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _build_file_error(path, f"{type(error).__name__}: {error}") from error
    faults, seed = content.pop("fault", []), content.pop("seed", 0)
    if content or not isinstance(seed, int) or not isinstance(faults, list):
        raise _build_file_error(path, f"only seed and [[fault]] may stand in it, not {', '.join(content) or 'this'}")
    return PlannedFaults(tuple(_build_fault(path, number, one) for number, one in enumerate(faults, start=1)), seed)


def _build_fault(path: Path, number: int, given: dict[str, Any]) -> Fault:
    count = given.get("count", 1)
    try:
        return Fault(**given | {"count": None if count == 0 else count})
    except (TypeError, ValueError) as error:
        raise _build_file_error(path, f"[[fault]] {number}: {error}") from error


def _build_file_error(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"The fault plan {path} cannot be used: {reason}.",
        vi=f"Không dùng được kế hoạch lỗi {path}: {reason}.",
    )
