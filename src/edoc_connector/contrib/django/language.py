"""Texts in the language that Django has activated: Vietnamese where that is Vietnamese, else English."""

from __future__ import annotations

from typing import Any

from django.utils.functional import lazystr
from django.utils.translation import get_language

from ..._core import Text


def speaks_vietnamese() -> bool:
    """Whether the active language is Vietnamese."""
    return (get_language() or "").partition("-")[0] == "vi"


def choose(text: Text) -> str:
    """Choose the words of the active language."""
    return text.vi if speaks_vietnamese() else text.en


class _Words:
    def __init__(self, text: Text) -> None:
        self._text = text

    def __str__(self) -> str:
        return choose(self._text)


def speak(en: str, vi: str) -> Any:
    """Make a text that is chosen whenever it is shown, as gettext_lazy does."""
    return lazystr(_Words(Text(en, vi)))
