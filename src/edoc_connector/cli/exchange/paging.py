"""Pages of lists on the command line: the options, the page as JSON, and the command for the next one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import ConfigError
from ..options import CONFIG
from ..output import print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from ...connector import Page

LimitOption = Annotated[
    int | None, typer.Option(metavar="N", help="Rows on the page; 100 if not given. / Số dòng mỗi trang; mặc định 100.")
]
AfterOption = Annotated[
    str | None,
    typer.Option(
        metavar="CURSOR",
        help="The page after this cursor, with the same options. / Trang sau con trỏ này, cùng các tùy chọn.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="From then on, in Vietnam time: 2026-11-20, 2026-11-20T08:30, or 7d, 12h ago. / Từ thời điểm này, giờ "
        "Việt Nam; 7d, 12h: trước đây 7 ngày, 12 giờ.",
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Before then; a day alone counts whole. / Trước thời điểm này; tính cả ngày nếu chỉ ghi ngày.",
    ),
]
NumberOption = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBER",
        help="With this number and notation, or this number: 7816/SNV-VP, 7816. / Có số, ký hiệu hoặc số này.",
    ),
]
_AGE = re.compile(r"([0-9]{1,5})([dh])")
_UNITS = {"d": "days", "h": "hours"}


def parse_since(text: str | None) -> datetime | None:
    """Parse the value of `--since`.

    Raises:
        ConfigError: it is no time.
    """
    return None if text is None else _parse_time("--since", text, is_end=False)


def parse_until(text: str | None) -> datetime | None:
    """Parse the value of `--until`; a day alone ends at midnight.

    Raises:
        ConfigError: it is no time.
    """
    return None if text is None else _parse_time("--until", text, is_end=True)


def parse_deadline(text: str | None) -> datetime | timedelta | None:
    """Parse the value of `--deadline`: a span from now on, or a time; a day alone ends at midnight.

    Raises:
        ConfigError: it is neither.
    """
    span = None if text is None else _AGE.fullmatch(text.strip())
    if span is not None:
        return timedelta(**{_UNITS[span[2]]: int(span[1])})
    return None if text is None else _parse_time("--deadline", text, is_end=True)


def _parse_time(option: str, text: str, *, is_end: bool) -> datetime:
    from ...edxml import VIETNAM

    age = _AGE.fullmatch(text.strip())
    try:
        if age is not None:
            return datetime.now(VIETNAM) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        if len(text.strip()) <= len("2026-11-20"):
            day = date.fromisoformat(text.strip()) + timedelta(days=is_end)
            return datetime.combine(day, time(), tzinfo=VIETNAM)
        moment = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{option} {text!r} is no time: write 2026-11-20, 2026-11-20T08:30, 7d or 12h.",
            vi=f"{option} {text!r} không phải thời gian: hãy ghi 2026-11-20, 2026-11-20T08:30, 7d hoặc 12h.",
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=VIETNAM)


def print_json_page(items: Sequence[Any], page: Page[Any]) -> None:
    """Print a page as JSON: its items, and the cursor of the next one, null where there is none."""
    print_json({"items": items, "next": page.next})


def hint_next_page(command: str, page: Page[Any], options: Mapping[str, object]) -> None:
    """Say that there is more, and the command that shows it; nothing where this is the last page.

    Args:
        command: the command, with its arguments.
        page: the page.
        options: the options that it was given, None and False where it was not.
    """
    if page.next is None:
        return
    words = ["edoc", command]
    for name, value in options.items():
        if value not in (None, False):
            text = value.isoformat() if isinstance(value, datetime) else str(value)  # an age would move between pages
            words += [f"--{name}"] if value is True else [f"--{name}", text]
    next_command = shlex.join([*words, "--after", page.next])
    say(f"there are more; the next page: {next_command}", f"còn nữa; xem trang sau: {next_command}", err=True)


def format_count(page: Page[Any]) -> str:
    """Format how many are on a page, with a plus where there are more."""
    return f"{len(page)}+" if page.next is not None else str(len(page))


def name_source(config: Path, agency: str | None) -> dict[str, object]:
    """Name the options for the configuration, where they are not the usual ones."""
    return {"config": None if config == CONFIG else config, "agency": agency}
