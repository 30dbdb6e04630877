"""Texts in English and Vietnamese, and both as one text of a column."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import EdocError

_SEPARATOR = " ‖ "
_MAX_CHARACTERS = 950  # characters of each language: an entry has room for both, and for the cause


class Text(NamedTuple):
    """A text in both languages."""

    en: str
    vi: str


def join_languages(en: str, vi: str) -> str:
    """Join a text in both languages into one, each cut to 950 characters; `split_languages` takes it apart."""
    return _SEPARATOR.join(words.replace(_SEPARATOR, " | ")[:_MAX_CHARACTERS] for words in (en, vi))


def describe_error(error: EdocError) -> str:
    """Join the messages of an error into one text."""
    return join_languages(error.message, error.vi)


def split_languages(text: str) -> Text:
    """Split a text of `join_languages`; any other text, such as a person's own words, is the same in both languages."""
    en, separator, vi = text.partition(_SEPARATOR)
    return Text(en, vi) if separator else Text(text, text)
