"""The command acceptance: runs the scenarios with a test hub, and writes the minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..._core import write_private
from ..configuration import load_fleet, load_settings
from ..errors import WrongOption
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import ExitCode, print_json, say, warn_of_settings

if TYPE_CHECKING:
    from ...config import Settings
    from ...edxml import Organization
    from ...joining import AcceptanceRun, LineResult, Minutes

_MIB = 1024 * 1024


def acceptance(
    second: Annotated[
        str | None,
        typer.Option(
            "--second",
            metavar="ID",
            help="Another agency of the configuration plays the partner. / Đơn vị khác trong tệp.",
        ),
    ] = None,
    partner: Annotated[
        str | None, typer.Option("--partner", metavar="CODE", help="The partner's code. / Mã định danh đối tác.")
    ] = None,
    partner_name: Annotated[
        str, typer.Option("--partner-name", metavar="NAME", help="The partner's name. / Tên đối tác.")
    ] = "",
    third: Annotated[
        str | None,
        typer.Option("--third", metavar="CODE", help="A second recipient; we, if left out. / Nơi nhận thứ hai."),
    ] = None,
    locked: Annotated[
        str,
        typer.Option(
            "--locked", metavar="CODE", help="An agency that the hub has locked, for E1. / Mã đang bị trục khóa."
        ),
    ] = "",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="LINE", help="B1, or B for all of B. / Chỉ các mục này.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what has passed. / Chạy lại cả mục đã đạt.")] = False,
    confirm: Annotated[
        str | None,
        typer.Option("--confirm", metavar="LINE", help="Note the partner's word on a line. / Ghi lời đối tác."),
    ] = None,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who gave it. / Người xác nhận.")] = "",
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where the run is kept. / Thư mục kiểm thử.")
    ] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0.0, help="Longest wait. / Chờ tối đa.")
    ] = 120,
    size: Annotated[
        float, typer.Option("--size", metavar="MB", min=0.01, help="Of the large document. / Cỡ văn bản lớn.")
    ] = 20,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit's XML. / Ghi kết quả dạng JUnit.")
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the acceptance scenarios at a test hub, and write the minutes. / Kiểm thử kết nối và lập biên bản.

    With a second agency of the configuration it runs by itself; with a partner it tells what the partner has to do, and
    goes on where it stopped when it is run again, days later too. The minutes lie in the run's folder. / Nếu dùng đơn
    vị thứ hai trong tệp cấu hình thì lệnh tự chạy hết; nếu có đối tác thì lệnh nêu việc đối tác phải làm, và lần chạy
    sau, dù nhiều ngày sau, làm tiếp từ chỗ dừng. Biên bản nằm trong thư mục kiểm thử.

    Exit code 0: everything passed, or is not possible here; 5: something waits for the partner; 1: a line failed. / Mã
    kết thúc 0: mọi mục đều đạt hoặc không thực hiện được ở đây; 5: còn chờ đối tác; 1: có mục không đạt.
    """
    settings = _load_ours(config, agency, second)
    if not as_json:
        warn_of_settings(settings.list_warnings())
    place = folder or settings.resolve(Path(settings.environment) / "acceptance")
    other = None if second is None else load_settings(config, second)
    with _open_run(settings, other, _build_partner(partner, partner_name), place, third, wait, size, locked) as run:
        if confirm is not None:
            _confirm(run, confirm, by)
        results = run.run(tuple(only or ()), again=again, on_line=None if as_json else _print_line)
        written = _write_minutes(run, place)
    _report(run, results, written, junit=junit, as_json=as_json)
    raise typer.Exit(_choose_exit_code(results))


def _load_ours(config: Path, agency: str | None, second: str | None) -> Settings:
    """Load the agency that runs the scenarios: in a file of two, the one that is not the second needs no --agency."""
    if agency is None and second is not None:
        code = load_settings(config, second).agency.id
        others = [one for one in load_fleet(config) if one.agency.id != code]
        if len(others) == 1:
            return others[0]
    return load_settings(config, agency)


def _build_partner(code: str | None, name: str) -> Organization | None:
    from ...edxml import Organization

    return None if code is None else Organization(id=code, name=name or code)


