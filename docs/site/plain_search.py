"""Search that does not mind diacritics or the language: "thu hoi" and "thu hồi" find the same, as does "recall".

Pages are found by their headings in the other language too, and by what people call things (`sought.json`).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snowballstemmer
import sphinx
from sphinx.search import SearchLanguage, languages
from translations import headings, pairs

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_STEMMERS = Path(sphinx.__file__).parent / "search" / "minified-js"
STEMMER_JS = "".join(
    f"{(_STEMMERS / f'{name}-stemmer.js').read_text(encoding='utf-8')}\n" for name in ("base", "english")
)
SOUGHT = Path(__file__).with_name("sought.json")
"""What people call things: by page and its English heading, in either language."""
TITLES_JS = "further_titles.js"
FOLD_JS = Path(__file__).with_name("fold.js").read_text(encoding="utf-8")


def fold(text: str) -> str:
    """Write text in small letters without marks, as `fold` in fold.js does."""
    letters = unicodedata.normalize("NFD", text.lower()).replace("đ", "d")
    return "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")


class SearchPlain(SearchLanguage):
    """Words of both languages, folded; no stop words, as "to" and "in" are words in Vietnamese."""

    lang = "plain"
    language_name = "Vietnamese and English"
    js_stemmer_code = STEMMER_JS + FOLD_JS

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options)
        self._english = snowballstemmer.stemmer("english")

    def stem(self, word: str) -> str:
        """Fold a word and take off what English puts at the end of words; the query is treated alike."""
        return str(self._english.stemWord(fold(word)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    languages["plain"] = SearchPlain
    app.config.html_search_language = "plain"
    app.add_js_file("phrases.js", priority=900)
    app.connect("html-page-context", add_titles)
    app.connect("build-finished", write_titles)
    return {"parallel_read_safe": True}


def add_titles(app: Sphinx, pagename: str, *_: object) -> None:
    """Load the further titles where they are needed."""
    if pagename == "search":
        app.add_js_file(TITLES_JS, priority=890)


def write_titles(app: Sphinx, error: Exception | None) -> None:
    """Write by what else each heading is found."""
    if error is None:
        titles = json.dumps(list(list_titles(Path(app.srcdir), app.config.language)), ensure_ascii=False)
        Path(app.outdir, "_static", TITLES_JS).write_text(f"const FURTHER_TITLES = {titles};\n", encoding="utf-8")


def list_titles(root: Path, language: str) -> Iterator[tuple[str, str, str]]:
    """List further titles: the title, its page, and the heading in the site's language that it leads to."""
    sought = json.loads(SOUGHT.read_text(encoding="utf-8"))
    for page, translated in pairs(root):
        name = page.relative_to(root).as_posix().removesuffix(".md")
        called = sought.pop(name, {})
        both = (headings(one.read_text(encoding="utf-8")) for one in (page, translated))
        for english, vietnamese in zip(*both, strict=True):
            own, other = (english, vietnamese) if language == "en" else (vietnamese, english)
            for title in {other, *called.pop(english, ())} - {own}:
                yield title.replace("`", ""), name, own.replace("`", "")
        if called:
            raise ValueError(f"sought.json: {name} has no heading {', '.join(called)}")
    if sought:
        raise ValueError(f"sought.json: there is no page {', '.join(sought)} in both languages")
