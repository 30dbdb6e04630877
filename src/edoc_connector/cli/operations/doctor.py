"""The command doctor: looks at every condition that an operator must know."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text
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
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Look at every condition that an operator must know, and say what to do. / Kiểm tra tình trạng và nêu cách xử lý.

    For every agency of the configuration, unless --agency names one. / Cho mọi đơn vị, trừ khi có --agency.

    Exit code 0: all is as it should be; 5: somebody has to look at something; 1: some work does not go on before.
    """
    from ...config import Settings
    from ...connector import Connector

    agencies = Settings.fleet(config) if agency is None else (Settings.load(config, agency=agency),)
    warn_of_settings(warning for settings in agencies for warning in settings.list_warnings())
    found = {settings.agency.id: Connector.diagnose(settings) for settings in agencies}
    if as_json:
        print_json({code: [result.as_json() for result in results] for code, results in found.items()})
    else:
        for code, results in found.items():
            _print_results(code, results, all_checks=all_checks)
    raise typer.Exit(_choose_exit_code(result for results in found.values() for result in results))


def _print_results(agency: str, results: Iterable[CheckResult], *, all_checks: bool) -> None:
    shown = [result for result in results if all_checks or result.outcome != "pass"]
    for result in shown:
        label = _LABELS[result.outcome]
        say(f"{agency}: {label.en} {result.code}: {result.text.en}", f"{label.vi}: {result.text.vi}")
        if result.cure.en:
            say(f"    → {result.cure.en}", result.cure.vi)
    if not any(result.outcome != "pass" for result in shown):
        say(f"{agency}: everything is as it should be", "mọi thứ đều ổn")


def _choose_exit_code(results: Iterable[CheckResult]) -> ExitCode:
    outcomes = {result.outcome.value for result in results}
    if "fail" in outcomes:
        return ExitCode.FAILED
    return ExitCode.WARNED if outcomes & {"warn", "unknown"} else ExitCode.OK
