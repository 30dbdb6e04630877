"""The commands archive, hold, release-hold and holds: documents for an archives system, and those that must stay."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from ..exchange import open_connector
from ..options import CONFIG, AgencyOption, ByOption, ConfigOption
from ..output import format_local_time, require_free, say

_DocumentId = Annotated[str, typer.Argument(metavar="DOCUMENT-ID", help="Sent or received. / Mã văn bản.")]


def archive(
    document_id: _DocumentId,
    out: Annotated[Path, typer.Option(metavar="FILE.zip", help="Where to write it. / Tệp zip cần tạo.")],
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Write a document as a package for an archives system. / Đóng gói văn bản để nộp lưu trữ điện tử.

    The packet, its files, metadata as XML, and the evidence, as a bag (BagIt, RFC 8493). / Gồm gói tin, các tệp, dữ
    liệu mô tả dạng XML và bằng chứng, đóng gói theo BagIt (RFC 8493).
    """
    require_free(out)
    with open_connector(config, agency) as connector:
        written = connector.archive(document_id, out=out)
    say(f"the archive package of {document_id} is {written}", f"gói lưu trữ của {document_id}: {written}")


def hold(
    document_id: _DocumentId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Who asked for it, and why. / Ai yêu cầu, vì sao.")],
    by: ByOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Hold a document: nothing of it is removed until it is released. / Giữ văn bản, không xóa cho tới khi bỏ giữ."""
    with open_connector(config, agency) as connector:
        connector.hold(document_id, reason=reason, by=by or getpass.getuser())
    say(f"{document_id} is held", "văn bản được giữ, không bị xóa")


def release_hold(
    document_id: _DocumentId, by: ByOption = None, config: ConfigOption = CONFIG, agency: AgencyOption = None
) -> None:
    """Release every hold on a document. / Bỏ giữ văn bản."""
    with open_connector(config, agency) as connector:
        connector.release_hold(document_id, by=by or getpass.getuser())
    say(f"{document_id} is held no more", "đã bỏ giữ văn bản")


def holds(config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """List documents that are held. / Liệt kê văn bản đang được giữ."""
    with open_connector(config, agency) as connector:
        found = connector.holds()
    for one in found:
        typer.echo(f"{one.document_id}  {format_local_time(one.placed_at)}  {one.placed_by}: {one.reason}")
    say(f"{len(found)} held", f"đang giữ {len(found)}")
