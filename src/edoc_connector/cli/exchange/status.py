"""The command status: reports how it stands with a received document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from ..options import CONFIG, AgencyOption, ConfigOption, SenderOption
from ..output import say
from .connection import open_connector, warn_queued
from .document_id import find_received_id, find_sent_id
from .receipt_report import find_receipt

if TYPE_CHECKING:
    from ...connector import Receipt

# What a clerk can report of a received document, by code (Decision 28/2018/QĐ-TTg).
_STATUS_ACTIONS: dict[str, Callable[[Receipt, str | None], None]] = {
    "02": lambda receipt, words: receipt.reject(words or ""),
    "03": lambda receipt, words: receipt.accept(words),
    "04": lambda receipt, words: receipt.assign(words),
    "05": lambda receipt, words: receipt.processing(words),
    "06": lambda receipt, words: receipt.complete(words),
    "15": lambda receipt, words: receipt.agree_change(words),
    "16": lambda receipt, words: receipt.refuse_change(words or ""),
}


def status(
    document_id: Annotated[
        str, typer.Argument(metavar="DOCUMENT-ID|NUMBER", help="Its id, or 7816/SNV-VP. / Mã, hoặc số ký hiệu.")
    ],
    code: Annotated[
        str,
        typer.Argument(
            help="02 rejected, 03 accepted, 04 assigned, 05 in progress, 06 completed, 15 agreed, 16 change refused; "
            "13 take back, of a document of ours. / 02 từ chối, 03 đã tiếp nhận, 04 phân công, 05 đang xử lý, "
            "06 hoàn thành, 15 đồng ý, 16 không đồng ý thay đổi; 13 lấy lại văn bản đơn vị đã gửi."
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", "-m", help="Words; required with 02, 13 and 16. / Nội dung, lý do.")
    ] = None,
    sender: SenderOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Report a status: of a received document, or 13 to take one of ours back. / Gửi trạng thái xử lý văn bản."""
    with open_connector(config, agency) as connector:
        if code == "13":
            connector.take_back(find_sent_id(connector, document_id), reason=reason or "")
        elif code in _STATUS_ACTIONS:
            _STATUS_ACTIONS[code](find_receipt(connector, find_received_id(connector, document_id), sender), reason)
        else:
            known = ", ".join([*_STATUS_ACTIONS, "13"])
            raise ConfigError(
                f"'{code}' is no status to send; use one of {known}",
                vi=f"'{code}' không phải mã trạng thái gửi được; dùng một trong {known}",
            )
        queued = warn_queued(connector)
    if not queued:
        say(f"{code}: {document_id}: noted and sent", "đã ghi nhận và gửi")
