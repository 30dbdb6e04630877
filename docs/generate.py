"""Fills the generated parts of pages, and the alert rules, from tables.

Run ``python docs/generate.py`` after a change of a table; a test fails while a page is not current.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TypeAlias

from edoc_connector._core import LOG_FIELDS, OPERATION_RULES, Operation, Text
from edoc_connector.connector import CHECKS, IN_FLIGHT_COLUMNS, CheckSeverity
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
SETTINGS_FILE = Path(__file__).parent / "site" / "settings.vi.toml"
LANGUAGES = ("en", "vi")
_SUFFIXES = {"en": ".md", "vi": ".vi.md"}
Cell: TypeAlias = Text | str
_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def generated(page: str, makers: dict[str, Callable[[], str]]) -> str:
    """The page with its generated parts made anew."""
    return _PART.sub(lambda part: f"{part[1]}\n{makers[part[2]]()}\n{part[3]}", page)


def _table(heads: tuple[Cell, ...], rows: Iterable[tuple[Cell, ...]]) -> Text:
    """A table in each language; a plain string is the same in both."""
    lines = [[Text.of(cell) for cell in line] for line in (heads, ("---",) * len(heads), *rows)]
    return Text(*("".join(_row(getattr(cell, language) for cell in line) for line in lines) for language in LANGUAGES))


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _elements(of: Table) -> Callable[[], Text]:
    heads = (
        Text("element", "phần tử"),
        Text("card.", "số lần"),
        Text("type", "kiểu"),
        Text("limit", "giới hạn"),
        Text("over it, writing", "ghi vượt giới hạn"),
        Text("attribute", "thuộc tính"),
        Text("sealed", "niêm phong"),
    )
    return lambda: _table(heads, map(_element, of.rows))


_TYPES = {
    "text": "chữ",
    "int": "số nguyên",
    "int, 0 to 3": "số nguyên, 0 đến 3",
    "int, 0 to 4": "số nguyên, 0 đến 4",
    "two digits": "hai chữ số",
    "0 or 1": "0 hoặc 1",
    "true or false": "true hoặc false",
}
"""Types of elements in Vietnamese; what is not here is a name or a form of dates."""


def _element(row: Row) -> tuple[Cell, ...]:
    least, most = ("1" if row.required else "0"), ("n" if row.many else "1")
    kind = row.kind.model.__name__ if isinstance(row.kind, Table) else row.kind.name
    # a group is sealed where one of its elements is
    sealed = any(inner.sealed for inner in row.kind.rows) if isinstance(row.kind, Table) else True
    return (
        f"`{row.path}`",
        "1" if least == most else f"{least}..{most}",
        Text(kind, _TYPES[kind]) if kind in _TYPES else f"`{kind}`",
        f"≤ {row.limit}" if row.limit else "",
        _WEIGHTS[row.excess_severity] if row.limit else "",
        f"`{row.attr}`",
        Text("yes", "có") if row.sealed and sealed else "",
    )


def _codes(kinds: dict[str, FindingKind]) -> Callable[[], Text]:
    heads = (_CODE, Text("weight", "mức"), _MEANING, Text("advice", "cách xử lý"))
    return lambda: _table(heads, (_code(code, kind) for code, kind in kinds.items()))


def _code(code: str, kind: FindingKind) -> tuple[Cell, ...]:
    advice = Text(kind.advice, kind.advice_vi)
    return f"`{code}`", _WEIGHTS[kind.severity], _open(Text(kind.en, kind.vi)), advice


_CODE = Text("code", "mã")
_MEANING = Text("meaning", "ý nghĩa")
_WEIGHTS = {
    Severity.ERROR: Text("error", "lỗi"),
    Severity.WARNING: Text("warning", "cảnh báo"),
    Severity.INFO: Text("info", "thông tin"),
}
_CHECK_WEIGHTS = {one: Text(f"`{one.value}`", f"{one.vi} (`{one.value}`)") for one in CheckSeverity}


def _rules() -> Text:
    rows = ((f"`{one.code}`", _WEIGHTS[one.severity], _open(_clause(one.clause)), _open(Text(one.en, one.vi)))
            for one in list_rules())  # fmt: skip
    return _table(
        (_CODE, Text("weight", "mức"), Text("clause", "quy định"), Text("rule", "quy tắc")), dict.fromkeys(rows)
    )


_CLAUSE_WORDS = {
    "documents with state secrets are left out": "không áp dụng cho văn bản chứa bí mật nhà nước",
    "status codes": "các mã trạng thái",
    "Characters": "(ký tự)",
    "Decision": "Quyết định",
    "amendment": "sửa đổi",
    ", type ": ", loại ",
}


def _clause(clause: str) -> Text:
    vietnamese = clause
    for english, words in _CLAUSE_WORDS.items():
        vietnamese = vietnamese.replace(english, words)
    return Text(clause, vietnamese)


def _open(words: Text) -> Text:
    """Words with what is filled in left open."""
    return Text(*(re.sub(r"\{[a-z_]+\}", "…", one) for one in (words.en, words.vi)))


def _formats() -> Text:
    return _table(
        (Text("bytes show", "các byte đầu cho thấy"), Text("and go with", "đi được với loại")),
        ((f"`{one.type}`", ", ".join(f"`{name}`" for name in one.aliases)) for one in FILE_FORMATS),
    )


def _limits() -> Text:
    english = dict(re.findall(r"^\s+(\w+): (.+)$", Limits.__doc__ or "", re.MULTILINE))
    vietnamese = tomllib.loads(SETTINGS_FILE.read_text(encoding="utf-8"))["packets"]
    rows = ((f"`{one.name}`", Text(f"{one.default:,}", f"{one.default:,}".replace(",", ".")),
             Text(english[one.name].rstrip("."), vietnamese[one.name])) for one in fields(Limits))  # fmt: skip
    return _table((Text("setting", "mục"), Text("default", "mặc định"), _MEANING), rows)


def _metrics() -> Text:
    rows = ((f"`{one.name}`", f"`{one.kind.value}`", ", ".join(f"`{label}`" for label in one.labels), one.help)
            for one in METRICS.values())  # fmt: skip
    return _table((Text("metric", "chỉ số"), Text("kind", "kiểu"), Text("labels", "nhãn"), _MEANING), rows)


def _checks() -> Text:
    rows = ((f"`{one.code}`", _CHECK_WEIGHTS[one.severity], _open(one.sentence), one.cure)
            for one in CHECKS)  # fmt: skip
    return _table((_CODE, Text("severity", "mức"), Text("condition", "tình trạng"), Text("cure", "cách xử lý")), rows)


def _alerts() -> Text:
    rows = ((f"`{one.name}`", f"`{one.severity}`", f"`{one.expression}`",
             Text(f"{one.minutes} min", f"{one.minutes} phút")) for one in ALERT_RULES)  # fmt: skip
    heads = (Text("alert", "cảnh báo"), Text("severity", "mức"), Text("when", "khi nào"), Text("for", "kéo dài"))
    return _table(heads, rows)


def _problems() -> Text:
    rows = ((f"`{one.code}`", str(one.status), one.title, one.next_step)
            for one in sorted(ALL_TYPES, key=lambda one: (one.status, one.code)))  # fmt: skip
    return _table((_CODE, Text("status", "mã HTTP"), _MEANING, Text("next step", "việc cần làm")), rows)


def _columns() -> Text:
    heads = (
        Text("field", "trường"),
        Text("name in Vietnamese", "tên cột tiếng Việt"),
        Text("for example", "ví dụ"),
        _MEANING,
    )
    rows = ((f"`{one.name}`", f"`{one.vi}`", one.example and f"`{one.example}`", one.meaning) for one in COLUMNS)
    return _table(heads, rows)


def _actions() -> Text:
    rows = ((f"`{one.name}`", f"`{one.vi}`", one.meaning) for one in ACTION_NAMES)
    return _table((Text("action", "mã"), Text("name in Vietnamese", "thao tác"), _MEANING), rows)


def _in_flight() -> Text:
    rows = ((f"`{name}`", meaning) for name, meaning in IN_FLIGHT_COLUMNS.items())
    return _table((Text("column", "cột"), _MEANING), rows)


IMPORT_PARTS: dict[str, Callable[[], Text]] = {"in-flight": _in_flight}
FOLDER_PARTS: dict[str, Callable[[], Text]] = {"columns": _columns, "actions": _actions}
GATEWAY_PARTS: dict[str, Callable[[], Text]] = {"problems": _problems}


def _log_fields() -> Text:
    rows = ((f"`{name}`", meaning) for name, meaning in LOG_FIELDS.items())
    return _table((Text("field", "trường"), _MEANING), rows)


def _spans() -> Text:
    heads = (Text("operation", "thao tác"), Text("type", "loại"), Text("span's kind", "kiểu span"), _MEANING)
    rules = ((one, OPERATION_RULES[one]) for one in Operation)
    return _table(
        heads, ((f"`{one.value}`", f"`{rule.type}`", f"`{rule.kind.lower()}`", rule.meaning) for one, rule in rules)
    )


MONITORING_PARTS: dict[str, Callable[[], Text]] = {
    "log-fields": _log_fields,
    "metrics": _metrics,
    "checks": _checks,
    "alerts": _alerts,
    "spans": _spans,
}

PARTS: dict[str, Callable[[], Text]] = {name: _elements(one) for name, one in TABLES.items()} | {
    "findings": _codes(FINDING_KINDS),
    "refusals": _codes(REFUSALS),
    "limits": _limits,
    "rules": _rules,
    "formats": _formats,
}


def _promises() -> Text:
    sys.path.insert(0, str(Path(__file__).parents[1] / ".ci"))  # no part of the library
    from promises import format_rows

    rows = (tuple(map(Text, *both)) for both in zip(*map(format_rows, LANGUAGES), strict=True))
    heads = (
        Text("promise", "điều được bảo đảm"),
        Text("command", "lệnh"),
        Text("when", "khi nào"),
        Text("figure", "số liệu"),
        Text("date", "ngày"),
    )
    return _table(heads, rows)


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
    """Find the pages that have generated parts, and what makes these in the page's language."""
    pages = ((name, language) for name in PAGES for language in LANGUAGES)
    return {Path(__file__).with_name(f"{name}{_SUFFIXES[language]}"): _bind(PAGES[name], language)
            for name, language in pages}  # fmt: skip


def _bind(makers: dict[str, Callable[[], Text]], language: str) -> dict[str, Callable[[], str]]:
    return {part: partial(_make, maker, language) for part, maker in makers.items()}


def _make(maker: Callable[[], Text], language: str) -> str:
    made: str = getattr(maker(), language)
    return made


if __name__ == "__main__":
    for path, makers in find_pages().items():
        path.write_text(generated(path.read_text(encoding="utf-8"), makers), encoding="utf-8")
    RULES_FILE.write_text(format_rules(ALERT_RULES), encoding="utf-8")
