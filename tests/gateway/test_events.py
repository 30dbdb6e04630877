"""Which entries of a timeline are events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from edoc_connector.gateway.events import build_event, compute_message_id, find_event
from edoc_connector.store import ChangeRow, TimelineRow


def change(subject: str, old: str | None, new: str, *, kind: str | None = "new", by: str | None = None) -> ChangeRow:
    """An entry of the timeline; what a recipient did names it as the actor."""
    entry = TimelineRow(
        id=7,
        subject=subject,
        subject_id=3,
        at=datetime(2026, 11, 20, tzinfo=UTC),
        actor=by or "H29.05",
        old=old,
        new=new,
        recipient=by,
        detail="words",
        detail_vi="lời",
        stated_at=None,
        authority=None,
    )
    return ChangeRow(entry, "H29.05", "id/1", "docId", kind, "G22")


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (change("receipt", "listed", "waiting"), "document.received"),
        (change("receipt", "quarantined", "waiting"), "document.received"),
        (change("receipt", "handling", "waiting"), None),
        (change("receipt", "listed", "waiting", kind=None), None),
        (change("receipt", "listed", "quarantined"), "document.quarantined"),
        (change("receipt", "handled", "confirmed"), None),
        (change("delivery", None, "ready"), "delivery.changed"),
        (change("delivery", "ready", "sending"), None),
        (change("delivery", "sending", "unknown"), "delivery.changed"),
        (change("delivery", "01", "03", by="G22"), "status.received"),
        (change("delivery", None, "13"), None),
        (change("outgoing", "sending", "sent"), None),
    ],
)
def test_which_entries_are_events(row: ChangeRow, name: str | None) -> None:
    """What a DMS has to know is an event; what happens on the way is none."""
    assert find_event(row) == name


def test_an_event_is_always_the_same() -> None:
    """The same entry makes the same event under the same id; after a restore its number may mean another one."""
    row = change("delivery", "01", "03", by="G22")
    event = build_event(row, "status.received")
    assert (event.status, event.state, event.partner) == ("03", None, "G22")
    assert event == build_event(row, "status.received")
    later = replace(row, entry=replace(row.entry, at=datetime(2026, 11, 21, tzinfo=UTC)))
    ids = [compute_message_id(store, one) for store, one in (("a", row), ("a", row), ("a", later), ("b", row))]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
