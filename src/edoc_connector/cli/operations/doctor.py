"""The command doctor: looks at every condition that an operator must know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text
from ...errors import ConfigError
from ..configuration import load_fleet
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import ExitCode, print_json, say, warn_of_settings

if TYPE_CHECKING:
    from ...connector import CheckResult

_LABELS = {
    "pass": Text("pass", "đạt"),
    "warn": Text("WARN", "CẢNH BÁO"),
    "fail": Text("FAIL", "LỖI"),
    "unknown": Text("not known", "chưa rõ"),
}


def doctor(
    all_checks: Annotated[
        bool, typer.Option("--all", help="Print also what is as it should be. / In cả các mục đạt.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Call neither the hub nor any other server. / Không gọi trục hay máy chủ nào khác."
        ),
    ] = False,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Look at every condition that an operator must know, and say what to do. / Kiểm tra tình trạng và nêu cách xử lý.

    For every agency of the configuration, unless --agency names one. / Cho mọi đơn vị, trừ khi có --agency.

    Exit code 0: all is as it should be; 5: somebody has to look at something; 1: some work does not go on before. / Mã
    kết thúc 0: mọi thứ đều ổn; 5: có điều cần người xem; 1: có việc bị dừng cho tới khi có người xem.
    """
    from ...connector import Connector

    try:
        agencies = load_fleet(config, agency)
    except ConfigError as error:
        _report_unusable(config, error, as_json=as_json)
        raise typer.Exit(ExitCode.FAILED) from error
    warn_of_settings(warning for settings in agencies for warning in settings.list_warnings())
    found = {settings.agency.id: Connector.diagnose(settings, remote=not offline) for settings in agencies}
    if as_json:
        print_json({code: [result.as_json() for result in results] for code, results in found.items()})
    else:
        for code, results in found.items():
            _print_results(code, results, all_checks=all_checks)
    raise typer.Exit(_choose_exit_code(result for results in found.values() for result in results))


_UNUSABLE_CURE = Text(
    "correct the file as the sentence says, then run edoc doctor again",
    "hãy sửa tệp theo câu trên rồi chạy lại edoc doctor",
)


def _report_unusable(config: Path, error: ConfigError, *, as_json: bool) -> None:
    """Report a configuration that cannot be used, as a check would be: there is nothing else to look at."""
    from ...connector import CheckOutcome, CheckResult, CheckSeverity

    text = Text(error.message, error.vi)
    result = CheckResult(
        code="CHK-CONFIG", severity=CheckSeverity.FAIL, outcome=CheckOutcome.FAIL, text=text, cure=_UNUSABLE_CURE
    )
    if as_json:
        print_json({str(config): [result.as_json()]})
    else:
        _print_results(str(config), [result], all_checks=False)


def print_check_results(agency: str, results: Sequence[CheckResult]) -> ExitCode:
    """Print what checks found for an agency, and choose the exit code by it.

    Args:
        agency: its code.
        results: of its checks.
    """
    _print_results(agency, results, all_checks=False)
    return _choose_exit_code(results)


def _print_results(agency: str, results: Iterable[CheckResult], *, all_checks: bool) -> None:
    shown = [result for result in results if all_checks or result.outcome != "pass"]
    for result in shown:
        label = _LABELS[result.outcome]
        say(
            f"{agency}: {label.en} {result.code}: {result.text.en}",
            f"{agency}: {label.vi} {result.code}: {result.text.vi}",
        )
        if result.cure.en:
            say(f"    → {result.cure.en}", f"    → {result.cure.vi}")
    if not any(result.outcome != "pass" for result in shown):
        say(f"{agency}: everything is as it should be", f"{agency}: mọi thứ đều ổn")


def _choose_exit_code(results: Iterable[CheckResult]) -> ExitCode:
    outcomes = {result.outcome.value for result in results}
    if "fail" in outcomes:
        return ExitCode.FAILED
    return ExitCode.WARNED if outcomes & {"warn", "unknown"} else ExitCode.OK
