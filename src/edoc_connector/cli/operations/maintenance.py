"""The commands reconcile, settle, prune and fsck, for the person in charge of a store."""

from __future__ import annotations

import getpass
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text
from ...errors import ConfigError, StoreError
from ..errors import name_commands
from ..exchange import find_any_id, open_connector
from ..options import CONFIG, AgencyOption, ByOption, ConfigOption, MinutesOption
from ..output import ExitCode, format_local_time, require_free, say
from .evidence import write_minutes

if TYPE_CHECKING:
    from ...connector import Connector, SpoolFault, Unsettled

_UNITS = {"d": "days", "h": "hours", "w": "weeks"}


def reconcile(config: ConfigOption = CONFIG, agency: AgencyOption = None) -> None:
    """Ask the hub about everything whose outcome is unknown. / Hỏi trục về những gói chưa rõ kết quả.

    Exit code 1 where a person must decide something. / Mã kết thúc 1 nếu có việc cần người quyết định.
    """
    from ...connector import DeliveryState

    with open_connector(config, agency) as connector:
        found = connector.reconcile()
        sending = list(connector.iter_deliveries(state=DeliveryState.SENDING))
        lease = connector.settings.limits.lease
    for one in found.settled:
        say(f"settled: {_describe_unsettled(one)}: {name_commands(one.text)}", f"đã rõ: {name_commands(one.text_vi)}")
    for one in found.waiting:
        when = format_local_time(one.next_attempt_at) if one.next_attempt_at else "?"
        say(
            f"waits until {when}: {_describe_unsettled(one)}: {name_commands(one.text)}",
            f"chờ đến {when}: {name_commands(one.text_vi)}",
        )
    for one in found.undecided:
        say(
            f"a person must decide: {_describe_unsettled(one)}: {name_commands(one.text)}",
            f"cần người quyết định: {name_commands(one.text_vi)}",
        )
    for one in found.refused:
        say(
            f"refused: {_describe_unsettled(one)}: {name_commands(one.text)} "
            f"Once mended: edoc resend {one.document_id}",
            f"bị từ chối: {name_commands(one.text_vi)} Khắc phục xong: edoc resend {one.document_id}",
        )
    for delivery in sending:
        say(
            f"being sent by another process: {delivery.id}; if that died, ask again after {lease:g} seconds",
            f"tiến trình khác đang gửi; nếu tiến trình đó đã dừng, hãy chạy lại sau {lease:g} giây",
        )
    counts = len(found.settled), len(found.waiting), len(found.undecided), len(sending)
    say(
        "{} settled, {} waiting, {} for a person, {} being sent".format(*counts),
        "{} đã rõ, {} chờ, {} cần người quyết định, {} đang gửi".format(*counts),
    )
    if found.undecided or found.refused:
        raise typer.Exit(ExitCode.FAILED)


