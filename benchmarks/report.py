"""What was measured, kept as a file beside the page, and the page's tables and plots made from it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import vietnamese
from harness import COLUMNS, Figure, row

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
VIETNAMESE_PAGE = DOCS / "performance.vi.md"
STORED = DOCS / "performance.json"
PLOTS = DOCS / "plots"
_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass
class Module:
    """What one module measured.

    Attributes:
        figures: The figures, none where it failed.
        seconds: How long it took.
        quick: Whether it measured less, for a first look.
        failed: Why it failed, or "".
        date: Day of the measurement, UTC.
    """

    figures: list[Figure]
    seconds: float = 0.0
    quick: bool = False
    failed: str = ""
    date: str = ""


@dataclass
class Results:
    """What all modules measured, and on what."""

    machine: dict[str, str]
    modules: dict[str, Module] = field(default_factory=dict)


def save(results: Results, to: Path = STORED) -> None:
    """Write the results as JSON."""
    to.write_text(json.dumps(asdict(results), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load(or_else: Results | None = None) -> Results:
    """The results that the page was made from; another machine's are not mixed with new ones."""
    if or_else is not None and not STORED.exists():
        return or_else
    stored: dict[str, Any] = json.loads(STORED.read_text(encoding="utf-8"))
    if or_else is not None and stored["machine"]["processor"] != or_else.machine["processor"]:
        return or_else
    modules = {
        name: Module(**{**one, "figures": [Figure(**figure) for figure in one["figures"]]})
        for name, one in stored["modules"].items()
    }
    return Results(machine=stored["machine"], modules=modules)


def render(results: Results) -> None:
    """Make the plots, and the generated parts of the page anew, in both languages."""
    PLOTS.mkdir(exist_ok=True)
    for name, one in results.modules.items():
        _plot(name, one.figures)
    for path, translate in PAGES.items():
        path.write_text(page(path.read_text(encoding="utf-8"), results, translate), encoding="utf-8")


def page(text: str, results: Results, translate: Callable[[str], str] = str) -> str:
    """The page with its generated parts made anew; parts of which nothing is known stay.

    Args:
        text: the page.
        results: what was measured.
        translate: what says words of tables in the language of the page.
    """

    def made(part: re.Match[str]) -> str:
        if part[2] == "machine":
            body = _table(("", ""), ((translate(name), value) for name, value in results.machine.items()))
        elif part[2] in results.modules:
            body = _section(part[2], results.modules[part[2]], translate)
        else:
            return part[0]
        return f"{part[1]}\n{body}\n{part[3]}"

    return _PART.sub(made, text)


PAGES: dict[Path, Callable[[str], str]] = {PAGE: str, VIETNAMESE_PAGE: vietnamese.translate}
"""The page in each language, and what says the words of its tables."""


def _section(name: str, one: Module, translate: Callable[[str], str]) -> str:
    if one.failed:
        return f"{translate('This failed')}: {one.failed}.\n"
    plots = "".join(f"\n![{translate(plot)}](plots/{_file(name, plot)})\n" for plot in _plots(one.figures))
    how = f"{translate('a quick look')}; " if one.quick else ""
    table = _table(tuple(map(translate, COLUMNS)), (tuple(map(translate, row(figure))) for figure in one.figures))
    return f"{table}\n({how}{one.date}, {one.seconds:.0f} s {translate('in all')})\n{plots}"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table whose columns are numbers, but for the first and those without a head."""
    lines = [heads, tuple("--:" if number and name else "---" for number, name in enumerate(heads)), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


# --- Plots. ---


def _plots(figures: Iterable[Figure]) -> dict[str, dict[str, list[Figure]]]:
    """The points by plot and line."""
    plots: dict[str, dict[str, list[Figure]]] = {}
    for one in figures:
        if one.series and one.x is not None:
            plot, _, line = one.series.partition(":")
            plots.setdefault(plot.strip(), {}).setdefault(line.strip() or one.unit, []).append(one)
    return plots


def _file(module: str, plot: str) -> str:
    return f"{module}-{re.sub(r'[^a-z0-9]+', '-', plot.lower()).strip('-')}.svg"


def _plot(module: str, figures: list[Figure]) -> None:
    """One small SVG for each plot: values by x, both logarithmic where they span much."""
    found = _plots(figures)
    if not found:
        return
    import matplotlib as mpl  # the extra "bench"; nothing else needs it

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "edoc", "svg.fonttype": "none", "font.size": 9})
    for plot, lines in found.items():
        drawing, axes = pyplot.subplots(figsize=(6, 3), layout="constrained")
        points = [(one.x or 0.0, one.value) for line in lines.values() for one in line]
        for name, line in lines.items():
            placed = sorted((one.x or 0.0, one.value) for one in line)
            axes.plot(*zip(*placed, strict=True), marker="o", markersize=3, linewidth=1, label=name)
        for goal in {one.goal for line in lines.values() for one in line if one.goal is not None and one.ratio is None}:
            axes.axhline(goal, color="grey", linestyle="--", linewidth=0.8)
        for spread, scale in zip(zip(*points, strict=True), (axes.set_xscale, axes.set_yscale), strict=True):
            if min(spread) > 0 and max(spread) / min(spread) >= 30:
                scale("log")
        if axes.get_yscale() == "linear":
            axes.set_ylim(bottom=0)
        axes.set_title(plot)
        axes.set_ylabel(" / ".join(dict.fromkeys(one.unit for line in lines.values() for one in line)))
        axes.legend(frameon=False)
        drawing.savefig(PLOTS / _file(module, plot), metadata={"Date": None, "Creator": None})
        pyplot.close(drawing)
