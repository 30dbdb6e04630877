"""The commands receive and recheck: packets taken from the hub, and those that were set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import Text, make_private_folder
from ...errors import NotFound
from .. import labels
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag, SenderOption
from ..output import print_json, print_table, say
from ..packets import describe_findings, describe_verification, format_verdict, save_attachments
from .connection import open_connector, warn_queued
from .receipt_report import describe_authority, describe_receipt, find_receipt, format_sender, warn_set_aside

if TYPE_CHECKING:
    from ...connector import Connector, Receipt

_OTHER_CLOCKS = timedelta(hours=1)  # what another process's clock may be behind ours

_COLUMNS = (
    Text("document", "văn bản"),
    Text("from", "nơi gửi"),
    Text("kind", "loại"),
    Text("subject", "trích yếu"),
    Text("signature", "chữ ký"),
    Text("authority", "xác thực"),
    Text("folder", "thư mục"),
)


def receive(
    save: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where attachments are saved, below the current folder. / Thư mục lưu tệp đính kèm, tính từ thư mục "
            "hiện tại.",
        ),
    ] = Path("inbox"),
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Receive what waits at the hub, once, and save it. / Nhận văn bản đang chờ trên trục và lưu lại.

    Each document gets a folder of its own. When its files are saved the hub is told, and status 01 (Đã đến) goes out. /
    Mỗi văn bản có một thư mục riêng. Khi đã lưu xong tệp, lệnh báo cho trục và gửi trạng thái 01 (Đã đến).
    """
    received = _Received([], [], [])
    with open_connector(config, agency, Text("receiving", "đang nhận")) as connector:
        state_before = _StateBefore.from_connector(connector)
        try:
            for receipt in connector.receive():
                received.documents.append(_save_receipt(receipt, save))
        except BaseException:
            state_before.add_rest(connector, received)
            if received.has_any:  # also where the hub failed afterwards
                _print_received(received, as_json=as_json)
            raise
        state_before.add_rest(connector, received)
        _print_received(received, as_json=as_json)
        warn_queued(connector)


@dataclass(frozen=True, slots=True)
class _Received:
    """The packets that one call of `receive` brought."""

    documents: list[dict[str, Any]]
    set_aside: list[dict[str, Any]]
    statuses: list[dict[str, Any]]

    @property
    def has_any(self) -> bool:
        return bool(self.documents or self.set_aside or self.statuses)


@dataclass(frozen=True, slots=True)
class _StateBefore:
    """The receipts before a call of `receive`: the newest, and those that were listed only.

    Args:
        last_key: key of the newest.
        listed_keys: keys of those that were listed only.
        since: when the oldest of them was offered, or what comes now will be.
    """

    last_key: int
    listed_keys: frozenset[int]
    since: datetime

    @classmethod
    def from_connector(cls, connector: Connector) -> _StateBefore:
        from ...connector import ReceiptState

        newest = connector.receipts(limit=1)
        listed = {one.key: one.received_at for one in connector.iter_receipts(state=ReceiptState.LISTED)}
        since = min([*listed.values(), connector.context.store.clock() - _OTHER_CLOCKS])
        return cls(newest[0].key if newest else 0, frozenset(listed), since)

    def add_rest(self, connector: Connector, received: _Received) -> None:
        """Add the new packets that were not handed out: those set aside, and statuses."""
        from ...connector import ReceiptState

        def select_new(found: Iterable[Receipt]) -> list[Receipt]:
            return [one for one in found if one.key > self.last_key or one.key in self.listed_keys][::-1]

        set_aside = connector.iter_receipts(state=ReceiptState.QUARANTINED, since=self.since)
        received.set_aside.extend(map(_describe_set_aside, select_new(set_aside)))
        statuses = connector.iter_receipts(kind="status", since=self.since)
        received.statuses.extend(_list_statuses(connector, select_new(statuses)))


def _describe_set_aside(receipt: Receipt) -> dict[str, Any]:
    return describe_receipt(receipt) | {"signature": "", "folder": None, "saved": []}


def _list_statuses(connector: Connector, found: list[Receipt]) -> list[dict[str, Any]]:
    """List the statuses that came, by document and sender, then those that move nothing."""
    kept = [one for one in found if one.state in ("handled", "confirmed")]
    entered = Counter((one.id, one.code, one.sender) for one in kept if one.took_effect)
    listed = [_describe_statuses(connector, *key, number) for key, number in entered.items()]
    return listed + [_describe_uncounted(one) for one in kept if not one.took_effect]


def _describe_statuses(connector: Connector, document_id: str, code: str, sender: str, number: int) -> dict[str, Any]:
    """Describe the last `number` statuses of a sender about a document; no codes where it was not sent from here."""
    description = {"kind": "status", "document_id": document_id, "code": code, "sender": sender, "count": number}
    try:
        timeline = connector.delivery(document_id).timeline
    except NotFound:
        return description | {"took_effect": True, "sent_from_here": False, "statuses": []}
    codes = [entry.to for entry in timeline if sender in (entry.recipient, entry.actor) and entry.to.isdigit()]
    return description | {"took_effect": True, "sent_from_here": True, "statuses": codes[-number:]}


