"""Fills the generated parts of pages, and the alert rules, from tables.

Run ``python docs/generate.py`` after a change of a table; a test fails while a page is not current.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from edoc_connector._core import LOG_FIELDS, OPERATION_RULES, Operation, Text
from edoc_connector.connector import CHECKS, IN_FLIGHT_COLUMNS
from edoc_connector.edxml import (
    FILE_FORMATS,
    FINDING_KINDS,
    REFUSALS,
    TABLES,
    FindingKind,
    Limits,
    Row,
    Severity,
    Table,
    list_rules,
)
from edoc_connector.folder import ACTION_NAMES, COLUMNS
from edoc_connector.gateway import ALL_TYPES
from edoc_connector.worker import ALERT_RULES, METRICS, format_rules

RULES_FILE = Path(__file__).parents[1] / "examples" / "monitoring" / "edoc_alerts.yml"
_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def generated(page: str, makers: dict[str, Callable[[], str]]) -> str:
    """The page with its generated parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}\n{makers[part[2]]()}\n{part[3]}", page)


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _elements(of: Table) -> Callable[[], str]:
    heads = ("element", "card.", "type", "limit", "over it, writing", "attribute", "sealed")
    return lambda: _table(heads, (_element(row) for row in of.rows))


def _element(row: Row) -> tuple[str, ...]:
    least, most = ("1" if row.required else "0"), ("n" if row.many else "1")
    kind = row.kind.model.__name__ if isinstance(row.kind, Table) else row.kind.name
    limit = f"≤ {row.limit}" if row.limit else ""
    over = row.excess_severity.value if row.limit else ""
    # a group is sealed where one of its elements is
    sealed = any(inner.sealed for inner in row.kind.rows) if isinstance(row.kind, Table) else True
    return (
        f"`{row.path}`",
        "1" if least == most else f"{least}..{most}",
        kind,
        limit,
        over,
        f"`{row.attr}`",
        "yes" if row.sealed and sealed else "",
    )


def _codes(kinds: dict[str, FindingKind]) -> Callable[[], str]:
    heads = ("code", "weight", "meaning · ý nghĩa", "advice · cách xử lý")
    return lambda: _table(heads, (_code(code, kind) for code, kind in kinds.items()))


def _code(code: str, kind: FindingKind) -> tuple[str, ...]:
    said, said_vi = (text.replace("{seen}", "…").replace("{understood}", "…") for text in (kind.en, kind.vi))
    return f"`{code}`", _WEIGHTS[kind.severity], f"{said}<br>{said_vi}", f"{kind.advice}<br>{kind.advice_vi}"


_WEIGHTS = {Severity.ERROR: "error · lỗi", Severity.WARNING: "warning · cảnh báo", Severity.INFO: "info · thông tin"}


def _rules() -> str:
    rows = [(f"`{one.code}`", _WEIGHTS[one.severity], _open(one.clause), f"{_open(one.en)}<br>{_open(one.vi)}")
            for one in list_rules()]  # fmt: skip
    return _table(("code", "weight", "clause", "rule · quy tắc"), iter(dict.fromkeys(rows)))


def _open(words: str) -> str:
    """Words with what is filled in left open."""
    return re.sub(r"\{[a-z_]+\}", "…", words)


def _formats() -> str:
    return _table(
        ("bytes show", "and go with"),
        ((f"`{one.type}`", ", ".join(f"`{name}`" for name in one.aliases)) for one in FILE_FORMATS),
    )


def _limits() -> str:
    meanings = dict(re.findall(r"^\s+(\w+): (.+)$", Limits.__doc__ or "", re.MULTILINE))
    return _table(
        ("setting", "default", "meaning"),
        ((f"`{one.name}`", f"{one.default:,}", meanings[one.name].rstrip(".")) for one in fields(Limits)),
    )


def _metrics() -> str:
    rows = ((f"`{one.name}`", one.kind.value, ", ".join(f"`{label}`" for label in one.labels),
             f"{one.help.en}<br>{one.help.vi}") for one in METRICS.values())  # fmt: skip
    return _table(("metric", "kind", "labels", "meaning · ý nghĩa"), rows)


def _checks() -> str:
    rows = ((f"`{one.code}`", one.severity.value, f"{_open(one.sentence.en)}<br>{_open(one.sentence.vi)}",
             f"{one.cure.en}<br>{one.cure.vi}") for one in CHECKS)  # fmt: skip
    return _table(("code", "severity", "condition · tình trạng", "cure · cách xử lý"), rows)


