"""Commands of the group agencies: take the hub's directory over, search it, show an agency, import an own list."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import Text
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_json, print_table, say
from .connection import open_connector

if TYPE_CHECKING:
    from ...connector import AgencyHistory, AgencyRecord

agency_commands = typer.Typer(
    name="agencies",
    help="The directory of agencies and their codes. / Danh bạ đơn vị và mã định danh.",
    no_args_is_help=True,
)

_FACT_COLUMNS = (Text("what", "nội dung"), Text("value", "giá trị"))
_COLUMNS = (
    Text("code", "mã"),
    Text("name", "tên"),
    Text("other code", "mã khác"),
    Text("above", "cấp trên"),
    Text("life", "hiệu lực"),
    Text("heir", "kế thừa"),
)


@agency_commands.command()
def sync(
    whole: Annotated[
        bool, typer.Option("--whole", help="Ask for the whole directory, not for its changes. / Lấy toàn bộ danh bạ.")
    ] = False,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            help="Believe a directory that lost over half of its agencies. / Chấp nhận danh bạ mất hơn nửa đơn vị.",
        ),
    ] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take over the hub's directory of agencies. / Đồng bộ danh bạ đơn vị từ trục."""
    with open_connector(config, agency, Text("syncing", "đang đồng bộ danh bạ")) as connector:
        done = connector.sync_agencies(whole=whole or None, accept_loss=accept_loss)
    if as_json:
        print_json(asdict(done))
        return
    say(
        f"{done.agencies} agencies; new {done.added}, changed {done.changed}, ended {done.ended}",
        f"{done.agencies} đơn vị; mới {done.added}, thay đổi {done.changed}, ngừng sử dụng {done.ended}",
    )


@agency_commands.command()
def find(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORDS", help="Beginnings of words of name or code; no marks needed. / Đầu các từ, không cần dấu."
        ),
    ],
    ended: Annotated[
        bool | None,
        typer.Option(
            "--ended/--living", help="Only codes that ended, or that did not. / Chỉ mã đã ngừng, hoặc còn hiệu lực."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Agencies at most. / Số đơn vị tối đa.")
    ] = 20,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Find agencies by name or code. / Tìm đơn vị theo tên hoặc mã."""
    with open_connector(config, agency) as connector:
        found = connector.find_agencies(" ".join(words), ended=ended, limit=limit)
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        say(
            "no agency found; is the directory taken over? `edoc agencies sync`",
            "không tìm thấy đơn vị nào; đã đồng bộ danh bạ chưa? `edoc agencies sync`",
        )
    else:
        print_table(f"{Text('Agencies', 'Đơn vị')}: {len(found)}", _COLUMNS, map(_build_cells, found))


@agency_commands.command()
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Code of either system. / Mã theo hệ thống bất kỳ.")],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show an agency: those above it, the life of its code, heir and predecessors. / Xem một đơn vị."""
    with open_connector(config, agency) as connector:
        found = connector.agency(code)
    if as_json:
        print_json(asdict(found))
    else:
        print_table(_name(found.agency), _FACT_COLUMNS, _list_facts(found))


@agency_commands.command(name="import")
def import_list(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The list. / Tệp danh sách.")],
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Codes it does not name leave our list. / Bỏ các mã không có trong tệp."),
    ] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Import a list of agencies of your own, which counts before the hub's. / Nhập danh sách đơn vị của cơ quan.

    A CSV with the columns code, name, other_code, parent, email, from, to, successor; code alone is needed. / Tệp CSV
    có các cột code, name, other_code, parent, email, from, to, successor; chỉ bắt buộc cột code.
    """
    with open_connector(config, agency) as connector:
        done = connector.import_agencies(file, replace=replace)
    if as_json:
        print_json(asdict(done))
        return
    say(
        f"{done.lines} codes; new {done.added}, changed {done.changed}",
        f"{done.lines} mã; mới {done.added}, thay đổi {done.changed}",
    )
    if done.unknown_successors:
        names = ", ".join(done.unknown_successors[:10])
        say(
            f"warning: no directory has these successors: {names}",
            f"lưu ý: không danh bạ nào có các mã kế thừa này: {names}",
            err=True,
        )
    if done.ignored_columns:
        names = ", ".join(done.ignored_columns)
        say(f"warning: columns not used: {names}", f"lưu ý: các cột không dùng: {names}", err=True)


def _build_cells(one: AgencyRecord) -> tuple[Any, ...]:
    return (one.code, one.name, one.other_code, one.parent, _format_life(one), one.successor)


def _format_life(one: AgencyRecord) -> str:
    if not one.ended and one.valid_from is None and one.valid_to is None:
        return "✓"
    days = f"{_format_day(one.valid_from)}–{_format_day(one.valid_to)}"
    return f"{days} ({Text('ended', 'đã ngừng')})" if one.ended else days


def _format_day(day: date | None) -> str:
    return f"{day:%d/%m/%Y}" if day is not None else "…"


def _list_facts(found: AgencyHistory) -> list[tuple[Text, str]]:
    one = found.agency
    return [
        (Text("code", "mã"), one.code),
        (Text("other code", "mã khác"), one.other_code or "–"),
        (Text("name", "tên"), one.name or "–"),
        (Text("above it", "cấp trên"), " < ".join(_name(parent) for parent in found.parents) or one.parent or "–"),
        (Text("e-mail", "thư điện tử"), one.email or "–"),
        (Text("life of the code", "hiệu lực của mã"), _format_life(one)),
        (Text("successor", "mã kế thừa"), ", ".join((one.successor or "–").split())),
        (Text("place taken today by", "hiện do đơn vị"), _name(found.heir) if found.heir is not None else "–"),
        (Text("took the place of", "kế thừa từ"), ", ".join(map(_name, found.predecessors)) or "–"),
    ]


def _name(one: AgencyRecord) -> str:
    return f"{one.code} {one.name}".strip()
