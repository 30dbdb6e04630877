"""The file of an acceptance run, when somebody edited it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.joining.acceptance.outcomes import LineOutcome
from edoc_connector.joining.acceptance.state import STATE_FILE, RunState

ABOUT = {"agency": "H29.05", "agency_name": "A", "partner": "G22", "partner_name": "B", "hub": "http://localhost"}
LINE = {"outcome": "pass", "text": "", "text_vi": "", "evidence": [], "at": "", "memory": {}}
BAD: dict[str, Any] = {
    "outcome": {"lines": {"A1": LINE | {"outcome": "passed"}}},
    "line without text": {"lines": {"A1": {"outcome": "pass"}}},
    "line a list": {"lines": {"A1": []}},
    "lines a list": {"lines": ["A1"]},
    "memory a number": {"lines": {"A1": LINE | {"memory": 5}}},
    "time": {"begun_at": "yesterday"},
    "time a number": {"begun_at": 5},
    "about a list": {"about": ["H29.05"]},
    "about without names": {"about": {name: ABOUT[name] for name in ("agency", "partner", "hub")}},
    "arrivals": {"arrivals": {"A1": 5}},
    "confirmed": {"confirmed": ["A1"]},
}


@pytest.mark.parametrize("case", BAD)
def test_an_edited_file_is_refused_in_words(tmp_path: Path, case: str) -> None:
    """A file that does not hold what was written says which one it is, and how to begin anew."""
    run = RunState(tmp_path, ABOUT)
    run.get_line("A1").outcome = LineOutcome.PASS
    run.save()
    assert RunState(tmp_path, ABOUT).get_line("A1").outcome is LineOutcome.PASS
    path = tmp_path / STATE_FILE
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | BAD[case]), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"acceptance\.json cannot be read: .* Move it away"):
        RunState(tmp_path, ABOUT)


def test_a_file_that_is_nested_without_end_is_refused_in_words(tmp_path: Path) -> None:
    """A file that no parser follows is refused as well."""
    (tmp_path / STATE_FILE).write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(ConfigError, match="Move it away"):
        RunState(tmp_path, ABOUT)
