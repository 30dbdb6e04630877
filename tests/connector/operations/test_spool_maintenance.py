"""What `edoc fsck --repair` may do to a packet that was altered (faults, "The spool")."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector.operations import spool_maintenance
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office


def test_an_altered_packet_stays_until_there_is_another(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """Nothing was repaired, so nothing was moved: it is all there is, and the next check finds it again (faults)."""
    sender = office("H29.05")
    sender.send(sample_document())
    (packet,) = (tmp_path / "H29.05" / "spool").glob("??/*.edxml")
    right = packet.read_bytes()
    packet.write_bytes(b"altered")
    for _ in range(2):
        (fault,) = sender.fsck(deep=True, repair=True)
        assert (fault.kind, fault.repaired, "backup" in fault.advice) == ("altered", None, True)
        assert packet.read_bytes() == b"altered"
    packet.with_name("cd" * 16 + ".edxml").write_bytes(right)
    (fault,) = sender.fsck(deep=True, repair=True)
    assert fault.repaired == "found among the orphans"
    assert packet.read_bytes() == right
    assert [path.read_bytes() for path in (tmp_path / "H29.05" / "spool" / "orphans").iterdir()] == [b"altered"]
    with sender.context.store.snapshot() as tx:
        notes = [facts for facts in tx.evidence_log.list_facts("H29.05") if facts["kind"] == "packet"]
    assert [note.get("altered") for note in notes][-1] == "found among the orphans"


def test_row_35_fsck_asks_the_database(
    office: Office, hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the database's own check finds is a fault with what to do, and nothing is repaired then (faults, row 35)."""
    sender = office("H29.05")
    sender.send(sample_document())
    assert sender.fsck(deep=True) == []
    (packet,) = (tmp_path / "H29.05" / "spool").glob("??/*.edxml")
    stray = packet.with_name("0" * 32 + ".edxml")
    stray.write_bytes(b"all there is")
    os.utime(stray, (0, 0))
    monkeypatch.setattr(spool_maintenance, "find_damage", lambda *_, **__: ["row 3 missing from index x"])
    faults = sender.fsck(repair=True, deep=True)
    assert [(one.kind, one.repaired) for one in faults] == [("database", None), ("orphan", None)]
    assert "edoc restore" in faults[0].advice
    assert "khôi phục" in faults[0].advice_vi
    assert stray.exists()
