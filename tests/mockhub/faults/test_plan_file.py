"""Fault plans in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from edoc_connector.errors import ConfigError
from edoc_connector.mockhub import Fault, load_faults


def test_a_plan_is_read(tmp_path: Path) -> None:
    """Each table is a fault, in order; a count of 0 is until removed."""
    path = tmp_path / "plan.toml"
    path.write_text(
        'seed = 7\n[[fault]]\nkind = "error"\nstatus = 503\nagency = "G22"\nnth = 3\n'
        '[[fault]]\nkind = "drip"\nseconds = 2.5\nprobability = 0.1\ncount = 0\n'
    )
    found = load_faults(path)
    assert found.seed == 7
    assert found.faults == (
        Fault(kind="error", status=503, agency="G22", nth=3),
        Fault(kind="drip", seconds=2.5, probability=0.1, count=None),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fault", "TOMLDecodeError"), ('[[fault]]\nkind = "x"', r"\[\[fault\]\] 1: there is no fault 'x'"),
        ('[[fault]]\nkind = "html"\nwhat = 1', "what"), ('[faults]\nkind = "html"', "not faults"),
        ('seed = "x"', "only seed"), ("[[fault]]\nstatus = 503", "kind"),
    ],
)  # fmt: skip
def test_a_wrong_plan_says_where(tmp_path: Path, text: str, words: str) -> None:
    """What is wrong with a file is a typed error in both languages that names the file and the table."""
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        load_faults(path)
    assert "plan.toml" in caught.value.vi


def test_a_missing_plan_is_told(tmp_path: Path) -> None:
    """A file that is not there is the same error."""
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        load_faults(tmp_path / "none.toml")
