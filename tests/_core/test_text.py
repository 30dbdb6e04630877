"""Texts in two languages, as timeline entries hold them, and Unicode's normal form of any text."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edoc_connector._core.text import (
    MAX_MARKS,
    describe_error,
    has_too_many_marks,
    join_languages,
    split_languages,
    to_nfc,
)
from edoc_connector.errors import PacketRefused
from edoc_connector.store import MACHINES, StateMachine, TimelineRow, Transition, describe_entry

_MOVES = [(machine, move) for machine in MACHINES for move in machine.transitions]


def _entry(machine: StateMachine, old: str | None, new: str, detail: str) -> TimelineRow:
    return TimelineRow(
        id=1, subject=machine.subject, subject_id=1, at=datetime(2026, 11, 20, tzinfo=UTC), actor="x", old=old, new=new,
        recipient=None, detail=detail,
    )  # fmt: skip


@pytest.mark.parametrize(("machine", "move"), _MOVES, ids=lambda one: getattr(one, "subject", None) or str(one.new))
def test_every_cause_is_told_in_both_languages(machine: StateMachine, move: Transition) -> None:
    """The cause comes first, then what the entry adds, each in its language (issue, "edoc explain")."""
    assert move.cause_vi
    assert move.cause_vi != move.cause
    assert describe_entry(_entry(machine, move.old, move.new, move.cause)) == (move.cause, move.cause_vi)
    detail = f"{move.cause}: {describe_error(PacketRefused('bad', vi='hỏng'))}"
    assert describe_entry(_entry(machine, move.old, move.new, detail)) == (
        f"{move.cause}: bad",
        f"{move.cause_vi}: hỏng",
    )
    assert (
        describe_entry(_entry(machine, move.old, move.new, f"{move.cause}: docId 7"))[1] == f"{move.cause_vi}: docId 7"
    )


def test_words_of_persons_stay_as_they_are() -> None:
    """A person's own words are the same in both languages, and an entry without a move keeps its text."""
    assert split_languages("Gửi nhầm") == ("Gửi nhầm", "Gửi nhầm")
    assert describe_entry(_entry(MACHINES[0], "sent", "sent", join_languages("told", "đã báo"))) == ("told", "đã báo")
    assert split_languages(join_languages("a ‖ b", "c")) == ("a | b", "c")


def test_endless_words_leave_room_for_the_other_language() -> None:
    """An entry has a limit; neither language is cut off by the other."""
    en, vi = split_languages(join_languages("x" * 5000, "y" * 5000))
    assert (set(en), set(vi)) == ({"x"}, {"y"})
    assert len(en) + len(vi) < 2000


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
