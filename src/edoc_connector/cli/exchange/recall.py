"""Commands that ask for a document back, and the one on the directory: recall, take-back, directory."""

from __future__ import annotations

from typing import Annotated

import typer

from ..output import JsonFlag, print_json, print_table, say
from .send import CONFIG, AgencyOption, ConfigOption, open_connector, print_delivery, warn_queued

_Id = Annotated[
    str, typer.Argument(metavar="DOCUMENT-ID", help="A document sent from here. / Mã văn bản đơn vị đã gửi.")
]
_Reason = Annotated[str, typer.Option("--reason", "-m", help="Why. / Lý do.")]
_To = Annotated[
    list[str] | None,
    typer.Option(
        "--to",
        metavar="CODE",
        help="Only this recipient; repeat it. / Chỉ hỏi nơi nhận này; dùng nhiều lần.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(recall)
    app.command("take-back")(take_back)
    app.command()(directory)


def recall(
    document_id: _Id,
    reason: _Reason,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask everybody who got a document to agree that it is void. / Thu hồi văn bản đã gửi.

    Recipients answer 15 (agreed) or 16 (refused).
    """
    with open_connector(config, agency, "sending / đang gửi") as connector:
        delivery = connector.recall(document_id, reason=reason)
    print_delivery(delivery, as_json=as_json)


def take_back(
    document_id: _Id,
    reason: _Reason,
    to: _To = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask recipients to give a document back (13). / Lấy lại văn bản đã gửi.

    Recipients answer 15 (agreed) or 16 (refused).
    """
    with open_connector(config, agency) as connector:
        connector.take_back(document_id, reason=reason, recipients=to)
        warn_queued(connector)
        delivery = connector.delivery(document_id)
    print_delivery(delivery, as_json=as_json)


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
