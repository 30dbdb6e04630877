"""Commands that exchange documents with a hub, over the store: send, receive, status, deliveries, show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigError, NotFound
from .output import JsonFlag, local_time, print_json, print_table, progress, say
from .packets import read_message, save_all

if TYPE_CHECKING:
    from ..connector import Connector, Delivery, Receipt, TimelineEntry

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
_TIMELINE = ("time / thời gian", "who / ai", "what / việc gì")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (send, receive, status, deliveries, show):
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

    It is stored first: if the hub cannot be reached, the same command later sends the same bytes. Exit code 0: the hub
    has it; 1: not, and the message says why.
    """
    from .. import edxml

    document = read_message(message_file, [edxml.Attachment.from_path(path) for path in attach or ()])
    if not isinstance(document, edxml.Document):
        raise ConfigError(
            f"{message_file} is a status; send one with `edoc status`",
            vi=f"{message_file} là trạng thái; hãy gửi bằng lệnh `edoc status`",
        )
    with opened(config, agency, "sending / đang gửi") as connector:
        delivery = connector.send(document)
    _show_delivery(delivery, as_json=as_json)


def receive(
    save: Annotated[
        Path, typer.Option(metavar="DIR", help="Where attachments are saved. / Thư mục lưu tệp đính kèm.")
    ] = Path("inbox"),
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Receive what waits at the hub, once, and save it. / Nhận văn bản đang chờ trên trục và lưu lại.

    Each document gets a folder of its own. When its files are saved the hub is told, and status 01 (Đã đến) goes out.
    """
    received: list[dict[str, Any]] = []
    try:
        with opened(config, agency, "receiving / đang nhận") as connector:
            for receipt in connector.receive():
                received.append(_save(receipt, save))
    finally:
        _show_received(received, as_json=as_json)  # what came is told, also where the hub failed afterwards


def _show_received(received: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(received)
        return
    columns = (
        "document / văn bản",
        "from / nơi gửi",
        "kind / loại",
        "subject / trích yếu",
        "signature / chữ ký",
        "folder / thư mục",
    )
    keys = ("document_id", "sender", "kind", "subject", "signature", "folder")
    print_table(f"Received / Đã nhận: {len(received)}", columns, ([entry[key] for key in keys] for entry in received))


def _save(receipt: Receipt, folder: Path) -> dict[str, Any]:
    from ..edxml.filenames import distinct, safe_name

    folder.mkdir(parents=True, exist_ok=True)
    with receipt:
        place = folder / distinct(safe_name(receipt.id), {path.name.casefold() for path in folder.iterdir()})
        saved = save_all(receipt.attachments, place)
    return {
        "document_id": receipt.id,
        "hub_doc_id": receipt.hub_doc_id,
        "sender": receipt.sender,
        "kind": receipt.kind,
        "subject": receipt.subject,
        "signature": receipt.verification.status.name,
        "reason": receipt.verification.reason,
        "findings": [finding.code for finding in receipt.findings],
        "folder": str(place),
        "saved": [str(path) if path else None for path in saved],
    }


# What a clerk can say about a received document, by its code (Decision 28/2018/QĐ-TTg).
_SAID: dict[str, Callable[[Receipt, str | None], None]] = {
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
            "16 từ chối thay đổi; 13 lấy lại (a document of ours / văn bản ta đã gửi)."
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", "-m", help="Words; required with 02, 13 and 16. / Nội dung, lý do.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Report a status: of a received document, or 13 to take one of ours back. / Gửi trạng thái xử lý văn bản."""
    with opened(config, agency) as connector:
        if code == "13":
            connector.take_back(document_id, reason=reason or "")
        elif code in _SAID:
            _SAID[code](connector.receipt(document_id), reason)
        else:
            known = ", ".join([*_SAID, "13"])
            raise ConfigError(
                f"'{code}' is no status to send; use one of {known}",
                vi=f"'{code}' không phải mã trạng thái gửi được; dùng một trong {known}",
            )
        _warn_queued(connector)
    say(f"{code}: {document_id}", "đã ghi nhận và gửi")


def deliveries(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """List the documents sent. / Liệt kê văn bản đã gửi."""
    with opened(config, agency) as connector:
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
        (one.id, one.subject, one.state.value, _recipients(one), one.sent_at and local_time(one.sent_at))
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
    with opened(config, agency) as connector:
        try:
            delivery = connector.delivery(document_id)
        except NotFound:
            _show_receipt(connector.receipt(document_id), as_json=as_json)
        else:
            _show_delivery(delivery, as_json=as_json)


@contextmanager
def opened(config: Path, agency: str | None, label: str = "…") -> Iterator[Connector]:
    """A connector for one command, with a bar for what takes long."""
    from ..config import Settings
    from ..connector import Connector

    settings = Settings.load(config, agency=agency)
    with progress(label) as told, Connector.open(settings, on_progress=told) as connector:
        yield connector


def _warn_queued(connector: Connector) -> None:
    """Say what could not leave yet; it stays queued."""
    for error in connector.flush().errors:
        say(f"queued, not sent yet: {error.message}", f"đã xếp hàng, chưa gửi được: {error.vi}", err=True)


def _recipients(delivery: Delivery) -> str:
    return "; ".join(
        f"{one.organ_id} {one.status or '–'}{' !' if one.undelivered else ''}" for one in delivery.recipients
    )


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


# What a state of a delivery means to a person; status codes have their own names.
_STATES = {
    "ready": ("Đã lưu, chờ gửi", "stored, to be sent"),
    "sending": ("Đang gửi", "being sent"),
    "sent": ("Trục đã nhận", "the hub has it"),
    "unknown": ("Chưa rõ trục đã nhận hay chưa, sẽ hỏi lại", "unknown whether the hub has it; it will be asked"),
    "failed": ("Không gửi được", "failed"),
}


def timeline_rows(delivery: Delivery) -> list[tuple[str, str, str]]:
    """The timeline for a person, in Vietnam time."""
    return [(local_time(one.time), _who(one), happened(one)) for one in delivery.timeline]


def _who(entry: TimelineEntry) -> str:
    """Who did it; a request (13, recall, replace) is ours, to a recipient."""
    if entry.to in ("13", "recall", "replace") and entry.recipient not in (None, entry.actor):
        return f"{entry.actor} → {entry.recipient}"
    return entry.recipient or entry.actor


def happened(entry: TimelineEntry) -> str:
    """One entry of a timeline in words."""
    from ..edxml import StatusCode

    if entry.to in set(StatusCode):
        code = StatusCode(entry.to)
        return f"{code} {code.vi} / {code.en}" + (f": {entry.detail_vi}" if entry.detail else "")
    if entry.to not in _STATES:
        return f"{entry.to}: {entry.detail_vi} / {entry.detail}"
    if entry.to in ("unknown", "failed"):
        return f"{entry.detail_vi} / {entry.detail}"
    vi, en = _STATES[entry.to]
    return f"{vi} / {en}"


def _show_delivery(delivery: Delivery, *, as_json: bool) -> None:
    if as_json:
        print_json(describe_delivery(delivery))
        return
    print_table(f"{delivery.id} — {delivery.subject}", _TIMELINE, timeline_rows(delivery))
    say(f"{delivery.state.value}; {_recipients(delivery)}", f"tình trạng: {delivery.state.value}")
    if delivery.last_error:
        say(delivery.last_error, delivery.last_error_vi or "")


def _show_receipt(receipt: Receipt, *, as_json: bool) -> None:
    description = {
        "document_id": receipt.id,
        "sender": receipt.sender,
        "kind": receipt.kind,
        "subject": receipt.subject,
        "state": receipt.state.value,
        "status": receipt.status,
        "received_at": receipt.received_at.isoformat(),
        "error": receipt.error,
    }
    if as_json:
        print_json(description)
    else:
        print_table("Received / Văn bản đến", ("field / trường", "value / giá trị"), description.items())
