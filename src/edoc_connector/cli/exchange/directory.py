"""The command directory, the old name of the group agencies."""

from __future__ import annotations

from typing import Annotated

import typer

from ..._core import Text
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
    """Old name of `edoc agencies`, for one release. / Tên cũ của `edoc agencies`, còn dùng trong một bản phát hành."""
    say(
        "`edoc directory` goes with the next release: use `edoc agencies sync`, `find` and `show`",
        "`edoc directory` sẽ bị bỏ ở bản sau: hãy dùng `edoc agencies sync`, `find` và `show`",
        err=True,
    )
    with open_connector(config, agency, Text("syncing", "đang đồng bộ danh bạ")) as connector:
        if sync:
            connector.sync_directory()
        found = connector.directory(limit=limit, after=after)
    if as_json:
        keys = ("code", "name", "other_code", "parent", "email", "active")
        print_json_page([{key: getattr(one, key) for key in keys} for one in found], found)
    elif not found and after is None:
        say(
            "the directory was not taken over yet: `edoc agencies sync`",
            "chưa đồng bộ danh bạ: chạy `edoc agencies sync`",
        )
    else:
        columns = (
            Text("code", "mã"),
            Text("name", "tên"),
            Text("other code", "mã khác"),
            Text("above", "cấp trên"),
            Text("active", "đang dùng"),
        )
        rows = ((one.code, one.name, one.other_code, one.parent, "✓" if one.active else "–") for one in found)
        print_table(f"{Text('Directory', 'Danh bạ')}: {format_count(found)}", columns, rows)
        hint_next_page("directory", found, {"limit": limit, **name_source(config, agency)})
