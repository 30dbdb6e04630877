"""The command directory: lists the hub's directory of agencies."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_json, print_table, say
from .connection import open_connector


def directory(
    sync: Annotated[
        bool, typer.Option("--sync", help="Take over the hub's directory first. / Đồng bộ danh bạ từ trục trước.")
    ] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the hub's directory of agencies, as it was last taken over. / Xem danh bạ đơn vị trên trục."""
    with open_connector(config, agency) as connector:
        if sync:
            connector.sync_directory()
        found = connector.directory()
    if as_json:
        keys = ("code", "name", "other_code", "parent", "email", "active")
        print_json([{key: getattr(one, key) for key in keys} for one in found])
    elif not found:
        say(
            "the directory was not taken over yet: `edoc directory --sync`",
            "chưa đồng bộ danh bạ: chạy `edoc directory --sync`",
        )
    else:
        columns = ("code / mã", "name / tên", "other code / mã khác", "above / cấp trên", "active / đang dùng")
        rows = ((one.code, one.name, one.other_code, one.parent, "✓" if one.active else "–") for one in found)
        print_table(f"Directory / Danh bạ: {len(found)}", columns, rows)
