"""Folding of names and codes to what a person types."""

from __future__ import annotations

import unicodedata

import pytest

from edoc_connector.store.directory import fold
from edoc_connector.store.directory.folding import fold_words


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Sở Nội vụ", "so noi vu"),
        ("ĐẮK LẮK, đường Đống Đa", "dak lak duong dong da"),
        ("H29.06", "h29 06"),
        ("000.00.06.H29", "000 00 06 h29"),
        ("UBND_xã (Thạnh‑Đông)", "ubnd xa thanh dong"),
        ("“*” OR NEAR", "or near"),
        ("", ""),
    ],
)
def test_folded(text: str, folded: str) -> None:
    """Marks and the bar of đ go, in either Unicode form; the rest parts words (issue, "without diacritics")."""
    assert fold(text) == fold(unicodedata.normalize("NFD", text)) == folded


def test_words_of_a_search_are_bounded() -> None:
    """A text of a thousand words is no search of a thousand terms (threats, "the service")."""
    assert len(fold_words("xã " * 1000)) == 16
