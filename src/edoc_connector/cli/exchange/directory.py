"""The command directory: lists the hub's directory of agencies."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_table, say
from .connection import open_connector
from .paging import AfterOption, LimitOption, format_count, hint_next_page, name_source, print_json_page


def directory(
    sync: Annotated[
        bool, typer.Option("--sync", help="Take over the hub's directory first. / Đồng bộ danh bạ từ trục trước.")
    ] = False,
    limit: LimitOption = None,
    after: AfterOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the hub's directory of agencies, as it was last taken over. / Xem danh bạ đơn vị trên trục.

    A page at a time, by code.
    """
    with open_connector(config, agency) as connector:
        if sync:
            connector.sync_directory()
        found = connector.directory(limit=limit, after=after)
    if as_json:
        keys = ("code", "name", "other_code", "parent", "email", "active")
        print_json_page([{key: getattr(one, key) for key in keys} for one in found], found)
    elif not found and after is None:
        say(
            "the directory was not taken over yet: `edoc directory --sync`",
            "chưa đồng bộ danh bạ: chạy `edoc directory --sync`",
        )
    else:
        columns = ("code / mã", "name / tên", "other code / mã khác", "above / cấp trên", "active / đang dùng")
        rows = ((one.code, one.name, one.other_code, one.parent, "✓" if one.active else "–") for one in found)
        print_table(f"Directory / Danh bạ: {format_count(found)}", columns, rows)
        hint_next_page("directory", found, {"limit": limit, **name_source(config, agency)})
