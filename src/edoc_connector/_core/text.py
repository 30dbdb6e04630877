"""Texts in English and Vietnamese."""

from __future__ import annotations

from ..errors import EdocError

_BETWEEN = " ‖ "
_MOST = 950  # characters of each language: an entry has room for both, and for the cause


def both(en: str, vi: str) -> str:
    """Words in both languages as one text."""
    return _BETWEEN.join(text.replace(_BETWEEN, " | ")[:_MOST] for text in (en, vi))


def spoken(error: EdocError) -> str:
    """What an error says, as one text."""
    return both(error.message, error.vi)


def parted(text: str) -> tuple[str, str]:
    """The two languages of a text; one that was not made by `both` (a person's own words) is the same in both."""
    en, between, vi = text.partition(_BETWEEN)
    return (en, vi) if between else (text, text)
