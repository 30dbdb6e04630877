"""The table of promises: each is said in both languages, its command leads somewhere, and what it showed is noted."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def promises() -> ModuleType:
    """The script that runs them."""
    spec = importlib.util.spec_from_file_location("promises", ROOT / ".ci" / "promises.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look their annotations up there
    spec.loader.exec_module(module)
    return module


def test_each_promise_has_both_languages_and_a_command_that_is_there(promises: ModuleType) -> None:
    """A test that was moved takes its promise along, and no figure is of a promise that is gone."""
    loaded = promises.load_promises()
    for name, promise in loaded.items():
        assert promise.en, name
        assert promise.vi, name
        assert promise.en != promise.vi, name
        assert promise.kind in promises.KINDS, name
        paths = [word for word in shlex.split(promise.command) if "/" in word and not word.startswith("build/")]
        assert [path for path in paths if not (ROOT / path).exists()] == [], name
    assert set(promises.load_results()) <= set(loaded)


@pytest.mark.parametrize(("code", "kept"), [(0, True), (3, False)])
def test_what_a_command_said_last_is_noted(
    promises: ModuleType, tmp_path: Path, code: int, kept: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its outcome and the day; a promise that is not kept says so."""
    promise = promises.Promise(en="a", vi="b", kind="every run", command=f"python -c \"print('7 lost'); exit({code})\"")
    result = promises.run(promise)
    path = tmp_path / "results.json"
    path.write_text("{}")
    promises.note("x", result, path)
    assert promises.load_results(path) == {"x": result}
    assert (result.kept, result.figure, len(result.date)) == (kept, "7 lost", 10)
    assert "7 lost" in capsys.readouterr().out
