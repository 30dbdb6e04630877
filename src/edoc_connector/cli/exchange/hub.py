"""Commands of the group hub: what a hub can do, and what it demands."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import print_json, print_table

if TYPE_CHECKING:
    from ...hubs import HubCapabilities, PacketProfile

hub_commands = typer.Typer(
    name="hub", help="What a hub can do, and what it demands. / Khả năng và yêu cầu của trục.", no_args_is_help=True
)

_COLUMNS = ("what", "nội dung", "value / giá trị")


@hub_commands.command()
def capabilities(
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what the hub can do, and what it demands beyond the standard. / Xem khả năng và yêu cầu của trục."""
    from ...config import Settings
    from ...hubs import get_capabilities

    settings = Settings.load(config, agency=agency)
    name, found = settings.hub.dialect, get_capabilities(settings.dialect())
    if as_json:
        print_json({"dialect": name, **asdict(found)})
        return
    print_table(f"Hub / Trục: {name}", _COLUMNS, (*_list_abilities(found), *_list_demands(found.packet)))


def _list_abilities(found: HubCapabilities) -> list[tuple[str, str, str]]:
    first_days = str(found.first_days) if found.lists_by_date else "–"
    by_date = str(found.window_days) if found.lists_by_date else "–"
    return [
        ("list of sent packets", "danh sách gói đã gửi", _as_mark(found.has_sent_list)),
        ("lists by date, most days at a time", "liệt kê theo ngày, số ngày tối đa", by_date),
        ("days that the first list looks back", "số ngày của lần liệt kê đầu", first_days),
        ("tells whether it has a document", "trả lời đã có văn bản hay chưa", _as_mark(found.tells_documents)),
        ("accepted means passed on", "đã nhận tức là đã chuyển tiếp", _as_mark(found.tells_delivery)),
        ("a status may be sent again", "gửi lại trạng thái không gây trùng", _as_mark(found.repeats_statuses)),
        (
            "any confirmation confirms every status",
            "một xác nhận là xác nhận mọi trạng thái",
            _as_mark(found.confirms_all_statuses),
        ),
        ("statuses are numbered apart, as", "trạng thái đánh số riêng, dạng", _as_numbering(found.status_prefix)),
        ("may build documents anew", "có thể dựng lại văn bản", _as_mark(found.rebuilds_documents)),
        ("directory", "danh bạ", _as_mark(found.has_directory)),
        ("statuses told by a call", "báo trạng thái bằng lời gọi", _as_mark(found.tells_statuses_by_update)),
    ]


def _list_demands(profile: PacketProfile) -> list[tuple[str, str, str]]:
    return [
        (
            "elements needed, though empty",
            "phần tử bắt buộc có, có thể rỗng",
            ", ".join(profile.needed_elements) or "–",
        ),
        ("prefix edXML: on the envelope", "tiền tố edXML: trong phong bì", _as_mark(profile.has_prefix)),
        ("header of a status packet", "phần đầu gói trạng thái", f"edXML:{profile.status_header}"),
        ("Content from the subject", "Content lấy từ trích yếu", _as_mark(profile.content_from_subject)),
        ("attachment needed", "bắt buộc có tệp đính kèm", _as_mark(profile.needs_attachment)),
        ("largest attachment, bytes", "tệp lớn nhất, byte", _as_size(profile.max_attachment)),
        ("largest packet, bytes", "gói tin lớn nhất, byte", _as_size(profile.max_packet)),
        ("form of codes", "dạng mã đơn vị", profile.code_form or "–"),
        ("document types", "loại văn bản", ", ".join(map(str, profile.document_types)) or "–"),
    ]


def _as_mark(value: bool) -> str:
    return "✓" if value else "–"


def _as_numbering(prefix: str) -> str:
    return f"{prefix}N" if prefix else "–"


def _as_size(value: int | None) -> str:
    return "–" if value is None else str(value)
