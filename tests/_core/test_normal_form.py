"""Unicode's normal form of any text, and texts with more marks than any language writes."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edoc_connector._core.normal_form import MAX_MARKS, has_too_many_marks, to_nfc

_MARKS = st.sampled_from("\u0301\u0323\u0300\u031b\u0f73\u0345\u3099\u05b0")
_TEXTS = st.lists(
    st.one_of(_MARKS, st.sampled_from("aăắ\u1100\u1161\u11a8 ệ漢"), st.characters(exclude_categories=["Cs"]))
)


@given(text=st.one_of(_TEXTS.map("".join), st.lists(_MARKS, min_size=25, max_size=200).map("".join)))
@example("a" + "\u0301\u0323" * 40 + "ế" + "\u0323" * 40)
@example("漢" * 40)
def test_the_normal_form_is_unicodes(text: str) -> None:
    """Rows of marks that are sorted beforehand come to the same as without (UAX #15, normal form C)."""
    assert to_nfc(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "too_many"),
    [
        ("a" + "\u0301" * MAX_MARKS, False),
        ("a" + "\u0301" * (MAX_MARKS + 1), True),
        ("\u0f73" * (MAX_MARKS // 2 + 1) * 2, True),  # one code point, two marks
        (("a" + "\u0301" * MAX_MARKS) * 9, False),
        ("漢" * 99, False),
        ("Nguyễn Thị Ngọc Ánh" * 99, False),
        ("x" * 99, False),
    ],
    ids=["as many as allowed", "one more", "double marks", "many short rows", "no marks", "Vietnamese", "ASCII"],
)
def test_how_many_marks_are_too_many(text: str, too_many: bool) -> None:
    """Thirty marks in a row are stream-safe, more are not (UAX #15, 13)."""
    assert has_too_many_marks(text) is too_many


def test_marks_of_a_compatible_form() -> None:
    """What only a normal form of compatibility turns into marks counts where that form is meant (UAX #15, NFKD)."""
    text = "\uff9e\u0323" * 20  # a halfwidth letter, which is a voiced sound mark in NFKC
    assert not has_too_many_marks(text)
    assert has_too_many_marks(text, form="NFKD")
