"""Agencies with databases of their own and one spool folder, as where `[agencies.X.store]` names a url only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office

OLD_NAME = "12345678-1234-4234-9234-123456789012".replace("-", "") + ".edxml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The spool of both."""
    return tmp_path / "shared-spool"


@pytest.fixture
def both(office: Office, hub: RunningHub, folder: Path) -> tuple[Connector, Connector]:
    """A sender and a receiver."""
    shared = {"store": {"spool": str(folder)}}
    return office("H29.05", **shared), office("G22", **shared)


def age(folder: Path) -> list[Path]:
    """The packets, all of them so old that their rows must be there."""
    found = sorted(folder.glob("??/*.edxml"))
    for path in found:
        os.utime(path, (0, 0))
    return found


def test_another_agencys_packets_are_left_alone(both: tuple[Connector, Connector], folder: Path) -> None:
    """What our database does not name may be what another agency waits to handle (faults, "The spool")."""
    sender, receiver = both
    sender.send(sample_document())
    next(receiver.receive()).give_back("not yet")
    before = age(folder)
    assert len(before) == 2
    for one in (sender, receiver):
        assert one.fsck(repair=True, deep=True) == []
    assert age(folder) == before
    (again,) = receiver.receive()
    assert again.document.subject == sample_document().subject


def test_each_finds_its_own_orphans(both: tuple[Connector, Connector], folder: Path) -> None:
    """Each agency's check finds what belongs to it, by the file's name (faults, "The spool")."""
    sender, receiver = both
    sender.send(sample_document())
    next(receiver.receive()).give_back("not yet")
    draft = folder / "tmp" / "draft"
    for one in (sender, receiver):
        draft.write_bytes(one.settings.agency.id.encode())
        one.context.store.spool.keep_draft(draft)
    age(folder)
    for one in (sender, receiver):
        assert [fault.kind for fault in one.fsck(repair=True)] == ["orphan"]
        (aside,) = (folder / "orphans").iterdir()
        assert aside.read_bytes().decode() == one.settings.agency.id
        aside.unlink()


def test_a_lost_packet_is_not_taken_from_another_agency(both: tuple[Connector, Connector], folder: Path) -> None:
    """The receiver's copy has the same bytes; it is not the sender's to take (faults, "The spool")."""
    sender, receiver = both
    sender.send(sample_document())
    (ours,) = age(folder)
    next(receiver.receive()).give_back("not yet")
    ours.unlink()
    age(folder)
    (gone,) = sender.fsck(repair=True)
    assert (gone.kind, gone.repaired) == ("missing", None)
    (again,) = receiver.receive()
    assert again.document.subject == sample_document().subject


@pytest.mark.parametrize("shared", [False, True])
def test_files_that_an_older_version_named(both: tuple[Connector, Connector], folder: Path, shared: bool) -> None:
    """Whose they are cannot be told: an orphan where nobody else uses the folder, else left alone (faults)."""
    sender, receiver = both
    sender.send(sample_document())
    (folder / OLD_NAME[:2]).mkdir(exist_ok=True)
    (folder / OLD_NAME[:2] / OLD_NAME).write_bytes(b"x")
    if shared:
        next(receiver.receive()).give_back("not yet")
    age(folder)
    assert [fault.kind for fault in sender.fsck(repair=True)] == ([] if shared else ["orphan"])
    assert (folder / OLD_NAME[:2] / OLD_NAME).exists() is shared
