"""Commands of the group hub: what a hub can do and demands, and moving from one hub to another."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ..._core import Text
from ...errors import choose_words
from ..configuration import load_settings
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import format_local_time, print_json, print_table
from .connection import open_connector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...connector import HubState
    from ...hubs import HubCapabilities, PacketProfile

HubNameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="Name of the hub. / Tên trục.")]
ByOption: TypeAlias = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who wants it. / Người quyết định.")
]

hub_commands = typer.Typer(
    name="hub", help="What a hub can do, and what it demands. / Khả năng và yêu cầu của trục.", no_args_is_help=True
)

_COLUMNS = (Text("what", "nội dung"), Text("value", "giá trị"))


@hub_commands.command()
def capabilities(
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    name: Annotated[str | None, typer.Option("--hub", metavar="NAME", help="One of several hubs. / Tên trục.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show what the hub can do, and what it demands beyond the standard. / Xem khả năng và yêu cầu của trục."""
    from ...hubs import get_capabilities

    settings = load_settings(config, agency)
    dialect, found = settings.find_hub(name).dialect, get_capabilities(settings.dialect(name))
    http = settings.find_hub(name).http or settings.http
    if http.calls_a_minute is not None:
        found = replace(found, calls_a_minute=http.calls_a_minute or None)
    if as_json:
        print_json({"dialect": dialect, **asdict(found)})
        return
    listed = (*_list_abilities(found), *_list_demands(found.packet))
    rows = [(choose_words(en, vi), value) for en, vi, value in listed]
    print_table(f"{Text('Hub', 'Trục')}: {dialect}", _COLUMNS, rows)


@hub_commands.command()
def status(config: ConfigOption = CONFIG, agency: AgencyOption = None, as_json: JsonFlag = False) -> None:
    """Show which hub sends, and what keeps one that is emptied. / Xem trục nào đang gửi, trục cũ còn việc gì."""
    with open_connector(config, agency) as connector:
        _print_states(connector.hubs(), as_json=as_json)


@hub_commands.command()
def switch(
    name: HubNameArgument,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send everything new over this hub, and empty the others. / Từ nay gửi qua trục này, trục khác chỉ nhận nốt."""
    with open_connector(config, agency) as connector:
        _print_states(connector.switch_hub(name, by=by), as_json=as_json)


@hub_commands.command()
def drain(
    name: HubNameArgument,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    by: ByOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send nothing new over this hub. / Không gửi gì mới qua trục này."""
    with open_connector(config, agency) as connector:
        _print_states(connector.drain_hub(name, by=by), as_json=as_json)


_STATE_COLUMNS = (
    Text("hub", "trục"),
    Text("role", "vai trò"),
    Text("open", "còn việc"),
    Text("polled", "đã hỏi"),
    Text("quiet since", "yên từ"),
    Text("so", "kết luận"),
)
_OPEN_WORDS = {
    "listed": Text("to download", "chưa tải"),
    "unhandled": Text("for the application", "chờ phần mềm"),
    "unconfirmed": Text("to confirm", "chưa xác nhận"),
    "unreported": Text("statuses for it", "trạng thái cần báo"),
    "undecided_documents": Text("documents in doubt", "văn bản chưa rõ"),
    "undecided_statuses": Text("statuses in doubt", "trạng thái chưa rõ"),
    "unanswered": Text("not reported yet", "nơi nhận chưa báo"),
}


def _print_states(states: Sequence[HubState], *, as_json: bool) -> None:
    if as_json:
        print_json([_as_json(state) for state in states])
        return
    rows = [
        (
            state.name,
            state.role.value,
            "; ".join(_list_open(state)) or "–",
            "–" if state.polled_at is None else format_local_time(state.polled_at),
            format_local_time(state.quiet_since),
            str(_describe_end(state)),
        )
        for state in states
    ]
    print_table(str(Text("Hubs", "Các trục")), _STATE_COLUMNS, rows)


def _list_open(state: HubState) -> list[str]:
    counts = asdict(state.open)
    return [f"{counts[name]} {words}" for name, words in _OPEN_WORDS.items() if counts[name]]


def _describe_end(state: HubState) -> Text:
    if state.is_drained:
        return Text("empty: its section can go", "đã hết: có thể bỏ mục này")
    if not state.breaker.state.allows_work:
        return Text("paused", "tạm dừng")
    return Text("sends", "đang gửi") if state.role.value == "active" else Text("is emptied", "đang nhận nốt")


def _as_json(state: HubState) -> dict[str, Any]:
    values = asdict(state) | {"breaker": state.breaker.state.value, "breaker_failures": state.breaker.failures}
    return values | {"keeps": state.open.keeps_hub}


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
        ("a confirmation tells 01", "xác nhận cũng là báo 01", _as_mark(found.confirms_arrival)),
        ("statuses are numbered apart, as", "trạng thái đánh số riêng, dạng", _as_numbering(found.status_prefix)),
        ("may build documents anew", "có thể dựng lại văn bản", _as_mark(found.rebuilds_documents)),
        ("directory", "danh bạ", _as_mark(found.has_directory)),
        ("tells changes of its directory", "báo thay đổi của danh bạ", _as_mark(found.tells_directory_changes)),
        ("directory lists only what is below", "danh bạ chỉ gồm cấp dưới của", found.directory_scope or "–"),
        ("calls a minute", "số lời gọi mỗi phút", _as_rate(found.calls_a_minute)),
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
        ("Paper always stated", "luôn ghi Paper", _as_mark(profile.needs_paper)),
        ("attachment needed", "bắt buộc có tệp đính kèm", _as_mark(profile.needs_attachment)),
        ("largest attachment, bytes", "tệp lớn nhất, byte", _as_size(profile.max_attachment)),
        ("largest packet, bytes", "gói tin lớn nhất, byte", _as_size(profile.max_packet)),
        ("form of codes", "dạng mã định danh", profile.code_form or "–"),
        ("document types", "loại văn bản", ", ".join(map(str, profile.document_types)) or "–"),
    ]


def _as_mark(value: bool) -> str:
    return "✓" if value else "–"


def _as_numbering(prefix: str) -> str:
    return f"{prefix}N" if prefix else "–"


def _as_rate(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _as_size(value: int | None) -> str:
    return "–" if value is None else str(value)
