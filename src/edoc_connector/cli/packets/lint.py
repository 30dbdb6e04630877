"""The command lint: says what is wrong with packets, whoever wrote them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from ..._core import Text, escape_line
from ..._version import __version__
from ...errors import PacketError, choose_words
from ..errors import WrongOption
from ..options import JsonFlag
from ..output import ExitCode, create_console, print_json, say
from .files import read_packet

if TYPE_CHECKING:
    from ...edxml import Remark

_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_WEIGHTS_VI = {"error": "lỗi", "warning": "cảnh báo", "info": "thông tin"}
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@dataclass(frozen=True)
class _Report:
    """The remarks about one file."""

    file: Path
    kind: str | None
    remarks: tuple[Remark, ...]

    @property
    def has_errors(self) -> bool:
        return any(one.severity == "error" for one in self.remarks)


def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Packets, .edxml. / Các gói tin .edxml.")],
    as_json: JsonFlag = False,
    as_sarif: Annotated[
        bool, typer.Option("--sarif", help="Print SARIF 2.1.0, for code-review tools. / In ra SARIF 2.1.0.")
    ] = False,
) -> None:
    """Say what is wrong with packets, whoever wrote them. / Kiểm tra gói tin của bất kỳ hệ thống nào.

    Signatures are not checked here: that is `edoc verify`. / Không kiểm tra chữ ký: dùng `edoc verify`.

    Exit code 0: no errors; 1: errors; 2: a packet that cannot be read. / Mã kết thúc 0: không có lỗi; 1: có lỗi; 2: có
    gói tin không đọc được.
    """
    if as_json and as_sarif:
        raise WrongOption("give --json or --sarif, not both", vi="chỉ dùng một trong hai: --json hoặc --sarif")
    reports = [_lint_file(file) for file in files]
    if as_json:
        print_json({"files": [_describe_report(report) for report in reports]})
    elif as_sarif:
        print_json(_build_sarif(reports))
    else:
        for report in reports:
            _print_report(report)
    if any(report.kind is None for report in reports):
        raise typer.Exit(ExitCode.UNREADABLE)
    raise typer.Exit(ExitCode.FAILED if any(report.has_errors for report in reports) else ExitCode.OK)


def _lint_file(file: Path) -> _Report:
    from ...edxml import Remark, Severity, remarks

    try:
        packet = read_packet(file)
        return _Report(file, packet.kind, remarks(packet, at=datetime.now(UTC)))
    except PacketError as error:
        place = error.line, error.column
        return _Report(file, None, (Remark(error.code, Severity.ERROR, "/", *place, error.full, error.full_vi),))


def _describe_report(report: _Report) -> dict[str, Any]:
    return {"file": str(report.file), "kind": report.kind, "problems": [asdict(one) for one in report.remarks]}


def _print_report(report: _Report) -> None:
    from rich.table import Table
    from rich.text import Text as Styled

    counts = Counter(one.severity.value for one in report.remarks)
    if not counts:
        say(f"{report.file}: nothing to remark", "không có gì cần lưu ý")
        return
    table = Table(title=Styled(escape_line(str(report.file))), title_justify="left", header_style="bold")
    for heading in (
        Text("line", "dòng"),
        Text("weight", "mức"),
        Text("code", "mã"),
        Text("what and where", "nội dung và vị trí"),
    ):
        table.add_column(str(heading), overflow="fold")
    for one in report.remarks:
        weight = one.severity.value
        words = Styled(choose_words(escape_line(one.message), escape_line(one.message_vi)) + "\n")
        words.append(escape_line(one.xpath), "dim")
        for advice in (str(Text(one.advice, one.advice_vi)), one.clause):
            words.append(f"\n{advice}" if advice else "", "dim italic")
        place = ":".join(str(number) for number in (one.line, one.column) if number is not None)
        table.add_row(place, Styled(choose_words(weight, _WEIGHTS_VI[weight]), _STYLES[weight]), one.code, words)
    create_console().print(table)
    en = ", ".join(f"{weight}: {counts[weight]}" for weight in _STYLES)
    vi = ", ".join(f"{_WEIGHTS_VI[weight]}: {counts[weight]}" for weight in _STYLES)
    say(en, vi)


def _build_sarif(reports: Sequence[_Report]) -> dict[str, Any]:
    """Build a SARIF 2.1.0 log of the reports (OASIS standard, errata 01)."""
    rules = sorted({one.code for report in reports for one in report.remarks})
    driver = {
        "name": "edoc lint",
        "version": __version__,
        "rules": [_build_sarif_rule(code) for code in rules],
    }
    results = [_build_sarif_result(report.file, one, rules) for report in reports for one in report.remarks]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _build_sarif_rule(code: str) -> dict[str, Any]:
    from ...edxml import FINDING_KINDS, REFUSALS, list_rules

    kind = FINDING_KINDS.get(code) or REFUSALS.get(code)
    rule = kind or next((one for one in list_rules() if one.code == code), None)
    entry: dict[str, Any] = {"id": code}
    if rule:
        entry["shortDescription"] = {"text": f"{rule.en} / {rule.vi}"}
    if kind and kind.advice:
        entry["help"] = {"text": f"{kind.advice} / {kind.advice_vi}"}
    return entry


def _build_sarif_result(file: Path, remark: Remark, rules: Sequence[str]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _as_uri(file)}}
    if remark.line is not None:
        place["region"] = {"startLine": remark.line} | (
            {"startColumn": remark.column} if remark.column is not None else {}
        )
    return {
        "ruleId": remark.code,
        "ruleIndex": rules.index(remark.code),
        "level": _LEVELS[remark.severity.value],
        "message": {"text": f"{remark.message} / {remark.message_vi}"},
        "locations": [{"physicalLocation": place, "logicalLocations": [{"fullyQualifiedName": remark.xpath}]}],
    }


def _as_uri(file: Path) -> str:
    return file.as_uri() if file.is_absolute() else quote(file.as_posix())
