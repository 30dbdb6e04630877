"""A test file is named after a module, or after a behaviour listed in tests/README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_SOURCE = _TESTS.parent / "src" / "edoc_connector"
_FILES = sorted(path.relative_to(_TESTS) for path in _TESTS.rglob("test_*.py"))
_LISTED = re.findall(r"^\| `(\S+\.py)` \| \S", (_TESTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def _modules(file: Path) -> list[Path]:
    """What a test file may be named after: a module, a private one, or a package, in the same folder of the source."""
    name = file.stem.removeprefix("test_")
    return [_SOURCE / file.parent / one for one in (f"{name}.py", f"_{name}.py", name)]


@pytest.mark.parametrize("file", _FILES, ids=str)
def test_its_name_is_a_module_or_a_listed_behaviour(file: Path) -> None:
    """Whoever looks for the tests of a module, or of a behaviour, finds them by name."""
    assert any(path.exists() for path in _modules(file)) or file.as_posix() in _LISTED


def test_the_list_is_of_files_that_are_there() -> None:
    """Each behaviour stands there once, in order, and has its file."""
    assert sorted(set(_LISTED)) == _LISTED
    assert set(_LISTED) <= {file.as_posix() for file in _FILES}