def resend(
    document_id: Annotated[str, typer.Argument(metavar="DOCUMENT-ID|NUMBER", help="Sent or received. / Mã văn bản.")],
    what: Annotated[
        str | None,
        typer.Option(
            metavar="document|confirm|01",
            help="Only that, also a status that was sent. / Chỉ gửi lại phần này, kể cả trạng thái đã gửi.",
        ),
    ] = None,
    by: ByOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Send again what the hub refused, or what it lost. / Gửi lại những gì trục đã từ chối hoặc làm mất.

    The hub is asked first. Exit code 1 where something is not at the hub afterwards. / Lệnh hỏi trục trước. Mã kết thúc
    1 nếu sau đó vẫn còn thứ chưa có trên trục.
    """
    from ...connector import DeliveryState

    with open_connector(config, agency) as connector:
        document_id = find_any_id(connector, document_id)
        results = connector.resend(document_id, what=what, by=by or getpass.getuser())
    if not results:
        say(f"{document_id}: nothing was refused", "không có gì bị từ chối")
    for one in results:
        name, state = _describe_unsettled(one), DeliveryState(one.state).text
        say(f"{name}: {name_commands(one.text)} ({state.en})", f"{name_commands(one.text_vi)} ({state.vi})")
    if any(one.state != DeliveryState.SENT for one in results):
        raise typer.Exit(ExitCode.FAILED)


def _describe_unsettled(unsettled: Unsettled) -> str:
    if unsettled.what == "confirm":
        return f"confirmation of {unsettled.document_id}"
    return (
        unsettled.document_id
        if unsettled.what == "document"
        else f"status {unsettled.what} about {unsettled.document_id}"
    )


def settle(
    document_id: Annotated[
        str, typer.Argument(metavar="DOCUMENT-ID|NUMBER", help="As reconcile names it. / Mã văn bản.")
    ],
    arrived: Annotated[
        bool, typer.Option("--arrived/--not-arrived", help="Whether the hub has it. / Trục đã có hay chưa.")
    ],
    what: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="Only document, or a status code: 03. / Chỉ: văn bản, hoặc mã trạng thái."),
    ] = None,
    recipient: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only the status to this one. / Chỉ trạng thái tới đơn vị này.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Decide what became of something that the hub cannot tell about. / Quyết định kết quả mà trục không trả lời được.

    With --not-arrived it is sent again. / Với --not-arrived thì gửi lại.
    """
    with open_connector(config, agency) as connector:
        document_id = find_any_id(connector, document_id)
        try:
            connector.settle(document_id, arrived=arrived, what=what, recipient=recipient)
        except StoreError as error:
            raise _not_in_doubt_error(connector, document_id) or error from error
    outcome = Text("counts as sent", "được coi là đã gửi") if arrived else Text("will be sent again", "sẽ được gửi lại")
    say(f"{document_id} {outcome.en}", outcome.vi)


def _not_in_doubt_error(connector: Connector, document_id: str) -> StoreError | None:
    """Build the error for a document whose outcome is known; None where it is not."""
    delivery = connector.delivery(document_id)
    if delivery.state == "unknown":
        return None
    state = delivery.state.text
    return StoreError(
        f"{document_id} is not in doubt: it is {state.en}. Nothing was changed; see `edoc show`.",
        vi=f"{document_id} không có gì chưa rõ: tình trạng {state.vi}. Không có gì thay đổi; xem `edoc show`.",
    )


def prune(
    older_than: Annotated[
        str, typer.Option(metavar="365d", help="Age: 365d, 52w, 48h. / Chỉ xóa gói tin cũ hơn khoảng này.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Really remove; else only count. / Thực hiện xóa; nếu không có thì chỉ đếm.")
    ] = False,
    minutes: MinutesOption = None,
    by: ByOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Remove the bytes of old, finished packets; the evidence stays. / Xóa nội dung gói tin cũ; bằng chứng vẫn giữ.

    Documents that are held stay, and those whose period in [retention] is not over. Of what was removed there are
    minutes. / Văn bản đang được giữ, và văn bản chưa hết thời hạn ở [retention], thì không bị xóa. Có biên bản về những
    gì đã xóa.
    """
    age = _parse_age(older_than)
    if minutes is not None:
        require_free(minutes)
    with open_connector(config, agency, Text("removing", "đang xóa")) as connector:
        done = connector.prune(age, dry_run=not yes, by=by or getpass.getuser())
    if done.minutes:
        write_minutes(done.minutes, minutes)
    outcome = (
        Text("would be removed (--yes does it)", "sẽ bị xóa (thêm --yes để xóa)")
        if done.dry_run
        else Text("removed", "đã xóa")
    )
    say(f"{done.packets} packets, {done.size} bytes: {outcome.en}", f"{done.packets} gói tin: {outcome.vi}")
    if done.kept:
        say(
            f"{done.kept} packets stay: their period in [retention] is not over",
            f"giữ lại {done.kept} gói tin: chưa hết thời hạn bảo quản theo [retention]",
        )


def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended. / Sửa những gì sửa được.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Compare every file's hash. / So mã băm từng tệp.")] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Check database, spool and evidence. / Kiểm tra cơ sở dữ liệu, kho tạm và nhật ký bằng chứng.

    Exit code 1 where something is wrong and was not repaired. / Mã kết thúc 1 nếu có lỗi chưa sửa được.
    """
    with open_connector(config, agency, Text("checking", "đang kiểm tra")) as connector:
        faults = connector.fsck(repair=repair, deep=deep)
    for one in faults:
        say(f"{one.kind}: {one.what}: {one.repaired or one.advice}", one.repaired_vi or one.advice_vi)
    left = _count_unrepaired(faults)
    say(f"{len(faults)} found, {left} not repaired", f"tìm thấy {len(faults)}, chưa sửa {left}")
    if left:
        raise typer.Exit(ExitCode.FAILED)


def _count_unrepaired(faults: list[SpoolFault]) -> int:
    return sum(one.repaired is None for one in faults)


def _parse_age(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([dhw])", text.strip())
    if found is None:
        raise ConfigError(
            f"'{text}' is no age; write 365d, 52w or 48h.",
            vi=f"'{text}' không phải khoảng thời gian; ví dụ 365d, 52w, 48h.",
        )
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
