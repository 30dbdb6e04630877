"""Texts in two languages."""

from __future__ import annotations

import string

import pytest

from edoc_connector._web import KIT_TEXTS, Texts
from edoc_connector.mockhub.page.texts import TEXTS


def list_fields(text: str) -> set[str]:
    """The values that a text asks for."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("texts", [KIT_TEXTS, TEXTS], ids=["kit", "mock hub"])
def test_both_languages_say_the_same_values(texts: Texts) -> None:
    """Each text is there in both languages, with the same values in it."""
    for name, (vietnamese, english) in texts.entries.items():
        assert vietnamese, name
        assert english, name
        assert list_fields(vietnamese) == list_fields(english), name


def test_an_unknown_text_is_an_error() -> None:
    """A page that names a text which is not there fails in its tests, and shows no name to readers."""
    with pytest.raises(KeyError):
        KIT_TEXTS.get("vi", "no such text")
