"""Commands on documents, over the store: send, status, deliveries, show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...errors import AttachmentError, ConfigError, NotFound, PacketError, StoreError
from .. import labels
from ..output import ExitCode, JsonFlag, format_local_time, name_commands, print_json, print_table, say, show_progress
from ..packets.inspect import read_message

if TYPE_CHECKING:
    from ...connector import Connector, Delivery, Receipt, TimelineEntry
    from ...edxml import Document

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", envvar="EDOC_CONFIG", help="The configuration. / Tệp cấu hình."),
]
CONFIG = Path("edoc.toml")
AgencyOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Which agency, where the configuration has several. / Mã đơn vị, nếu tệp cấu hình có nhiều đơn vị.",
    ),
]
_TIMELINE_COLUMNS = ("time / thời gian", "who / ai", "what / việc gì")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (send, status, deliveries, show):
        app.command()(command)


def send(
    message_file: Annotated[
        Path, typer.Argument(metavar="DOCUMENT.json", help="The document as JSON. / Văn bản dạng JSON.")
    ],
    attach: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file to attach; repeat it. / Tệp đính kèm; dùng nhiều lần."),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send a document. / Gửi văn bản.

    It is stored first: if the hub cannot be reached, the same command later sends the same bytes.

    Exit code 0: the hub has it; 1: not, and the message says why.
    """
    from ... import edxml

    document = read_message(message_file, [edxml.Attachment.from_path(path) for path in attach or ()])
    if not isinstance(document, edxml.Document):
        raise ConfigError(
            f"{message_file} is a status; send one with `edoc status`",
            vi=f"{message_file} là trạng thái; hãy gửi bằng lệnh `edoc status`",
        )
    _require_new(document)
    if not document.attachments:
        say("warning: no file is attached (--attach FILE)", "lưu ý: chưa đính kèm tệp nào (--attach TỆP)", err=True)
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


