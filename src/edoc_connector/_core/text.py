"""Texts in English and Vietnamese."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import EdocError


@dataclass(frozen=True, slots=True)
class Text:
    """A text in both languages."""

    en: str
    vi: str

    @classmethod
    def of(cls, words: Text | str) -> Text:
        """Take a text as it is, and a person's own words as the same in both languages."""
        return cls(words, words) if isinstance(words, str) else words


def describe_error(error: EdocError) -> Text:
    """Take the messages of an error as a text."""
    return Text(error.full, error.full_vi)
