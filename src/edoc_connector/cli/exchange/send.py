"""The commands send, update and replace: store a document and send it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text
from ...errors import ConfigError
from ..options import CONFIG, AgencyOption, AttachOption, ClassificationOption, ConfigOption, JsonFlag, QueueOption
from ..output import ExitCode, print_json, print_table, say
from ..packets import read_message, warn_of_marks
from .connection import open_connector
from .delivery_report import print_delivery
from .document_id import find_sent_id
from .paging import parse_deadline

if TYPE_CHECKING:
    from ...connector import Connector, Delivery, Preview
    from ...edxml import Document

_MessageFile = Annotated[
    Path, typer.Argument(metavar="DOCUMENT.json", help="The document as JSON. / Văn bản dạng JSON.")
]
_TargetId = Annotated[
    str,
    typer.Argument(
        metavar="DOCUMENT-ID|NUMBER", help="The document sent before; its id, or 7816/SNV-VP. / Mã, hoặc số ký hiệu."
    ),
]
_Reason = Annotated[str, typer.Option("--reason", "-m", help="Why. / Lý do.")]


def send(
    message_file: _MessageFile,
    attach: AttachOption = None,
    classification: ClassificationOption = None,
    use_successors: Annotated[
        bool,
        typer.Option(
            "--use-successors",
            help="Send to the successor of a recipient whose code ended. / Gửi tới đơn vị kế thừa khi mã nơi nhận đã "
            "ngừng sử dụng.",
        ),
    ] = False,
    deadline: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Until when it is to be with every recipient: 2h, 3d or 2026-11-20T17:00. / Hạn tới nơi nhận.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check, build and sign it as for sending, and keep nothing. / Kiểm tra, tạo và ký thử, không lưu.",
        ),
    ] = False,
    queue: QueueOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a document. / Gửi văn bản.

    It is stored first: if the hub cannot be reached, the same command later sends the same bytes. / Văn bản được lưu
    trước: nếu chưa tới được trục, chạy lại đúng lệnh này sau đó sẽ gửi đúng gói tin ấy.

    Exit code 0: the hub has it, or with --queue the queue; 75: not yet, try later; 1: not, and the message says why. /
    Mã kết thúc 0: trục đã nhận, hoặc với --queue là đã xếp hàng; 75: chưa được, thử lại sau; 1: không được, thông báo
    nêu lý do.
    """
    document = _read_new(message_file, attach, classification)
    with open_connector(config, agency, Text("sending", "đang gửi")) as connector:
        _warn_of_recipients(connector, document, use_successors=use_successors)
        if dry_run:
            _print_preview(connector.preview(document, use_successors=use_successors), as_json=as_json)
            return
        submit = connector.queue if queue else connector.send
        delivery = submit(document, use_successors=use_successors, deadline=parse_deadline(deadline))
        lease = connector.settings.limits.lease
    _report(delivery, lease, queue=queue, as_json=as_json)


def update(
    document_id: _TargetId,
    message_file: _MessageFile,
    reason: _Reason,
    attach: AttachOption = None,
    same_content: Annotated[
        bool, typer.Option("--same-content", help="The content did not change. / Nội dung văn bản không đổi.")
    ] = False,
    queue: QueueOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a document anew with changes. / Cập nhật văn bản đã gửi.

    Recipients answer 15 (agreed) or 16 (refused). Exit codes as for `edoc send`. / Nơi nhận trả lời 15 (đồng ý) hoặc 16
    (từ chối). Mã kết thúc như `edoc send`.
    """
    document = _read_new(message_file, attach, None)
    with open_connector(config, agency, Text("sending", "đang gửi")) as connector:
        delivery = connector.update(
            document,
            updates=find_sent_id(connector, document_id),
            reason=reason,
            content_changed=not same_content,
            queue=queue,
        )
        lease = connector.settings.limits.lease
    _report(delivery, lease, queue=queue, as_json=as_json)


def replace(
    document_id: _TargetId,
    message_file: _MessageFile,
    reason: _Reason,
    attach: AttachOption = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also", metavar="DOCUMENT-ID|NUMBER", help="Another document that it replaces; repeat it. / Văn bản khác."
        ),
    ] = None,
    queue: QueueOption = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a document that replaces others. / Thay thế văn bản đã gửi.

    Recipients answer 15 (agreed) or 16 (refused). Exit codes as for `edoc send`. / Nơi nhận trả lời 15 (đồng ý) hoặc 16
    (từ chối). Mã kết thúc như `edoc send`.
    """
    document = _read_new(message_file, attach, None)
    with open_connector(config, agency, Text("sending", "đang gửi")) as connector:
        replaced = [find_sent_id(connector, name) for name in (document_id, *(also or ()))]
        delivery = connector.replace(document, replaces=replaced, reason=reason, queue=queue)
        lease = connector.settings.limits.lease
    _report(delivery, lease, queue=queue, as_json=as_json)


def _read_new(message_file: Path, attach: list[Path] | None, classification: str | None) -> Document:
    """Read a new document, and warn of what a clerk may have overlooked."""
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
    return document


def _report(delivery: Delivery, lease: float, *, queue: bool, as_json: bool) -> None:
    print_delivery(delivery, as_json=as_json)
    if delivery.state != "sent" and not queue:
        _warn_not_sent(delivery, lease)
        raise typer.Exit(ExitCode.TRY_LATER)


def _print_preview(preview: Preview, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(preview))
        return
    largest = "–" if preview.largest is None else preview.largest
    known = Text("new", "mới") if preview.known_state is None else preview.known_state.text
    signed = Text("yes", "có") if preview.is_signed else Text("no key is configured", "chưa cấu hình khóa ký")
    rows = (
        (Text("document", "văn bản"), preview.document_id),
        (Text("delivery", "lượt gửi"), known),
        (Text("signed", "ký số"), signed),
        (Text("packet, bytes", "gói tin, byte"), preview.size),
        (Text("hub takes, bytes", "trục nhận tối đa, byte"), largest),
    )
    print_table(Text("Nothing was stored or sent", "Chưa lưu, chưa gửi"), ("", ""), rows)


def _warn_of_recipients(connector: Connector, document: Document, *, use_successors: bool) -> None:
    """Warn of recipients that the directory does not know, and tell who takes the place of those that ended."""
    from ...connector import RecipientKind, describe_ended, describe_unknown

    for check in connector.check_recipients(document):
        if check.kind is RecipientKind.UNKNOWN:
            text = describe_unknown(check.code)
        elif check.kind is RecipientKind.ENDED and use_successors:
            text = describe_ended(check)
        else:
            continue
        say(f"warning: {text.en}", f"lưu ý: {text.vi}", err=True)


def _require_new(document: Document) -> None:
    from ...edxml import BusinessType

    if document.business.type not in (None, BusinessType.NEW):
        raise ConfigError(
            "the JSON holds a recall, an update or a replacement; give the document itself here. Recalls: "
            "`edoc recall`; updates and replacements: `edoc update` and `edoc replace`.",
            vi="tệp JSON là yêu cầu thu hồi, cập nhật hoặc thay thế; lệnh này cần chính văn bản mới. Thu hồi: "
            "`edoc recall`; cập nhật, thay thế: `edoc update`, `edoc replace`.",
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
