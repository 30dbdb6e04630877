"""Files as they were seen at earlier looks."""

from __future__ import annotations

from pathlib import Path

from tests.folder.office import Clock

from edoc_connector.folder.shared_files import FileSign
from edoc_connector.folder.tracker import FileTracker

FOLDER = Path("out")


def test_a_file_settles_by_our_clock_alone() -> None:
    """Time passes by this machine's clock; a time of change far ahead or behind means nothing but that it changed."""
    clock = Clock()
    tracker = FileTracker(10.0, clock)
    for changed_at in (5, 3, 10**18):
        tracker.look(FOLDER, {"a": FileSign(1, changed_at)})
        clock.now += 9.0
        assert not tracker.is_settled(FOLDER / "a")
    clock.now += 1.0
    assert tracker.is_settled(FOLDER / "a")


def test_a_renamed_file_goes_on_from_where_it_was() -> None:
    """A file that moved is the same one; one that is gone begins anew."""
    clock = Clock()
    tracker = FileTracker(10.0, clock)
    tracker.look(FOLDER, {"a": FileSign(1, 1)})
    clock.now += 10.0
    tracker.follow(FOLDER / "a", Path("work/a"))
    assert tracker.is_settled(Path("work/a"))
    assert not tracker.is_settled(FOLDER / "a")
    tracker.look(Path("work"), {})
    tracker.look(Path("work"), {"a": FileSign(1, 1)})
    assert not tracker.is_settled(Path("work/a"))
