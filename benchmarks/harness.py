"""What every benchmark gives: figures beside what they are compared with, measured in the same run."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measurement.

    Attributes:
        work: What was done, in a few words: "build, sign, write 100 MB".
        value: The measured figure.
        unit: Of the value: "s", "/s", "ms", "MiB".
        ratio: The value as a ratio to what it is compared with.
        to: What that is: "floor", "bare httpx", "empty store".
        goal: The bound of the ratio, or of the value where there is no ratio.
        better: Whether a lower or a higher figure is better, which tells how the goal is read.
        series: Name of the plot this is a point of, or ""; "plot: line" where a plot has several lines.
        x: Place on the plot's axis (size in MB, number of attachments, rows).
    """

    work: str
    value: float
    unit: str
    ratio: float | None = None
    to: str = ""
    goal: float | None = None
    better: Literal["lower", "higher"] = "lower"
    series: str = ""
    x: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        judged = self.value if self.ratio is None else self.ratio
        return judged <= self.goal if self.better == "lower" else judged >= self.goal


def show(title: str, figures: Iterable[Figure], console: Console | None = None) -> None:
    """Print the figures as a table."""
    table = Table(title=title, title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "work" else "right")
    for one in figures:
        table.add_row(*row(one))
    (console or Console()).print(table)


COLUMNS = ("work", "figure", "ratio", "goal", "met")


def row(one: Figure) -> tuple[str, ...]:
    """A figure as the texts of `COLUMNS`."""
    sign = {"lower": "≤", "higher": "≥"}
    said = {True: "yes", False: "no", None: ""}
    ratio = "" if one.ratio is None else f"{one.ratio:.2f} × {one.to}"
    goal = "" if one.goal is None else f"{sign[one.better]} {one.goal:g}"
    return one.work, f"{_short(one.value)} {one.unit}", ratio, goal, said[one.met]


def _short(value: float) -> str:
    """Three or four digits that tell something, and no exponents."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def alternately(steps: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """The best seconds of each step, by the wall's clock and of this process's CPU.

    All are taken in turn, so that what disturbs one disturbs the others too.

    Args:
        steps: what to do, by name.
        rounds: how often; one more goes before, unmeasured.
    """
    best = dict.fromkeys(steps, (float("inf"), float("inf")))
    for number in range(rounds + 1):
        for name, step in steps.items():
            started, used = time.perf_counter(), time.process_time()
            step()
            seconds, cpu = time.perf_counter() - started, time.process_time() - used
            if number:
                best[name] = min(best[name][0], seconds), min(best[name][1], cpu)
    return best


def peak() -> float:
    """Most memory this process had so far, in MiB.

    On Linux that of this program alone: what `getrusage` tells of a new process begins with what its parent had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