@contextmanager
def _open_run(
    settings: Settings,
    other: Settings | None,
    partner: Organization | None,
    folder: Path,
    third: str | None,
    wait: float,
    size: float,
    locked: str,
) -> Iterator[AcceptanceRun]:
    from ...connector import Connector
    from ...edxml import Organization
    from ...joining import AcceptanceRun

    if (other is None) == (partner is None):
        raise WrongOption(
            "give either --second, another agency of the configuration, or --partner, the partner's code.",
            vi="hãy dùng --second (đơn vị khác trong tệp cấu hình) hoặc --partner (mã định danh đối tác).",
        )
    with ExitStack() as stack:
        ours = stack.enter_context(Connector(settings))
        theirs = partner if other is None else stack.enter_context(Connector(other))
        assert theirs is not None  # noqa: S101  one of the two is there
        yield AcceptanceRun(
            ours,
            theirs,
            folder,
            third=None if third is None else Organization(id=third, name=third),
            wait=wait,
            pause=min(2.0, wait / 20),
            large=int(size * _MIB),
            locked=locked,
        )


def _confirm(run: AcceptanceRun, line: str, by: str) -> None:
    if not by:
        raise WrongOption(
            "--confirm needs --by, the name of who confirmed it.", vi="--confirm cần --by, tên người xác nhận."
        )
    run.confirm(line, by)


def _print_line(result: LineResult) -> None:
    scenario, outcome = result.scenario, result.outcome
    say(f"{scenario.id} {outcome.en}: {scenario.title.en}", f"{scenario.id} {outcome.vi}: {scenario.title.vi}")
    if result.text.en:
        say(f"    {result.text.en}", f"    {result.text.vi}")


def _write_minutes(run: AcceptanceRun, folder: Path) -> list[Path]:
    """Write the minutes in both forms, and say what is missing for one that cannot be written."""
    from ...edxml import VIETNAM
    from ...joining import format_docx, format_pdf, write_minutes

    minutes = write_minutes(run.state.about, run.results, day=datetime.now(VIETNAM).date(), begun_at=run.state.begun_at)
    forms: Sequence[tuple[str, Callable[[Minutes], bytes]]] = (("docx", format_docx), ("pdf", format_pdf))
    written = []
    for ending, form in forms:
        path = folder / f"bien-ban-kiem-thu-ket-noi.{ending}"
        try:
            write_private(path, form(minutes))
            written.append(path)
        except ImportError as error:
            say(
                f"no minutes as {ending.upper()} without {error.name}: pip install 'edoc-connector[minutes]'",
                f"chưa lập được biên bản {ending.upper()} vì thiếu {error.name}: pip install 'edoc-connector[minutes]'",
                err=True,
            )
    return written


def _report(
    run: AcceptanceRun, results: Sequence[LineResult], written: Sequence[Path], *, junit: Path | None, as_json: bool
) -> None:
    from ...joining import format_junit, summarise

    if junit is not None:
        write_private(junit, format_junit(results, name="edoc-acceptance"))
    counts = summarise(results)
    if as_json:
        lines: list[Any] = [one.as_json() for one in results]
        print_json({"about": run.state.about, "summary": counts, "lines": lines, "minutes": list(map(str, written))})
        return
    say(
        f"{counts['pass']} passed, {counts['fail']} failed, {counts['not-possible']} not possible here, "
        f"{counts['waiting']} wait for the partner, {counts['open']} not run yet",
        f"{counts['pass']} đạt, {counts['fail']} không đạt, {counts['not-possible']} không thực hiện được ở đây, "
        f"{counts['waiting']} chờ đối tác, {counts['open']} chưa thực hiện",
    )
    for path in written:
        say(f"minutes: {path}", f"biên bản: {path}")


def _choose_exit_code(results: Sequence[LineResult]) -> ExitCode:
    outcomes = {one.outcome.value for one in results}
    if "fail" in outcomes:
        return ExitCode.FAILED
    return ExitCode.WARNED if outcomes & {"waiting", "open"} else ExitCode.OK
