"""The columns of a CSV file, and the page that lists them."""

from __future__ import annotations

from pathlib import Path

from edoc_connector.folder.actions import _ACTIONS
from edoc_connector.folder.columns import ACTION_NAMES, COLUMNS, find_action, find_column

DOCS = Path(__file__).parents[2] / "docs"


def test_every_action_is_named() -> None:
    """What can be done has a name in both languages, and nothing else has."""
    assert {one.name for one in ACTION_NAMES} == set(_ACTIONS)


def test_names_are_found_however_they_are_written() -> None:
    """Letter case, spaces, hyphens and the normal form of letters do not count."""
    assert find_column("SỐ  KÝ HIỆU") == find_column("s\u00f4\u0301 ký-hiệu") == "code"
    assert (find_column("Issued On"), find_column("x")) == ("issued_on", None)
    assert (find_action("Thu hồi"), find_action("TAKE-BACK")) == ("recall", "take_back")
    assert len({one.vi for one in COLUMNS}) == len(COLUMNS)
