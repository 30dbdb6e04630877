"""Every page is found from the index, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page.name for page in DOCS.glob("*.md") if not page.name.endswith(".vi.md") and page.name != "index.md")


@pytest.mark.parametrize("index", ["index.md", "index.vi.md"])
def test_the_index_names_every_page(index: str) -> None:
    """A page in docs/ has one line in each, `- [Name](page.md): what it is for`; the site's navigation is these."""
    named = re.findall(r"^- \[[^\]]+\]\(([^()#/]+\.md)\): \S", (DOCS / index).read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name.replace(".vi.md", ".md") for name in named) == PAGES


def test_the_vietnamese_index_leads_to_vietnamese_pages() -> None:
    """Where a page is there in Vietnamese, that one is named."""
    text = (DOCS / "index.vi.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.vi.md"):
        if page.name != "index.vi.md":
            assert f"({page.name})" in text
