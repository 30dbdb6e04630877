"""Texts in two languages, as timeline entries hold them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edoc_connector._core.text import describe_error, join_languages, split_languages
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
