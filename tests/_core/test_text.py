"""What timeline entries say, in two languages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edoc_connector._core.text import both, parted, spoken
from edoc_connector.errors import PacketRefused
from edoc_connector.store.rows import TimelineRow
from edoc_connector.store.state_machine import MACHINES, Machine, Move
from edoc_connector.store.timeline import told

_MOVES = [(machine, move) for machine in MACHINES for move in machine.moves]


def _entry(machine: Machine, old: str | None, new: str, detail: str) -> TimelineRow:
    return TimelineRow(
        id=1, subject=machine.subject, subject_id=1, at=datetime(2026, 11, 20, tzinfo=UTC), actor="x", old=old, new=new,
        recipient=None, detail=detail,
    )  # fmt: skip


@pytest.mark.parametrize(("machine", "move"), _MOVES, ids=lambda one: getattr(one, "subject", None) or str(one.new))
def test_every_cause_is_told_in_both_languages(machine: Machine, move: Move) -> None:
    """The cause comes first, then what the entry adds, each in its language (issue, "edoc explain")."""
    assert move.cause_vi
    assert move.cause_vi != move.cause
    assert told(_entry(machine, move.old, move.new, move.cause)) == (move.cause, move.cause_vi)
    detail = f"{move.cause}: {spoken(PacketRefused('bad', vi='hỏng'))}"
    assert told(_entry(machine, move.old, move.new, detail)) == (f"{move.cause}: bad", f"{move.cause_vi}: hỏng")
    assert told(_entry(machine, move.old, move.new, f"{move.cause}: docId 7"))[1] == f"{move.cause_vi}: docId 7"


def test_words_of_persons_stay_as_they_are() -> None:
    """A reason that somebody wrote is the same in both languages, and so is what is no move."""
    assert parted("Gửi nhầm") == ("Gửi nhầm", "Gửi nhầm")
    assert told(_entry(MACHINES[0], "sent", "sent", both("told", "đã báo"))) == ("told", "đã báo")
    assert parted(both("a ‖ b", "c")) == ("a | b", "c")


def test_endless_words_leave_room_for_the_other_language() -> None:
    """An entry has a limit; neither language is cut off by the other."""
    en, vi = parted(both("x" * 5000, "y" * 5000))
    assert (set(en), set(vi)) == ({"x"}, {"y"})
    assert len(en) + len(vi) < 2000
