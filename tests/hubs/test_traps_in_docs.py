"""The table of traps in docs/hubs.md and the tests name each other, and each of these tests takes its cure out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "hubs.md").read_text("utf-8")
SECTION = re.search(r"^## Traps, and the test of each\n(.*?)(?=^## )", PAGE, re.DOTALL | re.MULTILINE)
ROW = re.compile(r"^\| (?P<trap>[^|]+) \| `(?P<test>test_\w+)` \|$", re.MULTILINE)
HALVES = ["lgsp", "edocservice"]


def list_rows(dialect: str) -> list[tuple[str, str]]:
    """The traps of a dialect that the page lists, each with the name of its test."""
    assert SECTION is not None
    half = SECTION[1].partition(f"### Traps of `{dialect}`\n")[2].partition("\n### ")[0]
    return [(row["trap"], row["test"]) for row in ROW.finditer(half)]


def find_tests() -> dict[str, list[set[str]]]:
    """The parameters of each test of these folders, by its name; a name may occur twice."""
    found: dict[str, list[set[str]]] = {}
    for folder in ("client", "connector", "hubs", "mockhub"):
        for path in sorted((TESTS / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    parameters = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
                    found.setdefault(node.name, []).append(parameters)
    return found


@pytest.mark.parametrize("dialect", HALVES)
def test_each_trap_has_a_test_that_takes_its_cure_out(dialect: str) -> None:
    """Each row names one test, which runs with the counter-measure in place and taken out."""
    tests, rows = find_tests(), list_rows(dialect)
    assert len(rows) >= 20
    assert len({trap for trap, _ in rows}) == len(rows)
    assert [name for _, name in rows if len(tests.get(name, [])) != 1] == []
    assert [name for _, name in rows if "counter" not in tests[name][0]] == []


def test_each_test_of_a_trap_is_listed() -> None:
    """A test that is named after a trap stands in the table, and no row stands there twice."""
    listed = [name for dialect in HALVES for _, name in list_rows(dialect)]
    assert len(set(listed)) == len(listed)
    assert {name for name in find_tests() if name.startswith("test_trap_")} - set(listed) == set()
