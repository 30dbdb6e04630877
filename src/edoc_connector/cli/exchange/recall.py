"""The commands recall and take-back: ask for a document back."""

from __future__ import annotations

from typing import Annotated

import typer

from ..._core import Text
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag, QueueOption
from .connection import open_connector, warn_queued
from .delivery_report import print_delivery
from .document_id import find_sent_id

_Id = Annotated[
    str,
    typer.Argument(metavar="DOCUMENT-ID|NUMBER", help="Sent from here; its id, or 7816/SNV-VP. / Mã, hoặc số ký hiệu."),
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
    queue: QueueOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask everybody who got a document to agree that it is void. / Thu hồi văn bản đã gửi.

    Recipients answer 15 (agreed) or 16 (refused). / Nơi nhận trả lời 15 (đồng ý) hoặc 16 (từ chối).
    """
    with open_connector(config, agency, Text("sending", "đang gửi")) as connector:
        delivery = connector.recall(find_sent_id(connector, document_id), reason=reason, queue=queue)
    print_delivery(delivery, as_json=as_json)


def take_back(
    document_id: _Id,
    reason: _Reason,
    to: _To = None,
    queue: QueueOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask recipients to give a document back (13). / Lấy lại văn bản đã gửi.

    Recipients answer 15 (agreed) or 16 (refused). / Nơi nhận trả lời 15 (đồng ý) hoặc 16 (từ chối).
    """
    with open_connector(config, agency) as connector:
        delivery = connector.take_back(find_sent_id(connector, document_id), reason=reason, recipients=to, queue=queue)
        if not queue:
            warn_queued(connector)
            delivery = connector.delivery(delivery.id)
    print_delivery(delivery, as_json=as_json)
