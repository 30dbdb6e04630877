"""Folding of names and codes to what a person types: small letters of English and digits, in words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_WORDS = re.compile(r"[^\W_]+")
_MARKS = re.compile("[\u0300-\u036f]+")  # combining diacritics
_BARRED = str.maketrans("đĐ", "dD")  # a letter of its own in Unicode, so that no decomposition takes its bar away
_MAX_WORDS = 16


def fold(text: str) -> str:
    """Fold a text: ``Sở Nội vụ (H29.05)`` is ``so noi vu h29 05``, in whatever Unicode form it is written."""
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text.translate(_BARRED)))
    return " ".join(_WORDS.findall(text.lower()))


def fold_words(text: str) -> tuple[str, ...]:
    """Fold a text that is searched for, and split it into its words; of a long text the first ones."""
    return tuple(fold(text).split()[:_MAX_WORDS])


def has_words(text: str, words: Collection[str]) -> bool:
    """Tell whether each of some folded words begins a word of a text: the rule by which anything here is found."""
    found = fold(text).split()
    return all(any(one.startswith(word) for one in found) for word in words)
