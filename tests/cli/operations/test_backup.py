"""The commands backup, restore and restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.testing import RunningHub

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_backed_up_and_restored(offices: dict[str, Path], edoc: Edoc, sent: str, tmp_path: Path) -> None:
    """Three commands, each of which says what it did and what comes next, in both languages (faults, row 35)."""
    ours, elsewhere = offices["H29.05"], tmp_path / "elsewhere" / "edoc.toml"
    assert edoc("restored", "-c", ours).out.splitlines()[0].startswith("no restore is under way")
    made = edoc("backup", tmp_path / "x.backup", "-c", ours)
    assert (made.code, "1 packets" in made.out, "đã sao lưu" in made.out) == (0, True, True)
    again = edoc("restore", tmp_path / "x.backup", "-c", ours)
    assert (again.code, "nothing is overwritten" in again.err, "không ghi đè" in again.err) == (1, True, True)
    elsewhere.parent.mkdir()
    elsewhere.write_text(ours.read_text(encoding="utf-8"), encoding="utf-8")
    restored = edoc("restore", tmp_path / "x.backup", "-c", elsewhere)
    assert (restored.code, "1 packets" in restored.out, "next: edoc restored" in restored.out) == (0, True, True)
    report = edoc("restored", "-c", elsewhere)
    assert (report.code, "1. Ask the hub's operator" in report.out, "1. Đề nghị" in report.out) == (1, True, True)
    assert edoc("show", sent, "-c", elsewhere).code == 0
    assert edoc("restored", "--done", "-c", elsewhere).code == 0
    assert edoc("restored", "-c", elsewhere).code == 0


def test_a_packet_that_is_missing(offices: dict[str, Path], edoc: Edoc, sent: str, tmp_path: Path) -> None:
    """The backup is there; exit code 1, and the packet is named (faults, row 35)."""
    for packet in (tmp_path / "H29.05" / "spool").glob("??/*"):
        packet.unlink()
    made = edoc("backup", "x.backup", "-c", offices["H29.05"])
    assert (made.code, "missing in the spool" in made.err, (tmp_path / "x.backup").exists()) == (1, True, True)


def test_put_back_by_other_means(offices: dict[str, Path], edoc: Edoc, sent: str, mock_hub: RunningHub) -> None:
    """One command makes a store ready whose files came from elsewhere (faults, row 35)."""
    wrong = edoc("restored", "--begin", "yesterday", "-c", offices["H29.05"])
    assert (wrong.code, "is no time" in wrong.err) == (1, True)
    begun = edoc("restored", "--begin", "2026-11-20T18:00+07:00", "-c", offices["H29.05"])
    assert (begun.code, "2026-11-20 18:00" in begun.out) == (1, True)
    assert edoc("restored", "--done", "-c", offices["H29.05"]).code == 0
    both = edoc("restored", "--begin", "2026-11-20T18:00+07:00", "--done", "-c", offices["H29.05"])
    assert (both.code, "cannot be given together" in both.err) == (2, True)


def test_a_database_that_is_gone(offices: dict[str, Path], edoc: Edoc, sent: str, tmp_path: Path) -> None:
    """No command makes an empty one in its place, doctor says so, and a restore goes on (faults, row 35)."""
    ours, database = offices["H29.05"], tmp_path / "H29.05" / "edoc.db"
    assert edoc("backup", tmp_path / "x.backup", "-c", ours).code == 0
    database.unlink()
    for command in (("doctor",), ("db", "upgrade"), ("deliveries",)):
        ran = edoc(*command, "-c", ours)
        assert (ran.code, "but there was one" in ran.out + ran.err) == (1, True)
        assert not database.exists()
    assert edoc("restore", tmp_path / "x.backup", "-c", ours).code == 0
    assert edoc("show", sent, "-c", ours).code == 0