def _describe_uncounted(receipt: Receipt) -> dict[str, Any]:
    """Describe a status that moves nothing."""
    description = {"kind": "status", "document_id": receipt.id, "code": receipt.code, "sender": receipt.sender}
    return description | {"count": 1, "statuses": [], **describe_authority(receipt)}


def _format_statuses(one: dict[str, Any]) -> str:
    """Format the statuses of a sender about a document: ``7816/SNV-VP ← G22 01, 03``."""
    start = f"{one['code'] or one['document_id']} ← {one['sender']}"
    if not one["took_effect"]:
        return f"{start} ({labels.format_authority(one['authority'])}: {labels.NO_EFFECT})"
    if one["sent_from_here"]:
        return f"{start} {', '.join(one['statuses'])}"
    return f"{start} ({one['count']}: {labels.NOT_OURS})"


def _print_received(received: _Received, *, as_json: bool) -> None:
    if as_json:
        print_json([*received.documents, *received.set_aside, *received.statuses])
    elif received.documents or received.set_aside or not received.statuses:
        rows = [_build_row(one) for one in (*received.documents, *received.set_aside)]
        if rows:
            print_table(f"{Text('Received', 'Đã nhận')}: {len(received.documents)}", _COLUMNS, rows)
        else:
            say("nothing waits at the hub", "không có văn bản nào chờ trên trục")
    for one in received.documents:
        _warn_refreshed(one)
    for one in received.set_aside:
        warn_set_aside(one)
    if received.statuses and not as_json:
        listed = "; ".join(map(_format_statuses, received.statuses))
        count = sum(max(1, len(one["statuses"])) for one in received.statuses)
        say(f"{count} statuses", f"{count} trạng thái: {listed}")


def _warn_refreshed(entry: dict[str, Any]) -> None:
    """Warn of names and descriptions that are shown and are not those that the sender sealed."""
    for remark in entry["remarks"]:
        if remark["code"] == "SEAL-REFRESHED":
            name = entry["document_id"]
            say(f"{name}: {remark['message']}", f"{name}: {remark['message_vi']}", err=True)


def _build_row(entry: dict[str, Any]) -> tuple[object, ...]:
    aside = entry["state"] == "quarantined"
    return (
        entry["document_id"] or entry["hub_doc_id"],
        format_sender(entry),
        labels.format_kind(entry["kind"]),
        entry["subject"],
        labels.format_receipt_state(entry["state"]) if aside else entry["verdict"],
        labels.format_authority(entry["authority"]),
        entry["folder"],
    )


def _save_receipt(receipt: Receipt, folder: Path) -> dict[str, Any]:
    from ...edxml import distinct, safe_name

    make_private_folder(folder)
    with receipt:
        place = folder / distinct(safe_name(receipt.id), {path.name.casefold() for path in folder.iterdir()})
        saved = save_attachments(receipt.attachments, place)
    return {
        "document_id": receipt.id,
        "hub_doc_id": receipt.hub_doc_id,
        "sender": receipt.sender,
        "kind": receipt.kind,
        "subject": receipt.subject,
        "state": receipt.state.value,
        "signature": receipt.verification.status.name,
        "reason": receipt.verification.reason,
        "trusted": receipt.verification.trusted,
        "verdict": format_verdict(describe_verification(receipt.verification)),
        "method": receipt.verification.method,
        "unsealed": list(receipt.verification.unsealed),
        "remarks": describe_findings(receipt.verification.findings),
        **describe_authority(receipt),
        "findings": [finding.code for finding in receipt.findings],
        "folder": str(place),
        "saved": [str(path) if path else None for path in saved],
    }


def recheck(
    packet_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="The docId or DocumentId of what was set aside. / Mã gói tin đã cách ly."),
    ],
    sender: SenderOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Judge a packet that was set aside once more, by the configuration of today. / Xét lại gói tin đã cách ly.

    Exit code 0: it is let in, and `edoc receive` hands it out; 1: it is not, and the message says why. / Mã kết thúc 0:
    gói tin được nhận, `edoc receive` sẽ đưa ra; 1: không được nhận, thông báo nêu lý do.
    """
    with open_connector(config, agency) as connector:
        found = find_receipt(connector, packet_id, sender)
        if found.state != "quarantined":
            state = found.state.text
            raise NotFound(
                f"{packet_id} is not set aside: it is {state.en}; see `edoc receipts --state quarantined`",
                vi=f"{packet_id} không bị cách ly: tình trạng {state.vi}; xem `edoc receipts --state quarantined`",
            )
        receipt = connector.recheck(found.hub_doc_id)
    name = receipt.id or receipt.hub_doc_id
    say(f"{name} is let in; `edoc receive` hands it out", f"đã cho nhận {name}; chạy `edoc receive` để lấy về")
