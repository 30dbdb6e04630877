"""Output of the commands: tables for people, JSON for programs, lines in both languages, a progress bar."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .._core import (
    CollapsingHandler,
    JsonFormatter,
    escape_json,
    escape_line,
    escape_lines,
    is_about_settings,
    make_record_safe,
)
from .._core import Text as BothLanguages
from ..errors import ConfigError, choose_words

_PIPED_WIDTH = 400
"""Width of a table that goes to a file or another program, in characters: its lines stay whole for a search."""


_LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"
_LOG_HANDLER = "edoc"

_MIN_TEXT_WIDTH = 12
"""Width of a column, in characters, below which text broken into lines is hard to read."""


class ExitCode(IntEnum):
    """Exit codes of the commands; docs/cli.md says what each command means by them."""

    OK = 0
    FAILED = 1
    UNREADABLE = 2
    UNVERIFIED = 3
    SIGNER_NOT_JUDGED = 4
    WARNED = 5
    TRY_LATER = 75
    INTERRUPTED = 130


def use_utf8() -> None:
    """Write UTF-8, whatever the system's code page: Vietnamese goes to a file or another program too."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def log_to_stderr(level: int, *, as_json: bool = False, window: float = 0.0) -> None:
    """Send the library's log to stderr, in place of where it went before; at DEBUG with each exchange with the hub.

    Args:
        level: least level of what is written.
        as_json: whether each line is a JSON object.
        window: the same event again within so many seconds is counted, not written.
    """
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter(_LOG_FORMAT))
    if window:
        handler = CollapsingHandler(handler, window=window)
    handler.addFilter(make_record_safe)  # other libraries log too
    handler.addFilter(lambda record: not is_about_settings(record))  # `warn_of_settings` tells those
    handler.set_name(_LOG_HANDLER)
    for one in [one for one in logging.root.handlers if _is_replaceable(one)]:
        logging.root.removeHandler(one)
    logging.basicConfig(handlers=[handler])
    logging.getLogger("edoc_connector").setLevel(level)


def _is_replaceable(handler: logging.Handler) -> bool:
    """Whether a handler is the idle one that a program begins with, or one of ours."""
    return isinstance(handler, logging.NullHandler) or handler.get_name() == _LOG_HANDLER


def say(en: str, vi: str, *, err: bool = False) -> None:
    """Print a line, to stdout or stderr, in the language of this process; in both, a line for each."""
    for line in choose_words(escape_line(en), escape_line(vi)).split("\n"):
        typer.echo(line, err=err)


def warn_of_settings(warnings: Iterable[BothLanguages]) -> None:
    """Print warnings about the settings of a run to stderr, each once, however many agencies they are for."""
    for warning in dict.fromkeys(warnings):
        say(f"warning: {warning.en}", f"cảnh báo: {warning.vi}", err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON, UTF-8, two spaces deep; letters that are not seen are escaped in it."""
    typer.echo(escape_json(json.dumps(value, ensure_ascii=False, indent=2, default=str)))


def format_local_time(moment: datetime) -> str:
    """Format a time for a person in Vietnam: 20/11/2026 08:30:00."""
    from ..edxml import VIETNAM

    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"


def create_console() -> Console:
    """Create the console on stdout; one for each use, as tests and pipes replace the stream."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def print_table(
    title: object,
    columns: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    unbroken_columns: Collection[int] = (0,),
) -> None:
    """Print rows for a person; cells are text, never markup, as they may come from a packet.

    Args:
        title: above the table; like heads and cells a text, or one in both languages.
        columns: their heads.
        rows: the cells.
        unbroken_columns: numbers of the columns that are never broken into lines, for a person to copy. Where the
            terminal is too narrow for that, rows are printed one below the other.
    """
    cells = [[escape_lines("" if cell is None else str(cell)) for cell in row] for row in rows]
    heads = list(map(str, columns))
    widths = [_measure_width(head, [row[number] for row in cells]) for number, head in enumerate(heads)]
    out = create_console()
    needed_width = sum(
        width if number in unbroken_columns else min(width, _MIN_TEXT_WIDTH) for number, width in enumerate(widths)
    )
    if cells and needed_width + 3 * len(columns) + 1 > out.width:
        _print_blocks(str(title), heads, cells)
        return
    table = Table(title=str(title), title_justify="left", header_style="bold")
    for number, head in enumerate(heads):
        table.add_column(head, overflow="fold", width=widths[number] if number in unbroken_columns else None)
    for row in cells:
        table.add_row(*map(Text, row))
    out.print(table)


def _measure_width(column: str, cells: Iterable[str]) -> int:
    """Measure the width, in characters, that the longest line of the cells and the longest word of the head take."""
    lines = [*column.split(), *(line for cell in cells for line in cell.splitlines())]
    return max(map(cell_len, lines), default=1)


def _print_blocks(title: str, columns: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    typer.echo(title)
    for row in cells:
        typer.echo()
        for column, cell in zip(columns, row, strict=True):
            lines = cell.splitlines() or [""]
            typer.echo("\n  ".join([f"{column}: {lines[0]}" if column else lines[0], *lines[1:]]))


@contextmanager
def show_progress(label: object, *, delay: float = 1.0) -> Iterator[Callable[[int, int | None], None]]:
    """Show a line on a terminal for work that takes longer than the delay; nothing elsewhere.

    Args:
        label: the words at its beginning.
        delay: seconds before it shows.

    Yields:
        A function to tell the bytes done and in all. Until it is told anything the line shows that work goes on.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

    words, of_bytes = (TextColumn("{task.description}"), BarColumn()), (DownloadColumn(), TransferSpeedColumn())
    # on stderr, so that what the command prints can be piped while a person watches
    bar = Progress(*words, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(str(label), total=None)

    def tell(done: int, total: int | None) -> None:
        bar.columns = (*words, *of_bytes, TimeElapsedColumn())
        bar.update(task, completed=done, total=total)

    timer = threading.Timer(delay, bar.start)
    try:
        if sys.stderr.isatty():
            timer.start()
        yield tell
    finally:
        timer.cancel()
        if timer.ident is not None:
            timer.join()  # it may be starting the bar at this moment
        if bar.live.is_started:
            bar.stop()


def require_free(out: Path) -> None:
    """Require that a file can be written without anything being replaced.

    Raises:
        ConfigError: something is there, or the folder is not.
    """
    if out.exists():
        raise ConfigError(
            f"{out} is there already, and may be evidence or a key: give another name, or move it away first.",
            vi=f"{out} đã tồn tại và có thể là bằng chứng hoặc khóa: hãy ghi tên khác hoặc chuyển tệp đó đi trước.",
        )
    if not out.absolute().parent.is_dir():
        raise ConfigError(
            f"{out} cannot be written: its folder is not there. Make it, or give another path.",
            vi=f"không ghi được {out}: thư mục không tồn tại. Hãy tạo thư mục hoặc ghi đường dẫn khác.",
        )
