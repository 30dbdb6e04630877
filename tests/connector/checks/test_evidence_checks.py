"""Checks of the evidence, each raised and ended by what it is about."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from edoc_connector.connector.checks import CheckOutcome
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.checks.conftest import Find
    from tests.connector.conftest import Office

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL


def test_a_folder_of_checkpoints_that_takes_none(office: Office, hub: RunningHub, tmp_path: Path, find: Find) -> None:
    """CHK-CHECKPOINT is raised while the folder cannot be written; sending goes on, and it gets what it missed."""
    folder = tmp_path / "kept"
    connector = office("H29.05", evidence={"checkpoints": str(folder), "entries": 1})
    assert find(connector, "CHK-CHECKPOINT") is PASS
    folder.write_bytes(b"a file where the folder was")
    for number in ("1", "2"):
        connector.send(sample_document(number=number))
        connector.context.checkpoints.keep()
    assert find(connector, "CHK-CHECKPOINT") is WARN
    folder.unlink()
    connector.context.checkpoints.keep()
    assert find(connector, "CHK-CHECKPOINT") is PASS
    assert len(list(folder.rglob("*.checkpoint"))) == 2
    assert connector.fsck() == []


def test_a_checkpoint_that_is_overdue(office: Office, hub: RunningHub, find: Find) -> None:
    """CHK-CHECKPOINT is raised where none was made for two days in which something was entered."""
    connector = office("H29.05")
    connector.send(sample_document())
    assert find(connector, "CHK-CHECKPOINT") is PASS
    clock = connector.context.store.clock
    connector.context.store.clock = lambda: clock() + timedelta(days=2)
    assert find(connector, "CHK-CHECKPOINT") is WARN
    connector.context.checkpoints.keep()
    assert find(connector, "CHK-CHECKPOINT") is PASS


def test_evidence_that_was_touched(office: Office, hub: RunningHub, find: Find) -> None:
    """CHK-EVIDENCE is raised from then on."""
    connector = office("H29.05")
    connector.send(sample_document())
    assert find(connector, "CHK-EVIDENCE") is PASS
    with connector.context.store.transaction() as tx:
        tx.connection.execute(text("DROP TRIGGER evidence_entries_no_update"))
        tx.connection.execute(text("UPDATE evidence_entries SET subject_id = 99 WHERE id = 2"))
    assert find(connector, "CHK-EVIDENCE") is FAIL
