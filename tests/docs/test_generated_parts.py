"""What stands in pages and in the file of alert rules is what the tables say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from edoc_connector.worker import ALERT_RULES, format_rules

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """The script that fills them."""
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_current(generate: ModuleType) -> None:
    """Each generated part of a page, in both languages, is there and current; else run ``python docs/generate.py``."""
    for path, makers in generate.find_pages().items():
        page = path.read_text(encoding="utf-8")
        assert generate.generated(page, makers) == page, path.name
        assert set(re.findall(r"<!-- generated: (\S+) -->", page)) == set(makers), path.name


def test_rules_are_current(generate: ModuleType) -> None:
    """The file of alert rules is what the table says; else run ``python docs/generate.py``."""
    assert generate.RULES_FILE.read_text(encoding="utf-8") == format_rules(ALERT_RULES)
