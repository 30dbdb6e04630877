"""What the command prints: tables for people, JSON for programs, errors in both languages."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import EdocError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON. / In ra JSON.")]


_PIPED_WIDTH = 200
"""Columns of a table that goes to a file or another program, so that lines stay whole for it to search."""


class ExitCode(IntEnum):
    """What the exit code says."""

    OK = 0
    FAILED = 1
    UNREADABLE = 2
    UNVERIFIED = 3


def complain(error: EdocError) -> None:
    """Say on stderr what went wrong, each language on the one line."""
    typer.echo(f"edoc: {_one_line(error.message)} / {_one_line(error.vi)}", err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def say(en: str, vi: str, *, err: bool = False) -> None:
    """Say one thing in both languages."""
    typer.echo(printable(f"{en} / {vi}"), err=err)


def print_json(value: Any) -> None:
    """Print a value as JSON, UTF-8, two spaces deep."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def local_time(moment: datetime) -> str:
    """A time as a person in Vietnam reads it."""
    from ..edxml import VIETNAM

    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"


def console() -> Console:
    """The console on stdout; made when needed, so that it sees the stream of the moment."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows for a person; what comes from a packet is text, never markup."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable("" if cell is None else str(cell))) for cell in row))
    console().print(table)


def printable(text: str) -> str:
    """Text from a stranger without the control characters that move a terminal's cursor or change its title."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


@contextmanager
def progress(label: str, *, after: float = 1.0) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on a terminal for work that takes longer than a second; nothing elsewhere.

    Args:
        label: what is being done.
        after: seconds before the bar shows.

    Yields:
        A function to tell the bytes done and in all. Until it is told anything the bar only moves.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    # on stderr, so that what the command prints can be piped while a person watches
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=None)
    timer = threading.Timer(after, bar.start)
    try:
        if sys.stdout.isatty():
            timer.start()
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        timer.cancel()
        if timer.ident is not None:
            timer.join()  # it may be starting the bar at this moment
        if bar.live.is_started:
            bar.stop()
