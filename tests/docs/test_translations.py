"""Pages in Vietnamese and English are in step, paragraph by paragraph."""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from pathlib import Path
from types import ModuleType

import pytest

ENGLISH = (
    "# Title\n\nOne.\nStill one.\n\n- two\n- three\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    "```sh\nedoc show X  # look\n```\n"
)
VIETNAMESE = "# Tên\n\nMột.\n\n- hai\n- ba\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```sh\nedoc show X  # xem\n```\n"


@pytest.fixture
def pair(tmp_path: Path, translations: ModuleType) -> Path:
    """A page in both languages that somebody has held side by side."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text(ENGLISH, encoding="utf-8")
    (tmp_path / "docs/page.vi.md").write_text(VIETNAMESE, encoding="utf-8")
    translations.mark(["docs/page.md"], tmp_path, tmp_path / "held.json")
    return tmp_path


def _check(translations: ModuleType, root: Path) -> list[str]:
    return list(translations.check(root, root / "held.json"))


def test_no_page_lags(translations: ModuleType) -> None:
    """Each paragraph of a page that is in both languages was held beside its translation as both are now.

    Otherwise: write the other language, then `python docs/site/translations.py mark docs/PAGE.md`.
    """
    assert translations.check() == []


def test_every_pair_is_held(translations: ModuleType) -> None:
    """The pages that an office reads first are among them, and nothing is recorded of pages that are gone."""
    pages = {str(page.relative_to(translations.ROOT)) for page, _ in translations.pairs()}
    assert {"README.md", "docs/index.md", "docs/configuration.md", "docs/missing-document.md"} <= pages
    assert set(json.loads(translations.RECORD.read_text(encoding="utf-8"))) == pages


def test_every_page_stands_in_both_languages(translations: ModuleType) -> None:
    """A page of docs/ has a Vietnamese one beside it, or has both in itself; docs/decisions/ stays English."""
    pages = (page for page in (translations.ROOT / "docs").glob("*.md") if not page.name.endswith(".vi.md"))
    alone = [page.stem for page in pages if not page.with_suffix(".vi.md").exists()]
    assert {f"docs/{name}" for name in alone} <= set(translations.BOTH)


_NO_PROSE = r"`[^`]*`|!\[[^\]]*\]|\([^()]*\)|\*[^*]*\[[^\]]*\]\([^)]*\)\.?\*"
_NO_PROSE_IN_CELL = rf"{_NO_PROSE}|\*[^*]+\*|\[[\w/.-]+\.md\]|\S+ \d+(\.\d+)+|\w+[a-z][A-Z]\w*"
"""Beside code: terms that are quoted, names of pages, versions of libraries, names of elements."""


def _marked_share(text: str, no_prose: str = _NO_PROSE) -> tuple[float, int]:
    """Share of the words that have letters which English has not, and how many words there are; names do not count."""
    words = re.findall(r"[^\W\d_]+", re.sub(no_prose, "", text))
    marked = [word for word in words if not unicodedata.normalize("NFD", word).isascii()]
    return len(marked) / max(len(words), 1), len(words)


def _find_foreign(translations: ModuleType, text: str, language: str) -> list[str]:
    """Lines of a page whose heading, paragraph or cell of a table is in the other language."""
    found = []
    for block in translations.split_blocks(text):
        is_row = block.kind == "row"
        parts = re.split(r"(?<!\\)\|", block.text) if is_row else [block.text] if block.kind != "code" else []
        for part in parts:
            share, count = _marked_share(part, _NO_PROSE_IN_CELL if is_row else _NO_PROSE)
            if count > (3 if is_row else 5) and (share == 0 if language == "vi" else share > 0.4):
                found.append(f"{block.line}: {part.strip()[:60]}")
    return found


def test_each_page_speaks_one_language(translations: ModuleType) -> None:
    """No heading, paragraph or cell of an English page is Vietnamese, and none of a Vietnamese page is English."""
    pages = [one for pair in translations.pairs() for one in pair]
    languages = {page: "vi" if page.name.endswith(".vi.md") else "en" for page in pages}
    found = {
        page.name: _find_foreign(translations, page.read_text(encoding="utf-8"), languages[page]) for page in pages
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("maker", ["format_commands", "format_settings", "format_codes"])
def test_each_catalogue_speaks_one_language(
    translations: ModuleType, catalogues: ModuleType, maker: str, language: str
) -> None:
    """So do the pages of all options, all settings and all codes, which the code writes."""
    page = getattr(catalogues, maker)(language)
    assert page.count("\n| ") > 30
    assert _find_foreign(translations, page, language) == []


def test_every_setting_is_told_in_vietnamese(catalogues: ModuleType) -> None:
    """settings.vi.toml has each section and setting of edoc.toml, and no others."""
    told = tomllib.loads(catalogues.SETTINGS_FILE.read_text(encoding="utf-8"))
    assert {name: set(meanings) for name, meanings in told.items()} == {
        name: {"about", *settings} for name, settings in catalogues.list_sections().items()
    }


@pytest.mark.parametrize(
    ("language", "row", "is_found"),
    [
        ("vi", "| `send` | the document is sent again |", True),
        ("vi", "| `send` | gửi lại văn bản |", False),
        ("en", "| `send` | gửi lại văn bản |", True),
        ("en", "| `send` | shown as *gửi lại văn bản* |", False),
        ("en", "| `send` | the document is sent again |", False),
    ],
)
def test_a_cell_of_the_other_language_is_found(
    translations: ModuleType, language: str, row: str, is_found: bool
) -> None:
    """Its line is named; code and terms that are quoted do not count."""
    assert bool(_find_foreign(translations, row, language)) == is_found


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("page.md", "Still one.", "Now two.", "line 3"),
        ("page.md", "- three", "- four", "line 7"),
        ("page.md", "| 1 | 2 |", "| 1 | 3 |", "line 11"),
        ("page.vi.md", "- ba", "- bốn", "line 7"),
        ("page.md", "show X", "explain X", "differ in more than comments"),
        ("page.md", "- three\n", "- three\n- four\n", "stands beside"),
    ],
)
def test_what_changes_in_one_language_lags(
    translations: ModuleType, pair: Path, name: str, old: str, new: str, said: str
) -> None:
    """A paragraph, an item, a row, code or a new block, in either language: the line is named."""
    assert _check(translations, pair) == []
    page = pair / "docs" / name
    page.write_text(page.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    found = _check(translations, pair)
    assert len(found) == 1
    assert found[0].startswith("docs/page.md: ")
    assert said in found[0]


def test_a_page_that_was_never_held_lags(translations: ModuleType, pair: Path) -> None:
    """A new translation counts when somebody says that it is one."""
    (pair / "held.json").write_text("{}", encoding="utf-8")
    assert len(_check(translations, pair)) == 6  # all but the row of hyphens, and the row that is the same in both
