"""Timeline entries in two languages, and their words in the evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edoc_connector._core import Text, describe_error
from edoc_connector.errors import PacketRefused
from edoc_connector.store import DELIVERIES, MACHINES, NewDelivery, StateMachine, Store, Transition

_MOVES = [(machine, move) for machine in MACHINES for move in machine.transitions]
AGENCY = "H29.05"


def _record(store: Store, new_delivery: Callable[..., NewDelivery], detail: Text | str) -> tuple[Text, str | None, str]:
    """An entry's words, its column for Vietnamese, and the words of the evidence."""
    with store.transaction("clerk") as tx:
        key = tx.deliveries.add(new_delivery()).id
        tx.timeline.record_change(DELIVERIES, key, old="sent", new="sent", detail=detail)
    with store.snapshot() as tx:
        entry = tx.timeline.load_timelines(DELIVERIES, [key])[key][-1]
        (*_, facts) = tx.evidence_log.list_facts(AGENCY)
    return entry.text, entry.detail_vi, facts["detail"]


@pytest.mark.parametrize(("machine", "move"), _MOVES, ids=lambda one: getattr(one, "subject", None) or str(one.new))
def test_every_cause_is_told_in_both_languages(machine: StateMachine, move: Transition) -> None:
    """The cause comes first, then what the entry adds, each in its language (issue, "edoc explain")."""
    assert move.cause_vi
    assert move.cause_vi != move.cause
    assert machine.require_transition(move.old, move.new).describe() == Text(move.cause, move.cause_vi)
    detail = describe_error(PacketRefused("bad", vi="hỏng"))
    assert move.describe(detail) == Text(f"{move.cause}: bad", f"{move.cause_vi}: hỏng")
    assert move.describe("docId 7").vi == f"{move.cause_vi}: docId 7"


def test_a_move_is_told_by_its_cause(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """In both languages, with what is known besides; the evidence has the English cause first (docs/evidence.md)."""
    with store.transaction("clerk") as tx:
        key = tx.deliveries.add(new_delivery()).id
        tx.transitions.move(DELIVERIES, key, old="ready", new="sending", detail="worker 1")
        tx.transitions.move(DELIVERIES, key, old="sending", new="failed", detail=Text("bad", "hỏng"))
    with store.snapshot() as tx:
        first, *_, last = tx.timeline.load_timelines(DELIVERIES, [key])[key]
        told = [facts["detail"] for facts in tx.evidence_log.list_facts(AGENCY) if facts["kind"] == "change"]
    assert first.text == Text("stored, before anything is sent", "đã lưu trước khi gửi")
    assert last.text == Text("the hub refused it for good: bad", "trục từ chối hẳn: hỏng")
    assert told == [
        "stored, before anything is sent",
        "sending began: worker 1",
        "the hub refused it for good: bad ‖ hỏng",
    ]


def test_words_of_persons_are_kept_once(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A reason that somebody wrote is the same in both languages, whatever is in it."""
    words = "Gửi nhầm ‖ sai nơi"
    assert _record(store, new_delivery, words) == (Text(words, words), None, words)


def test_both_languages_are_one_text_in_the_evidence(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """Evidence of every age has one form (docs/evidence.md)."""
    words = Text("told ‖ twice", "đã báo")
    assert _record(store, new_delivery, words) == (words, "đã báo", "told | twice ‖ đã báo")


def test_endless_words_leave_room_for_the_other_language(
    store: Store, new_delivery: Callable[..., NewDelivery]
) -> None:
    """An entry has a limit; neither language is cut off by the other."""
    text, _, told = _record(store, new_delivery, Text("x" * 5000, "y" * 5000))
    assert (set(text.en), set(text.vi)) == ({"x"}, {"y"})
    assert len(text.en) == len(text.vi) == 2000
    en, vi = told.split(" ‖ ")
    assert (set(en), set(vi)) == ({"x"}, {"y"})
    assert len(en) + len(vi) < 2000
