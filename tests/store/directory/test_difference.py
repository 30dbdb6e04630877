"""What is written of a directory that is taken over again, and the life that its codes get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.store import DirectoryDifference, DirectoryEntry, Store
from edoc_connector.store._sql import hear_statements

if TYPE_CHECKING:
    from tests.store.conftest import Clock

AGENCY, HUB = "H29.05", "vxp http://hub"
ENTRIES = [
    DirectoryEntry(code="H29", name="UBND tỉnh", hub_id="1"),
    DirectoryEntry(code="H29.05", name="Sở Nội vụ", other_code="000.00.05.H29", hub_id="2", parent_id="1"),
    DirectoryEntry(code="H29.06", name="Sở Tài chính", hub_id="3", parent_id="1"),
]

Take = Callable[..., DirectoryDifference]


@pytest.fixture
def take(store: Store) -> Take:
    """Takes a whole directory over."""

    def run(entries: list[DirectoryEntry], *, agency: str = AGENCY, **more: Any) -> DirectoryDifference:
        with store.transaction() as tx:
            return tx.directory.take_list(agency, HUB, entries, **more)

    return run


def rows(store: Store, agency: str = AGENCY) -> dict[str, Any]:
    """The directory by code."""
    with store.snapshot() as tx:
        return {row.code: row for row in tx.directory.list_agencies(agency)}


def test_nothing_is_rewritten_where_nothing_changed(store: Store, take: Take, clock: Clock) -> None:
    """The second time not one row of an agency is written (issue, "none rewritten when nothing changed")."""
    assert take(ENTRIES) == DirectoryDifference(agencies=3, added=3)
    before = rows(store)
    clock.forward(3600)
    heard: list[str] = []
    hear_statements(store._engine, lambda *arguments: heard.append(arguments[2]))
    assert take(ENTRIES) == DirectoryDifference(agencies=3)
    assert not [statement for statement in heard if "agencies" in statement and not statement.startswith("SELECT")]
    assert rows(store) == before


def test_only_what_differs_is_written(store: Store, take: Take, clock: Clock) -> None:
    """A new name touches its row alone, and the name is found by the search (issue, "by difference")."""
    take(ENTRIES)
    clock.forward(3600)
    changed = [replace(ENTRIES[1], name="Sở Nội vụ và Lao động"), ENTRIES[0], ENTRIES[2]]
    assert take(changed) == DirectoryDifference(agencies=3, changed=1)
    after = rows(store)
    assert [code for code, row in after.items() if row.updated_at == clock.now] == ["H29.05"]
    assert after["H29.05"].parent == "H29"
    with store.snapshot() as tx:
        assert [row.code for row in tx.directory.search(AGENCY, "lao dong", limit=5)] == ["H29.05"]


def test_agencies_of_one_hub_share_its_directory(store: Store, take: Take) -> None:
    """What one agency took over, another of the same hub adds nothing to (issue, "shared between agencies")."""
    take(ENTRIES)
    assert take(ENTRIES, agency="H29.06") == DirectoryDifference(agencies=3)
    assert rows(store, "H29.06") == rows(store)
    with store.transaction() as tx:
        tx.directory.take_list("H29.06", "lgsp http://other", ENTRIES[:1])
        tx.directory.take_list(AGENCY, "lgsp http://other", ENTRIES[:1])
    assert list(rows(store)) == ["H29"]
    with store.snapshot() as tx:
        assert tx.directory.find_full_at(HUB) is None  # nobody reads it any more


def test_a_code_that_is_missing_ended(store: Store, take: Take, clock: Clock) -> None:
    """It has a last day, which a later look leaves; back again, it lives (business rules, "its life (from, to)")."""
    take(ENTRIES)
    assert take(ENTRIES[:2]) == DirectoryDifference(agencies=2, changed=1, ended=1)
    clock.forward(86400 * 3)
    assert take(ENTRIES[:2]) == DirectoryDifference(agencies=2)
    (ended,) = [row for row in rows(store).values() if not row.active]
    assert (ended.code, ended.valid_to, ended.has_ended(date(2026, 11, 20))) == ("H29.06", date(2026, 11, 20), True)
    take(ENTRIES)
    assert rows(store)["H29.06"].valid_to is None
    take([*ENTRIES, DirectoryEntry(code="H29.07", name="Sở Y tế")])
    assert rows(store)["H29.07"].valid_from == date(2026, 11, 23)


def test_a_former_code_of_the_same_system_has_an_heir(store: Store, take: Take) -> None:
    """The hub's oldCode says who took a code's place, unless it lists both (business rules, "its successor")."""
    take(ENTRIES)
    merged = replace(ENTRIES[2], other_code="H29.05")
    take([ENTRIES[0], merged])
    assert (rows(store)["H29.05"].successor, rows(store)["H29.05"].active) == ("H29.06", False)
    take([ENTRIES[0], ENTRIES[1], merged])
    assert (rows(store)["H29.05"].successor, rows(store)["H29.05"].active) == (None, True)


def test_a_former_code_of_two_has_no_heir(store: Store, take: Take) -> None:
    """An agency that was parted has no one successor, and none is guessed (business rules, "its successor")."""
    take([replace(ENTRIES[0], other_code="H01"), replace(ENTRIES[2], other_code="H01")])
    assert (rows(store)["H01"].successor, rows(store)["H01"].active) == (None, False)


def test_what_the_hub_says_ended(store: Store, take: Take) -> None:
    """Codes that ended before the first look are here with their day (business rules, "its life")."""
    gone = DirectoryEntry(code="H29.01", name="Sở cũ", valid_to=date(2025, 6, 30), is_deleted=True)
    assert take(ENTRIES, deleted=[gone]).added == 4
    assert take(ENTRIES, deleted=[gone]) == DirectoryDifference(agencies=3)
    assert rows(store)["H29.01"].valid_to == date(2025, 6, 30)
    assert take([*ENTRIES, DirectoryEntry(code="H29.01", name="Sở cũ")], deleted=[gone]).agencies == 4


def test_changes_leave_what_they_do_not_name(store: Store, take: Take) -> None:
    """A change renames, ends or adds; other codes and parents stay; the last word counts (issue, "by change")."""
    take(ENTRIES)
    changes = [
        DirectoryEntry(code="H29.05", name="Sở Nội vụ (mới)", hub_id="2"),
        DirectoryEntry(code="H29.08", name="Phòng", hub_id="9", parent_id="2"),
        DirectoryEntry(code="H29.06", name="Sở Tài chính", is_deleted=True, valid_to=date(2026, 11, 1)),
    ]
    with store.transaction() as tx:
        done = tx.directory.take_changes(AGENCY, HUB, changes)
    assert done == DirectoryDifference(agencies=3, added=1, changed=2, ended=1)
    found = rows(store)
    renamed = found["H29.05"]
    assert (renamed.name, renamed.other_code, renamed.parent) == ("Sở Nội vụ (mới)", "000.00.05.H29", "H29")
    assert (found["H29.08"].parent, found["H29.06"].valid_to) == ("H29.05", date(2026, 11, 1))
    with store.transaction() as tx:
        assert tx.directory.take_changes(AGENCY, HUB, changes) == DirectoryDifference(agencies=3)
