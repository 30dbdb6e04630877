"""The names a caller imports (the design's list and docs/api.md)."""

from __future__ import annotations

import re
from pathlib import Path

import edoc_connector

API_PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def test_the_page_lists_what_is_exported() -> None:
    """docs/api.md names exactly what the package exports, and each name is there."""
    listed = set(re.findall(r"^\| `(\w+)` \|", API_PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == set(edoc_connector.__all__) - {"__version__"}
    for name in listed:
        assert getattr(edoc_connector, name) is not None


def test_every_error_can_be_imported_from_the_top() -> None:
    """The tree of errors is public as a whole."""
    from edoc_connector import errors

    tree = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, errors.EdocError)
    }
    assert tree <= set(edoc_connector.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is reported as Python does for any module."""
    assert not hasattr(edoc_connector, "Conector")
