"""Texts in English and Vietnamese."""

from __future__ import annotations

from ..errors import EdocError

_SEPARATOR = " ‖ "
_MAX_CHARACTERS = 950  # characters of each language: an entry has room for both, and for the cause


def join_languages(en: str, vi: str) -> str:
    """Words in both languages as one text."""
    return _SEPARATOR.join(words.replace(_SEPARATOR, " | ")[:_MAX_CHARACTERS] for words in (en, vi))


def describe_error(error: EdocError) -> str:
    """What an error says, as one text."""
    return join_languages(error.message, error.vi)


def split_languages(text: str) -> tuple[str, str]:
    """The two languages of a text; one that was not made by `both` (a person's own words) is the same in both."""
    en, separator, vi = text.partition(_SEPARATOR)
    return (en, vi) if separator else (text, text)
