"""Fills the generated parts of docs/edxml.md and docs/monitoring.md, and the alert rules, from the tables of the code.

Run ``python docs/generate.py`` after a change of a table; a test fails while a page is not current.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

from edoc_connector.connector import CHECKS
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
from edoc_connector.worker import ALERT_RULES, METRICS, format_rules

PAGE = Path(__file__).with_name("edxml.md")
MONITORING_PAGE = Path(__file__).with_name("monitoring.md")
RULES_FILE = Path(__file__).parents[1] / "examples" / "monitoring" / "edoc_alerts.yml"
_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def generated(page: str, parts: dict[str, Callable[[], str]] | None = None) -> str:
    """The page with its generated parts made anew."""
    makers = PARTS if parts is None else parts
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


MONITORING_PARTS: dict[str, Callable[[], str]] = {"metrics": _metrics, "checks": _checks, "alerts": _alerts}

PARTS: dict[str, Callable[[], str]] = {name: _elements(one) for name, one in TABLES.items()} | {
    "findings": _codes(FINDING_KINDS),
    "refusals": _codes(REFUSALS),
    "limits": _limits,
    "rules": _rules,
    "formats": _formats,
}

if __name__ == "__main__":
    PAGE.write_text(generated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    monitoring = generated(MONITORING_PAGE.read_text(encoding="utf-8"), MONITORING_PARTS)
    MONITORING_PAGE.write_text(monitoring, encoding="utf-8")
    RULES_FILE.write_text(format_rules(ALERT_RULES), encoding="utf-8")
