"""The commands web user: who works at the desk. A password is typed, or named by a reference; never an argument."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from ..configuration import load_settings
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import format_local_time, print_json, print_table, say
from .serve import require_web

if TYPE_CHECKING:
    from ...connector import Connector

user_commands = typer.Typer(name="user", help="Who works at the desk. / Người dùng bàn làm việc.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name to sign in with. / Tên đăng nhập.")]
_Role = Annotated[
    str,
    typer.Option(
        metavar="ROLE",
        help="clerk, leader, officer or administrator. / Vai trò: clerk (văn thư), leader (lãnh đạo), officer (chuyên "
        "viên) hoặc administrator (quản trị).",
    ),
]
_Password = Annotated[
    str | None,
    typer.Option(
        "--password",
        metavar="REF",
        help="Where it is: env:NAME, file:PATH or cmd:…; else it is asked for. / Nơi lấy mật khẩu.",
    ),
]


@user_commands.command()
def add(
    name: _Name,
    full_name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Full name, as evidence shows it. / Họ tên.")
    ],
    role: _Role,
    password: _Password = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Only a proxy lets the person in. / Chỉ đăng nhập qua proxy.")
    ] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Add a person. / Thêm người dùng."""
    with _open(config, agency) as connector:
        from ...desk import add_person

        secret = None if no_password else _read_password(password, config)
        store, code = connector.context.store, connector.context.agency
        add_person(store, code, name, full_name=full_name, role=role, password=secret, by=getpass.getuser())
    say(f"added: {name}", f"đã thêm: {name}")


@user_commands.command()
def password(name: _Name, new: _Password = None, config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Set another password; the person is signed out everywhere. / Đặt lại mật khẩu."""
    with _open(config, agency) as connector:
        from ...desk import set_password

        secret = _read_password(new, config)
        set_password(connector.context.store, connector.context.agency, name, secret, by=getpass.getuser())
    say(f"the password of {name} is changed", f"đã đổi mật khẩu của {name}")


@user_commands.command()
def role(
    name: _Name,
    new: Annotated[str, typer.Argument(metavar="ROLE", help="As for add. / Vai trò mới.")],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Set another role; the person is signed out everywhere. / Đổi vai trò."""
    with _open(config, agency) as connector:
        from ...desk import set_role

        set_role(connector.context.store, connector.context.agency, name, new, by=getpass.getuser())
    say(f"the role of {name} is changed", f"đã đổi vai trò của {name}")


@user_commands.command()
def remove(name: _Name, config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Remove a person; what they did stays in the evidence. / Xóa người dùng; bằng chứng vẫn còn."""
    with _open(config, agency) as connector:
        from ...desk import remove_person

        remove_person(connector.context.store, connector.context.agency, name, by=getpass.getuser())
    say(f"removed: {name}", f"đã xóa: {name}")


@user_commands.command("list")
def list_(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """List who works at the desk. / Xem danh sách người dùng."""
    with _open(config, agency) as connector:
        from ...desk import list_people

        found = list_people(connector.context.store, connector.context.agency)
    if as_json:
        shown = ("name", "full_name", "role", "created_at", "last_seen_at")
        print_json([{field: getattr(one, field) for field in shown} for one in found])
        return
    columns = ("name / tên", "full name / họ tên", "role / vai trò", "last signed in / đăng nhập lần cuối")
    rows = (
        (one.name, one.full_name, one.role, format_local_time(one.last_seen_at) if one.last_seen_at else "–")
        for one in found
    )
    print_table(f"People / Người dùng: {len(found)}", columns, rows)


@contextmanager
def _open(config: Path, agency: str | None) -> Iterator[Connector]:
    require_web()
    from ...connector import Connector

    with Connector(load_settings(config, agency)) as connector:
        yield connector


def _read_password(reference: str | None, config: Path) -> str:
    """Read a password from where a reference says, or have it typed twice."""
    from ...config import REFERENCE_HINT, SecretRef

    if reference is None:
        typed: str = typer.prompt("Password / Mật khẩu", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    if not SecretRef.is_reference(reference):
        raise ConfigError(f"--password: {REFERENCE_HINT.en}", vi=f"--password: {REFERENCE_HINT.vi}")
    return SecretRef.parse(reference).resolve(config.absolute().parent).get_secret_value()
