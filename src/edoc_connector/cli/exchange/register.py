"""The command register: the registers of incoming and outgoing documents, on screen or as files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import Text
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import format_local_time, print_json, print_table, say
from .connection import open_connector
from .paging import SinceOption, UntilOption, parse_since, parse_until

if TYPE_CHECKING:
    from ...connector import IncomingEntry, OutgoingEntry, Register

_COLUMNS = {
    "incoming": ("number", "received", "author", "document", "subject", "remarks"),
    "outgoing": ("document", "issued", "subject", "signer", "recipients", "remarks"),
}
_HEADS = {
    "number": Text("number", "số đến"),
    "received": Text("came", "ngày đến"),
    "author": Text("author", "tác giả"),
    "document": Text("document", "số, ký hiệu"),
    "issued": Text("date", "ngày văn bản"),
    "subject": Text("subject", "trích yếu"),
    "signer": Text("signed by", "người ký"),
    "recipients": Text("recipients", "nơi nhận"),
    "remarks": Text("remarks", "ghi chú"),
}


def register(
    direction: Annotated[
        str, typer.Argument(metavar="incoming|outgoing", help="Which register. / Sổ văn bản đến hoặc đi.")
    ],
    since: SinceOption = None,
    until: UntilOption = None,
    search: Annotated[
        str,
        typer.Option(
            metavar="WORDS",
            help="Only documents with words that begin so, without diacritics too. / Tìm theo từ, không cần dấu.",
        ),
    ] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write it as CSV for Excel. / Ghi ra tệp CSV.")
    ] = None,
    xlsx: Annotated[
        Path | None, typer.Option("--xlsx", metavar="FILE", help="Write it as a workbook. / Ghi ra tệp Excel.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the register of incoming or outgoing documents. / Xem, xuất sổ văn bản đến hoặc sổ văn bản đi.

    With the columns of Decree 30/2020/NĐ-CP. What is read of packets that were removed meanwhile stays empty. / Gồm các
    cột theo Nghị định 30/2020/NĐ-CP. Những gì phải đọc từ gói tin đã xóa thì để trống.
    """
    with open_connector(config, agency) as connector:
        found = connector.register(direction, since=parse_since(since), until=parse_until(until), text=search)
    for path, write in ((csv, found.write_csv), (xlsx, found.write_xlsx)):
        if path is not None:
            write(path)
            say(f"written: {path} ({len(found)} documents)", f"đã ghi: {path} ({len(found)} văn bản)", err=as_json)
    if as_json:
        print_json([_describe(one) for one in found.entries])
    elif csv is None and xlsx is None:
        _print(found)


def _describe(entry: IncomingEntry | OutgoingEntry) -> dict[str, Any]:
    return asdict(entry) | {"remarks": entry.remarks.en, "remarks_vi": entry.remarks.vi}


def _print(found: Register[OutgoingEntry] | Register[IncomingEntry]) -> None:
    names = _COLUMNS[found.direction]
    rows = [[_pick(entry, name) for name in names] for entry in found.entries]
    title = Text(f"{found.direction.en}: {len(found)}", f"{found.direction.vi}: {len(found)}")
    print_table(title, [_HEADS[name] for name in names], rows)


def _pick(entry: Any, name: str) -> object:
    if name == "received":
        return format_local_time(entry.received_at)
    if name == "recipients":
        return "; ".join(entry.recipients)
    return getattr(entry, {"document": "code", "issued": "issued_on"}.get(name, name))
