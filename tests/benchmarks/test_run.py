"""The benchmarks as a user runs them: one command, failures shown, the page made from what was measured."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    """What a Python says that runs in the checkout."""
    result = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a module of the benchmarks by its name; they are scripts beside one another."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == ROOT / "benchmarks":
            del sys.modules[name]


def test_one_command(tmp_path: Path) -> None:
    """`python -m benchmarks` runs a module in a process of its own, prints its table and keeps the figures."""
    out = tmp_path / "figures.json"
    shown = run("-m", "benchmarks", "--quick", "--only", "startup", "--json", str(out))
    assert "import edoc_connector" in shown
    stored = json.loads(out.read_text())
    assert {one["to"] for one in stored["modules"]["startup"]["figures"] if one["goal"]} == {"httpx, lxml, pydantic"}
    assert stored["machine"]["Python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert not any("/" in value and value.startswith("/") for value in stored["machine"].values())


def test_a_failure_is_shown() -> None:
    """A module that fails or takes too long is a line of the report, not its end."""
    code = (
        "from benchmarks.__main__ import _run\n"
        "print(_run('harness', 60, quick=True).failed)\n"
        "print(_run('startup', 0.1, quick=True).failed)"
    )
    assert run("-c", code).splitlines() == ["exit code 1", "took longer than 0 s"]


def test_goals_and_rows(module: Any) -> None:
    """A goal is read of the ratio where there is one, else of the value, in the direction that is better."""
    harness = module("harness")
    one = harness.Figure(work="build", value=0.5, unit="s", ratio=1.9, to="floor", goal=2.0)
    assert (one.met, harness.row(one)) == (True, ("build", "0.5 s", "1.90 × floor", "≤ 2", "yes"))
    rate = harness.Figure(work="send", value=1299.6, unit="/s", goal=1300, better="higher")
    assert (rate.met, harness.row(rate)) == (False, ("send", "1,300 /s", "", "≥ 1300", "no"))
    assert harness.Figure(work="x", value=1, unit="s").met is None
    best = harness.alternately({"a": lambda: None, "b": lambda: sum(range(1000))}, 3)
    assert set(best) == {"a", "b"}
    assert all(0 <= seconds < 10 for pair in best.values() for seconds in pair)
    assert harness.peak() > 1


def test_the_page_is_current(module: Any) -> None:
    """In each language it shows the figures that are stored beside it; else run `python -m benchmarks --render`."""
    report = module("report")
    for path, translate in report.PAGES.items():
        text = path.read_text(encoding="utf-8")
        assert report.page(text, report.load(), translate) == text, path.name


def test_figures_are_told_in_vietnamese(module: Any) -> None:
    """Each word of a figure that is no name has its Vietnamese one in benchmarks/vietnamese.py; so have its numbers."""
    report, vietnamese = module("report"), module("vietnamese")
    figures = [one for part in report.load().modules.values() for one in part.figures]
    texts = {text for one in figures for text in (one.work, one.unit, one.to, one.series)}
    assert {text: words for text in texts if (words := vietnamese.find_untranslated(text))} == {}
    said = vietnamese.translate("send, 1,000 documents in the store, hub 0.25 s away")
    assert said == "gửi, 1.000 văn bản trong kho, trục 0,25 s mới trả lời"


def test_plots(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points with a series become a small SVG, a line for each name behind the colon, and the page shows it."""
    pytest.importorskip("matplotlib", reason="the extra 'bench' is not installed")
    harness, report = module("harness"), module("report")
    figures = [
        harness.Figure(work="w", value=x / 10, unit="s", ratio=1.5, to="floor", goal=2, series=f"by size: {line}", x=x)
        for line in ("build", "read")
        for x in (1.0, 100.0)
    ]
    monkeypatch.setattr(report, "PLOTS", tmp_path / "plots")
    written = tmp_path / "page.md"
    monkeypatch.setattr(report, "PAGES", {written: str})
    written.write_text(
        "<!-- generated: packets -->\nold\n<!-- end -->\n<!-- generated: other -->\nkept\n<!-- end -->\n"
    )
    results = report.Results(machine={}, modules={"packets": report.Module(figures=figures, date="2026-01-01")})
    report.render(results)
    made = (tmp_path / "plots" / "packets-by-size.svg").read_text()
    assert "by size" in made
    assert str(ROOT) not in made
    page = written.read_text()
    assert "![by size](plots/packets-by-size.svg)" in page
    assert "old" not in page
    assert "kept" in page