# What a clerk can say about a received document, by its code (Decision 28/2018/QĐ-TTg).
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
        str, typer.Argument(metavar="DOCUMENT-ID", help="As `edoc receive` shows it. / Mã văn bản.")
    ],
    code: Annotated[
        str,
        typer.Argument(
            help="02 từ chối, 03 đã tiếp nhận, 04 phân công, 05 đang xử lý, 06 hoàn thành, 15 đồng ý, "
            "16 từ chối thay đổi; 13 lấy lại (a document of ours / văn bản đơn vị đã gửi)."
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", "-m", help="Words; required with 02, 13 and 16. / Nội dung, lý do.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Report a status: of a received document, or 13 to take one of ours back. / Gửi trạng thái xử lý văn bản."""
    with open_connector(config, agency) as connector:
        if code == "13":
            connector.take_back(document_id, reason=reason or "")
        elif code in _STATUS_ACTIONS:
            _STATUS_ACTIONS[code](find_receipt(connector, document_id), reason)
        else:
            known = ", ".join([*_STATUS_ACTIONS, "13"])
            raise ConfigError(
                f"'{code}' is no status to send; use one of {known}",
                vi=f"'{code}' không phải mã trạng thái gửi được; dùng một trong {known}",
            )
        queued = warn_queued(connector)
    if not queued:
        say(f"{code}: {document_id}: noted and sent", "đã ghi nhận và gửi")


def deliveries(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """List the documents sent. / Liệt kê văn bản đã gửi."""
    with open_connector(config, agency) as connector:
        found = connector.deliveries()
    if as_json:
        print_json([describe_delivery(delivery) for delivery in found])
        return
    columns = (
        "document / văn bản",
        "subject / trích yếu",
        "state / tình trạng",
        "recipients / nơi nhận",
        "sent / gửi lúc",
    )
    rows = (
        (
            one.id,
            one.subject,
            labels.format_both(labels.DELIVERY, one.state),
            labels.format_recipients(one),
            one.sent_at and format_local_time(one.sent_at),
        )
        for one in found
    )
    print_table(f"Sent / Đã gửi: {len(found)}", columns, rows)


def show(
    document_id: Annotated[str, typer.Argument(metavar="DOCUMENT-ID", help="Sent or received. / Mã văn bản.")],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what happened to a document. / Xem diễn biến của một văn bản."""
    with open_connector(config, agency) as connector:
        try:
            delivery = connector.delivery(document_id)
        except NotFound:
            _print_receipt(find_receipt(connector, document_id), as_json=as_json)
        else:
            print_delivery(delivery, as_json=as_json)


@contextmanager
def open_connector(config: Path, agency: str | None, label: str = "…") -> Iterator[Connector]:
    """A connector for one command, with a bar for what takes long."""
    from ...config import Settings
    from ...connector import Connector

    settings = Settings.load(config, agency=agency)
    with show_progress(label) as on_progress, Connector.open(settings, on_progress=on_progress) as connector:
        yield connector


def warn_queued(connector: Connector) -> int:
    """Say what could not leave yet, and stays queued; how much that is."""
    errors = connector.flush().errors
    for error in errors:
        say(
            f"queued, not sent yet: {name_commands(error.message)}",
            f"đã xếp hàng, chưa gửi được: {name_commands(error.vi)}",
            err=True,
        )
    return len(errors)


def find_receipt(connector: Connector, document_id: str) -> Receipt:
    """What came in under an id: of a document, in whatever state, or the hub's of any packet.

    Raises:
        NotFound: nothing did.
    """
    try:
        return connector.receipt(document_id)
    except NotFound:
        others = (
            one for one in connector.receipts() if document_id in (one.id, read_unverified(one).get("document_id"))
        )
        found = next(others, None)
        if found is None:
            raise
    return found


def read_unverified(receipt: Receipt) -> dict[str, Any]:
    """What a packet that was set aside says of itself, which nobody vouches for; nothing where it cannot be read."""
    from ...edxml import BusinessType

    if receipt.state != "quarantined":
        return {}
    try:
        document = receipt.document
    except (PacketError, AttachmentError, NotFound, StoreError):
        return {}
    return {
        "document_id": document.id,
        "sender": document.sender.id,
        "code": document.code,
        "subject": document.subject,
        "kind": (document.business.type or BusinessType.NEW).name.lower(),
    }


def describe_delivery(delivery: Delivery) -> dict[str, Any]:
    """A delivery for JSON; times are UTC."""
    return {
        "document_id": delivery.id,
        "state": delivery.state.value,
        "business": delivery.business.name.lower(),
        "code": delivery.code,
        "subject": delivery.subject,
        "hub_doc_id": delivery.hub_doc_id,
        "sent_at": delivery.sent_at and delivery.sent_at.isoformat(),
        "last_error": delivery.last_error,
        "recipients": [
            {
                "organ_id": one.organ_id,
                "name": one.name,
                "status": one.status and str(one.status),
                "description": one.description,
                "undelivered": one.undelivered,
            }
            for one in delivery.recipients
        ],
        "timeline": [_describe_entry(entry) for entry in delivery.timeline],
    }


def _describe_entry(entry: TimelineEntry) -> dict[str, Any]:
    return {
        "time": entry.time.isoformat(),
        "actor": entry.actor,
        "from": entry.from_,
        "to": entry.to,
        "recipient": entry.recipient,
        "detail": entry.detail,
        "detail_vi": entry.detail_vi,
    }


def build_timeline_rows(delivery: Delivery) -> list[tuple[str, str, str]]:
    """The timeline for a person, in Vietnam time."""
    return [
        (format_local_time(one.time), labels.format_actor(one), labels.format_entry(one)) for one in delivery.timeline
    ]


def print_delivery(delivery: Delivery, *, as_json: bool = False) -> None:
    """Print what happened to a document of ours."""
    if as_json:
        print_json(describe_delivery(delivery))
        return
    print_table(f"{delivery.id} — {delivery.subject}", _TIMELINE_COLUMNS, build_timeline_rows(delivery))
    en, vi = labels.DELIVERY[delivery.state]
    say(f"{en}; {labels.format_recipients(delivery)}", f"tình trạng: {vi}")
    if delivery.last_error:
        say(name_commands(delivery.last_error), name_commands(delivery.last_error_vi or ""))


def describe_receipt(receipt: Receipt) -> dict[str, Any]:
    """What came in, for JSON; times are UTC. What nobody vouches for stands where the store knows nothing better."""
    claimed = read_unverified(receipt)
    return {
        "document_id": receipt.id or claimed.get("document_id", ""),
        "hub_doc_id": receipt.hub_doc_id,
        "sender": receipt.sender or claimed.get("sender", ""),
        "kind": claimed.get("kind", receipt.kind),
        "code": receipt.code or claimed.get("code", ""),
        "subject": receipt.subject or claimed.get("subject", ""),
        "state": receipt.state.value,
        "status": receipt.status,
        "received_at": receipt.received_at.isoformat(),
        "error": receipt.error,
        "error_vi": receipt.error_vi,
    }


def _print_receipt(receipt: Receipt, *, as_json: bool) -> None:
    found = describe_receipt(receipt)
    if as_json:
        print_json(found)
        return
    rows = (
        ("DocumentId / mã văn bản", found["document_id"]),
        ("docId / mã trên trục", found["hub_doc_id"]),
        ("from / nơi gửi", found["sender"]),
        ("kind / loại", labels.format_both(labels.KIND, found["kind"])),
        ("number / số, ký hiệu", found["code"]),
        ("subject / trích yếu", found["subject"]),
        ("state / tình trạng", labels.format_both(labels.RECEIPT, found["state"])),
        ("last status / trạng thái đã báo", labels.format_status_code(found["status"])),
        ("received / nhận lúc", format_local_time(receipt.received_at)),
        ("error / lỗi", found["error"] and name_commands(f"{found['error']}\n{found['error_vi']}")),
    )
    print_table("Received / Văn bản đến", ("field / trường", "value / giá trị"), rows)
    if receipt.state == "quarantined":
        warn_set_aside(found)


def warn_set_aside(description: dict[str, Any]) -> None:
    """Say on stderr that a packet was set aside, why, and how it is let in after all."""
    name = description["code"] or description["document_id"] or description["hub_doc_id"]
    say(
        f"set aside, and its sender, number and subject are not verified: {name}: "
        f"{name_commands(description['error'] or '')} "
        f"Once mended: `edoc recheck {description['hub_doc_id']}`",
        f"đã cách ly; nơi gửi, số ký hiệu và trích yếu chưa được xác minh: {name}: "
        f"{name_commands(description['error_vi'] or '')} Khắc phục xong hãy chạy: `edoc recheck "
        f"{description['hub_doc_id']}`",
        err=True,
    )
