"""What the command prints: tables for people, JSON for programs, errors in both languages."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import AttachmentError, ConfigError, EdocError, describe_system_error, describe_system_error_vi

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON. / In ra JSON.")]


_PIPED_WIDTH = 400
"""Columns of a table that goes to a file or another program, so that lines stay whole for it to search."""


_MIN_TEXT_WIDTH = 12
"""Columns below which text that is broken into lines is no longer read with pleasure."""


class ExitCode(IntEnum):
    """What the exit code says."""

    OK = 0
    FAILED = 1
    UNREADABLE = 2
    UNVERIFIED = 3


def use_utf8() -> None:
    """Write UTF-8, whatever the system's code page: Vietnamese goes to a file or another program too."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def log_to_stderr(level: int) -> None:
    """Log to stderr what the library tells; at DEBUG each exchange with the hub too."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("edoc_connector").setLevel(level)


def print_error(error: EdocError) -> None:
    """Say on stderr what went wrong, each language on the one line."""
    say(f"edoc: {name_commands(_as_one_line(error.message))}", name_commands(_as_one_line(error.vi)), err=True)


def unusable_path_error(error: OSError) -> EdocError:
    """The error for a file or folder that the system does not give."""
    path = error.filename2 or error.filename
    if isinstance(path, str) and path.endswith(".part"):
        path = Path(path).parent  # what is written under another name first
    if path is None:
        return ConfigError(
            f"the system refuses: {describe_system_error(error)}. Check the disk and the paths given.",
            vi=f"hệ thống từ chối: {describe_system_error_vi(error)}. Hãy kiểm tra đĩa và các đường dẫn đã ghi.",
        )
    return ConfigError(
        f"{path} cannot be used: {describe_system_error(error)}. Give another path, or correct the rights of "
        "the folder.",
        vi=f"không dùng được {path}: {describe_system_error_vi(error)}. Hãy ghi đường dẫn khác hoặc sửa quyền "
        "của thư mục.",
    )


_COMMAND_NAMES = "receive|receipts|deliveries|recheck|settle|reconcile|fsck|prune|explain"
_CALL_IN_TEXT = re.compile(rf"(?:\b(?P<verb>call|gọi) )?\b(?P<name>{_COMMAND_NAMES})\(\)")
_VERBS = {"call": "run ", "gọi": "chạy ", None: ""}


class WrongOption(ConfigError):
    """What an option gives cannot be used; exit code 2, as 1 is a verdict of the command's."""


@contextmanager
def raise_wrong_option() -> Iterator[None]:
    """Options are looked at in the block: what is wrong with them is no verdict about the file."""
    try:
        yield
    except (ConfigError, AttachmentError) as error:
        raise WrongOption(error.message, vi=error.vi) from error


def name_commands(text: str) -> str:
    """What the library says to a program, as it is said to a person: `receive()` is the command `edoc receive`."""
    text = text.replace("(with receipt: …)", "(`edoc receive`)")
    return _CALL_IN_TEXT.sub(lambda found: f"{_VERBS[found['verb']]}`edoc {found['name']}`", text)


def _as_one_line(text: str) -> str:
    return " ".join(text.split())


def say(en: str, vi: str, *, err: bool = False) -> None:
    """Say one thing in both languages."""
    typer.echo(as_printable(f"{en} / {vi}"), err=err)


def print_json(value: Any) -> None:
    """Print a value as JSON, UTF-8, two spaces deep."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def format_local_time(moment: datetime) -> str:
    """A time as a person in Vietnam reads it."""
    from ..edxml import VIETNAM

    return f"{moment.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"


def create_console() -> Console:
    """The console on stdout; made when needed, so that it sees the stream of the moment."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, unbroken_columns: Collection[int] = (0,)
) -> None:
    """Print rows for a person; what comes from a packet is text, never markup.

    Args:
        title: above the table.
        columns: their heads.
        rows: the cells.
        unbroken_columns: numbers of the columns that are never broken into lines, for a person to copy. Where the
            terminal is too narrow for that, rows are printed one below the other.
    """
    cells = [[as_printable("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [_measure_width(column, [row[number] for row in cells]) for number, column in enumerate(columns)]
    out = create_console()
    needed_width = sum(
        width if number in unbroken_columns else min(width, _MIN_TEXT_WIDTH) for number, width in enumerate(widths)
    )
    if cells and needed_width + 3 * len(columns) + 1 > out.width:
        _print_blocks(title, columns, cells)
        return
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", width=widths[number] if number in unbroken_columns else None)
    for row in cells:
        table.add_row(*map(Text, row))
    out.print(table)


def _measure_width(column: str, cells: Iterable[str]) -> int:
    """Columns of the terminal for the longest line of the cells, and for the longest word of the head."""
    lines = [*column.split(), *(line for cell in cells for line in cell.splitlines())]
    return max(map(cell_len, lines), default=1)


def _print_blocks(title: str, columns: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    typer.echo(title)
    for row in cells:
        typer.echo()
        for column, cell in zip(columns, row, strict=True):
            lines = cell.splitlines() or [""]
            typer.echo("\n  ".join([f"{column}: {lines[0]}" if column else lines[0], *lines[1:]]))


def as_printable(text: str) -> str:
    """Text from a stranger without the control characters that move a terminal's cursor or change its title."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


@contextmanager
def show_progress(label: str, *, delay: float = 1.0) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on a terminal for work that takes longer than a second; nothing elsewhere.

    Args:
        label: what is being done.
        delay: seconds before the bar shows.

    Yields:
        A function to tell the bytes done and in all. Until it is told anything the bar only moves.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    # on stderr, so that what the command prints can be piped while a person watches
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(label, total=None)
    timer = threading.Timer(delay, bar.start)
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