def _alerts() -> str:
    rows = ((f"`{one.name}`", one.severity, f"`{one.expression}`", f"{one.minutes} min") for one in ALERT_RULES)
    return _table(("alert", "severity", "when", "for"), rows)


def _problems() -> str:
    heads = ("code", "status", "meaning · ý nghĩa", "next step · việc cần làm")
    rows = (
        (
            f"`{one.code}`",
            str(one.status),
            f"{one.title.en}<br>{one.title.vi}",
            f"{one.next_step.en}<br>{one.next_step.vi}",
        )
        for one in sorted(ALL_TYPES, key=lambda one: (one.status, one.code))
    )
    return _table(heads, rows)


def _columns() -> str:
    heads = ("field · trường", "tên cột", "for example · ví dụ", "meaning · ý nghĩa")
    rows = ((f"`{one.name}`", one.vi, one.example and f"`{one.example}`", _in_both(one.meaning)) for one in COLUMNS)
    return _table(heads, rows)


def _actions() -> str:
    rows = ((f"`{one.name}`", one.vi, _in_both(one.meaning)) for one in ACTION_NAMES)
    return _table(("action · mã", "thao tác", "meaning · ý nghĩa"), rows)


def _in_flight() -> str:
    rows = ((f"`{name}`", _in_both(meaning)) for name, meaning in IN_FLIGHT_COLUMNS.items())
    return _table(("column · cột", "meaning · ý nghĩa"), rows)


def _in_both(text: Text) -> str:
    return text.en if text.en == text.vi else f"{text.en}<br>{text.vi}"


IMPORT_PARTS: dict[str, Callable[[], str]] = {"in-flight": _in_flight}
FOLDER_PARTS: dict[str, Callable[[], str]] = {"columns": _columns, "actions": _actions}
GATEWAY_PARTS: dict[str, Callable[[], str]] = {"problems": _problems}


def _log_fields() -> str:
    rows = ((f"`{name}`", f"{meaning.en}<br>{meaning.vi}") for name, meaning in LOG_FIELDS.items())
    return _table(("field", "meaning · ý nghĩa"), rows)


def _spans() -> str:
    rows = (
        (
            f"`{one.value}`",
            f"`{OPERATION_RULES[one].type}`",
            OPERATION_RULES[one].kind.lower(),
            f"{OPERATION_RULES[one].meaning.en}<br>{OPERATION_RULES[one].meaning.vi}",
        )
        for one in Operation
    )
    return _table(("operation", "type", "span's kind", "is · là"), rows)


MONITORING_PARTS: dict[str, Callable[[], str]] = {
    "log-fields": _log_fields,
    "metrics": _metrics,
    "checks": _checks,
    "alerts": _alerts,
    "spans": _spans,
}

PARTS: dict[str, Callable[[], str]] = {name: _elements(one) for name, one in TABLES.items()} | {
    "findings": _codes(FINDING_KINDS),
    "refusals": _codes(REFUSALS),
    "limits": _limits,
    "rules": _rules,
    "formats": _formats,
}


def _promises() -> str:
    sys.path.insert(0, str(Path(__file__).parents[1] / ".ci"))  # no part of the library
    from promises import format_rows

    rows = (
        (f"{english[0]}<br>{vietnamese[0]}", english[1], f"{english[2]} · {vietnamese[2]}", english[3], english[4])
        for english, vietnamese in zip(*map(format_rows, ("en", "vi")), strict=True)
    )
    return _table(
        ("promise · điều được bảo đảm", "command · lệnh", "when · khi nào", "figure · số liệu", "date · ngày"), rows
    )


PAGES = {
    "edxml": PARTS,
    "gateway": GATEWAY_PARTS,
    "import": IMPORT_PARTS,
    "monitoring": MONITORING_PARTS,
    "release": {"promises": _promises},
    "watch-folder": FOLDER_PARTS,
}
"""What is generated in which page, in each of its languages."""


def find_pages() -> dict[Path, dict[str, Callable[[], str]]]:
    """Find the pages that have generated parts, and what makes these."""
    folder = Path(__file__).parent
    return {folder / f"{name}{suffix}": parts for name, parts in PAGES.items() for suffix in (".md", ".vi.md")}


if __name__ == "__main__":
    for path, makers in find_pages().items():
        path.write_text(generated(path.read_text(encoding="utf-8"), makers), encoding="utf-8")
    RULES_FILE.write_text(format_rules(ALERT_RULES), encoding="utf-8")
