"""The commands recall and take-back: ask for a document back."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from .connection import open_connector, warn_queued
from .delivery_report import print_delivery

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
