"""The command send: stores a document and sends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import ConfigError
from ..options import CONFIG, AgencyOption, AttachOption, ClassificationOption, ConfigOption, JsonFlag
from ..output import ExitCode, say
from ..packets import read_message, warn_of_marks
from .connection import open_connector
from .delivery_report import print_delivery

if TYPE_CHECKING:
    from ...connector import Delivery
    from ...edxml import Document


def send(
    message_file: Annotated[
        Path, typer.Argument(metavar="DOCUMENT.json", help="The document as JSON. / Văn bản dạng JSON.")
    ],
    attach: AttachOption = None,
    classification: ClassificationOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a document. / Gửi văn bản.

    It is stored first: if the hub cannot be reached, the same command later sends the same bytes.

    Exit code 0: the hub has it; 1: not, and the message says why.
    """
    from ...edxml import Document

    document = read_message(message_file, attach or (), classification)
    if not isinstance(document, Document):
        raise ConfigError(
            f"{message_file} is a status; send one with `edoc status`",
            vi=f"{message_file} là trạng thái; hãy gửi bằng lệnh `edoc status`",
        )
    _require_new(document)
    if not document.attachments:
        say("warning: no file is attached (--attach FILE)", "lưu ý: chưa đính kèm tệp nào (--attach TỆP)", err=True)
    warn_of_marks(document)
    with open_connector(config, agency, "sending / đang gửi") as connector:
        delivery = connector.send(document)
        lease = connector.settings.limits.lease
    print_delivery(delivery, as_json=as_json)
    if delivery.state != "sent":
        _warn_not_sent(delivery, lease)
        raise typer.Exit(ExitCode.FAILED)


def _require_new(document: Document) -> None:
    from ...edxml import BusinessType

    if document.business.type not in (None, BusinessType.NEW):
        raise ConfigError(
            "the JSON holds a recall, an update or a replacement; send a new document here. Recalls: `edoc recall`; "
            "updates and replacements: Connector.update() and replace() in Python.",
            vi="tệp JSON là yêu cầu thu hồi, cập nhật hoặc thay thế; lệnh này chỉ gửi văn bản mới. Thu hồi: "
            "`edoc recall`; cập nhật, thay thế: Connector.update(), replace() trong Python.",
        )


def _warn_not_sent(delivery: Delivery, lease: float) -> None:
    if delivery.state == "sending":
        say(
            f"edoc: not sent: another process may be sending it. Run the command again after {lease:g} seconds "
            "(limits.lease).",
            f"chưa gửi: có thể tiến trình khác đang gửi văn bản này. Hãy chạy lại lệnh sau {lease:g} giây "
            "(limits.lease).",
            err=True,
        )
    else:
        say(
            f"edoc: the hub is not known to have it yet; see `edoc explain {delivery.id}`",
            f"chưa rõ trục đã nhận hay chưa; xem `edoc explain {delivery.id}`",
            err=True,
        )
