"""What every benchmark gives: figures beside what they are compared with, measured in the same run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
        series: Name of the plot this is a point of, or "".
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
    for name in ("work", "figure", "ratio", "goal", "met"):
        table.add_column(name, justify="left" if name == "work" else "right")
    sign = {"lower": "≤", "higher": "≥"}
    said = {True: "yes", False: "no", None: ""}
    for one in figures:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f} × {one.to}"
        goal = "" if one.goal is None else f"{sign[one.better]} {one.goal:g}"
        table.add_row(one.work, f"{one.value:,.4g} {one.unit}", ratio, goal, said[one.met])
    (console or Console()).print(table)
