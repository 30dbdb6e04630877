"""The state of an acceptance run: a file that outlives the command, so that a run may take days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..._core import Text, escape_json, make_private_folder, write_private
from ...errors import ConfigError
from .outcomes import LineOutcome

FORM = 1
STATE_FILE = "acceptance.json"


@dataclass(slots=True, kw_only=True)
class LineState:
    """What is known of one line.

    Args:
        outcome: what it came to.
        text: why, where that is not a pass.
        evidence: ids, times and hashes.
        at: when it was looked at last.
        memory: what its steps have to know when they go on.
    """

    outcome: LineOutcome = LineOutcome.OPEN
    text: Text = field(default_factory=lambda: Text("", ""))
    evidence: list[str] = field(default_factory=list)
    at: str = ""
    memory: dict[str, Any] = field(default_factory=dict)


class RunState:
    """An acceptance run, as its file holds it.

    Args:
        folder: where the file is, and what the run makes.
        about: who runs it with whom at which hub; a run that is there keeps its own.

    Raises:
        ConfigError: the file cannot be read, or is about somebody else.
    """

    def __init__(self, folder: Path, about: Mapping[str, str]) -> None:
        self.folder = folder
        make_private_folder(folder)
        self._path = folder / STATE_FILE
        known = self._read()
        self.about: dict[str, str] = self._read_about(known, about)
        if any(self.about.get(name) != about[name] for name in ("agency", "partner", "hub")):
            raise ConfigError(
                f"{self._path} is a run of {self.about.get('agency')} with {self.about.get('partner')} at "
                f"{self.about.get('hub')}: give another --folder.",
                vi=f"{self._path} là lần kiểm thử của {self.about.get('agency')} với {self.about.get('partner')} tại "
                f"{self.about.get('hub')}: hãy dùng --folder khác.",
            )
        try:
            self.begun_at = datetime.fromisoformat(known.get("begun_at") or datetime.now(UTC).isoformat())
            self.lines = {name: _read_line(values) for name, values in known.get("lines", {}).items()}
            self.arrivals: dict[str, list[dict[str, Any]]] = _require_kind(known.get("arrivals", {}), list)
            self.confirmed: dict[str, str] = _require_kind(known.get("confirmed", {}), str)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._build_unreadable_error(error) from error

    def _read_about(self, known: Mapping[str, Any], about: Mapping[str, str]) -> dict[str, str]:
        """Read who runs it; the minutes print each of these values, so none may be missing."""
        found = known.get("about") or dict(about)
        if not isinstance(found, dict) or not found.keys() >= about.keys():
            raise self._build_unreadable_error(ValueError("about"))
        return {name: str(value) for name, value in found.items()}

    def _build_unreadable_error(self, error: Exception) -> ConfigError:
        why = f"{type(error).__name__}: {error}"
        return ConfigError(
            f"{self._path} cannot be read: {why}. Move it away to begin anew.",
            vi=f"Không đọc được {self._path}: {why}. Hãy chuyển tệp đi nơi khác để bắt đầu lại.",
        )

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            raise self._build_unreadable_error(error) from error
        if not isinstance(found, dict) or found.get("form") != FORM:
            raise ConfigError(
                f"{self._path} is no run of this version. Move it away to begin anew.",
                vi=f"{self._path} không phải của phiên bản này. Hãy chuyển tệp đi nơi khác để bắt đầu lại.",
            )
        return found

    def get_line(self, line: str) -> LineState:
        """Get the state of a line, new where it was never run."""
        return self.lines.setdefault(line, LineState())

    def save(self) -> None:
        """Write the file."""
        lines = {
            name: {"outcome": one.outcome.value, "text": one.text.en, "text_vi": one.text.vi, "evidence": one.evidence,
                   "at": one.at, "memory": one.memory}
            for name, one in self.lines.items()
        }  # fmt: skip
        values = {"form": FORM, "about": self.about, "begun_at": self.begun_at.isoformat(), "lines": lines,
                  "arrivals": self.arrivals, "confirmed": self.confirmed}  # fmt: skip
        write_private(self._path, escape_json(json.dumps(values, ensure_ascii=False, indent=1)))


def _require_kind(values: Any, kind: type) -> dict[str, Any]:
    """Require an object whose values are of a kind."""
    if not isinstance(values, dict) or not all(isinstance(one, kind) for one in values.values()):
        raise TypeError(f"an object of {kind.__name__} is wanted")
    return values


def _read_line(values: Mapping[str, Any]) -> LineState:
    return LineState(
        outcome=LineOutcome(values["outcome"]),
        text=Text(str(values["text"]), str(values["text_vi"])),
        evidence=[str(one) for one in values["evidence"]],
        at=str(values["at"]),
        memory=dict(values["memory"]),
    )
