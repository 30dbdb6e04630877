"""The commands gateway keys: make, list, rotate and revoke the keys of clients."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import format_local_time, print_json, print_table, say
from .offices import open_offices

if TYPE_CHECKING:
    from ...gateway import KeyReport, NewKey

key_commands = typer.Typer(name="keys", help="Keys of clients. / Khóa của phần mềm dùng cổng.", no_args_is_help=True)

_KeyId = Annotated[str, typer.Argument(metavar="KEY-ID", help="As `list` shows it. / Mã khóa.")]
_Agencies = Annotated[
    list[str] | None,
    typer.Option(
        "--agency", metavar="ID", help="What it may speak for; repeat it. All by default. / Đơn vị; dùng nhiều lần."
    ),
]
_Overlap = Annotated[float, typer.Option(min=0, metavar="DAYS", help="How long both work. / Số ngày dùng song song.")]


@key_commands.command()
def add(
    name: Annotated[str, typer.Argument(help="Who gets it. / Tên phần mềm dùng khóa.")],
    agency: _Agencies = None,
    config: ConfigOption = CONFIG,
    as_json: JsonFlag = False,
) -> None:
    """Make a key, and show it this once: the store has only its hash. / Tạo khóa; chỉ hiện một lần."""
    with open_offices(config, agency) as offices:
        from ...gateway import add_key

        _print_new(add_key(offices.stores, name=name), as_json=as_json)


@key_commands.command("list")
def list_(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """List the keys, what each may speak for, and when it was last used. / Xem danh sách khóa."""
    with open_offices(config, None if agency is None else [agency]) as offices:
        from ...gateway import list_keys

        found = list_keys(offices.stores)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    columns = ("id / mã", "name / tên", "agencies / đơn vị", "last used / dùng lần cuối", "state / tình trạng")
    rows = ((one.key_id, one.name, ", ".join(one.agencies), _format(one.last_used_at), _describe(one)) for one in found)
    print_table(f"Keys / Khóa: {len(found)}", columns, rows)


@key_commands.command()
def revoke(key_id: _KeyId, config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Refuse a key from now on. / Thu hồi khóa."""
    with open_offices(config, None if agency is None else [agency]) as offices:
        from ...gateway import revoke_key

        revoke_key(offices.stores, key_id)
    say(f"revoked: {key_id}", f"đã thu hồi: {key_id}")


@key_commands.command()
def rotate(key_id: _KeyId, overlap: _Overlap = 7.0, config: ConfigOption = CONFIG, as_json: JsonFlag = False) -> None:
    """Make the successor of a key; the old one is taken a while longer. / Thay khóa, khóa cũ còn dùng thêm ít ngày."""
    with open_offices(config, None) as offices:
        from ...gateway import rotate_key

        _print_new(rotate_key(offices.stores, key_id, overlap=timedelta(days=overlap)), as_json=as_json)


def _print_new(key: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(key))
        return
    typer.echo(key.token)
    say(
        f"key {key.key_id}: keep it; it is shown this once",
        f"khóa {key.key_id}: hãy lưu lại, chỉ hiện một lần",
        err=True,
    )


def _format(moment: datetime | None) -> str:

    return "–" if moment is None else format_local_time(moment)


def _describe(key: KeyReport) -> str:
    if key.revoked_at is not None:
        return f"revoked / đã thu hồi {_format(key.revoked_at)}"
    return "valid / đang dùng" if key.expires_at is None else f"until / đến {_format(key.expires_at)}"
