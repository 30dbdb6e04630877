"""The commands deliveries, receipts and show: documents sent and received, from the store."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ..._core import Text
from ...errors import ConfigError, NotFound
from .. import labels
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag, SenderOption
from ..output import format_local_time, print_table
from .connection import open_connector
from .delivery_report import describe_delivery, print_delivery
from .document_id import find_any_id
from .near_ids import build_unknown_id_error
from .paging import (
    AfterOption,
    LimitOption,
    NumberOption,
    SinceOption,
    UntilOption,
    format_count,
    hint_next_page,
    name_source,
    parse_since,
    parse_until,
    print_json_page,
)
from .receipt_report import describe_receipt, find_receipt, format_sender, print_receipt

if TYPE_CHECKING:
    from ...connector import Delivery, DeliveryState, ReceiptState

State = TypeVar("State", bound=StrEnum)

_DELIVERY_COLUMNS = (
    Text("document", "văn bản"),
    Text("subject", "trích yếu"),
    Text("state", "tình trạng"),
    Text("recipients", "nơi nhận"),
    Text("sent", "gửi lúc"),
)
_RECEIPT_COLUMNS = (
    Text("document", "văn bản"),
    Text("from", "nơi gửi"),
    Text("kind", "loại"),
    Text("subject", "trích yếu"),
    Text("authority", "xác thực"),
    Text("state", "tình trạng"),
    Text("last status", "đã báo"),
    Text("received", "nhận lúc"),
)


def deliveries(
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Only those in this state: ready, sending, sent, unknown or failed. "
            "/ Chỉ liệt kê văn bản ở tình trạng này.",
        ),
    ] = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only those to this organisation. / Chỉ văn bản gửi nơi này.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    number: NumberOption = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the documents sent, newest first. / Liệt kê văn bản đã gửi, mới nhất trước."""
    first, last = parse_since(since), parse_until(until)
    with open_connector(config, agency) as connector:
        found = connector.deliveries(
            state=_parse_delivery_state(state),
            recipient=recipient,
            since=first,
            until=last,
            number=number,
            limit=limit,
            after=after,
        )
    if as_json:
        print_json_page([describe_delivery(delivery) for delivery in found], found)
        return
    rows = map(_build_delivery_row, found)
    print_table(f"{Text('Sent', 'Đã gửi')}: {format_count(found)}", _DELIVERY_COLUMNS, rows)
    options = {"state": state, "recipient": recipient, "since": first, "until": last, "number": number}
    hint_next_page("deliveries", found, {**options, "limit": limit, **name_source(config, agency)})


def receipts(
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Only those in this state: listed, waiting, handling, handled, confirmed, duplicate or quarantined "
            "(set aside). / Chỉ liệt kê gói tin ở tình trạng này; quarantined: đã cách ly.",
        ),
    ] = None,
    statuses: Annotated[bool, typer.Option("--statuses", help="Status packets too. / Cả gói tin trạng thái.")] = False,
    unanswered: Annotated[
        bool,
        typer.Option(
            "--unanswered",
            help="Only documents that nobody accepted or rejected in time (limits.unanswered_after), the oldest first. "
            "/ Chỉ văn bản quá lâu chưa tiếp nhận hoặc từ chối, cũ nhất trước.",
        ),
    ] = False,
    sender: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only those from this organisation. / Chỉ văn bản từ nơi này.")
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    number: NumberOption = None,
    limit: LimitOption = None,
    after: AfterOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the documents received, newest first. / Liệt kê văn bản đến, mới nhất trước."""
    if unanswered:
        _list_unanswered(config, agency, limit=limit, as_json=as_json)
        return
    first, last = parse_since(since), parse_until(until)
    with open_connector(config, agency) as connector:
        page = connector.receipts(
            state=_parse_state(state),
            statuses=statuses,
            sender=sender,
            since=first,
            until=last,
            number=number,
            limit=limit,
            after=after,
        )
        found = [describe_receipt(one) for one in page]
    if as_json:
        print_json_page(found, page)
        return
    print_table(f"{Text('Received', 'Văn bản đến')}: {format_count(page)}", _RECEIPT_COLUMNS, map(_build_row, found))
    options = {"state": state, "statuses": statuses, "sender": sender, "since": first, "until": last, "number": number}
    hint_next_page("receipts", page, {**options, "limit": limit, **name_source(config, agency)})


def _list_unanswered(config: Path, agency: str | None, *, limit: int | None, as_json: bool) -> None:
    from ...connector import Page

    with open_connector(config, agency) as connector:
        found = Page(connector.unanswered(limit=limit or 100))
        rows = [describe_receipt(one) for one in found]
    if as_json:
        print_json_page(rows, found)
        return
    print_table(f"{Text('Unanswered', 'Chưa xử lý')}: {format_count(found)}", _RECEIPT_COLUMNS, map(_build_row, rows))


def _build_delivery_row(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.id,
        delivery.subject,
        labels.format_delivery_state(delivery.state),
        labels.format_recipients(delivery),
        delivery.sent_at and format_local_time(delivery.sent_at),
    )


def _parse_delivery_state(text: str | None) -> DeliveryState | None:
    from ...connector import DeliveryState

    return None if text is None else _parse_enum(DeliveryState, text)


def _parse_state(text: str | None) -> ReceiptState | None:
    from ...connector import ReceiptState

    return None if text is None else _parse_enum(ReceiptState, text)


def _parse_enum(states: type[State], text: str) -> State:
    try:
        return states(text)
    except ValueError:
        known = ", ".join(states)
        raise ConfigError(
            f"'{text}' is no state; use one of {known}", vi=f"không có tình trạng '{text}'; dùng một trong {known}"
        ) from None


def _build_row(entry: dict[str, Any]) -> tuple[object, ...]:
    return (
        entry["document_id"] or entry["hub_doc_id"],
        format_sender(entry),
        labels.format_kind(entry["kind"]),
        entry["subject"],
        labels.format_authority(entry["authority"]),
        labels.format_receipt_state(entry["state"]),
        labels.format_status_code(entry["status"]),
        format_local_time(datetime.fromisoformat(entry["received_at"])),
    )


def show(
    document_id: Annotated[
        str, typer.Argument(metavar="DOCUMENT-ID|NUMBER", help="Its id, or 7816/SNV-VP. / Mã, hoặc số ký hiệu.")
    ],
    sender: SenderOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what happened to a document. / Xem diễn biến của một văn bản."""
    with open_connector(config, agency) as connector:
        document_id = find_any_id(connector, document_id)
        try:
            delivery = connector.delivery(document_id)
        except NotFound:
            try:
                receipt = find_receipt(connector, document_id, sender)
            except NotFound:
                raise build_unknown_id_error(connector, document_id) from None
            print_receipt(receipt, as_json=as_json)
        else:
            print_delivery(delivery, as_json=as_json)
