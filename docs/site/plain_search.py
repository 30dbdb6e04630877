"""Search that does not mind diacritics: "thu hoi" and "thu hồi" find the same, in the index and in the query."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snowballstemmer
import sphinx
from sphinx.search import SearchLanguage, languages

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_STEMMERS = Path(sphinx.__file__).parent / "search" / "minified-js"
STEMMER_JS = "".join(
    f"{(_STEMMERS / f'{name}-stemmer.js').read_text(encoding='utf-8')}\n" for name in ("base", "english")
)
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
    return {"parallel_read_safe": True}
