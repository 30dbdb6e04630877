"""One look at a store for many agencies (docs/worker.md, "Many agencies")."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing import sample_document
from edoc_connector.worker import Worker
from edoc_connector.worker.jobs import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worker.conftest import SettingsOf

CODES = ("H29.05", "G22")


@pytest.fixture
def backend(tmp_path: Path, tables: bytes) -> dict[str, str]:
    """One file for both agencies; the look itself is tested on both databases in tests/store."""
    (tmp_path / "edoc.db").write_bytes(tables)
    return {"url": f"sqlite:///{tmp_path / 'edoc.db'}"}


def test_who_has_nothing_to_do_gets_no_round(settings: SettingsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agencies rest once nothing is due for them; a document queued for one wakes that one, and not the other."""
    monkeypatch.setattr("edoc_connector.worker.shared_look._ROUNDS_PER_SECOND", 0.001)
    ours = [settings(code, worker={"poll": 600.0, "idle": 0.05}) for code in CODES]
    with Worker(ours) as worker:
        sender, other = worker._turns
        assert sender.is_worth_a_round()
        assert other.is_worth_a_round()
        for turn in (sender, other) * 3:
            worker._run_turn(turn)
        time.sleep(0.06)
        assert not sender.is_worth_a_round()
        assert not other.is_worth_a_round()
        assert sender.rests_until > time.monotonic()
        worker.connectors[0].queue(sample_document())
        time.sleep(0.06)
        assert sender.is_worth_a_round()
        assert not other.is_worth_a_round()


def test_every_agency_gets_a_round_now_and_then(settings: SettingsOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no look at rows can tell is found by a round that comes in any case."""
    monkeypatch.setattr("edoc_connector.worker.shared_look._ROUNDS_PER_SECOND", 100.0)
    ours = [settings(code, worker={"poll": 600.0, "idle": 0.02}) for code in CODES]
    with Worker(ours) as worker:
        for turn in worker._turns:
            for _ in range(3):
                worker._run_turn(turn)
        time.sleep(0.15)
        assert all(turn.is_worth_a_round() for turn in worker._turns)


def test_a_poll_that_is_due_is_no_reason_to_look_for_anything_else(
    settings: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round for the schedule alone polls, and looks at no rows of messages; one for a document does."""
    monkeypatch.setattr("edoc_connector.worker.shared_look._ROUNDS_PER_SECOND", 0.001)
    with Worker([settings(code, worker={"poll": 0.2, "idle": 0.05}) for code in CODES]) as worker:
        sender, _ = worker._turns
        did: list[Job] = []
        run = sender.agency_jobs.run

        def note_and_run(job: Job) -> bool:
            did.append(job)
            return run(job)

        monkeypatch.setattr(sender.agency_jobs, "run", note_and_run)
        for turn in worker._turns * 3:
            worker._run_turn(turn)
        assert Job.TRANSMIT in did
        did.clear()
        time.sleep(0.5)  # the poll is due again
        assert sender.is_worth_a_round()
        worker._run_turn(sender)
        assert did == [Job.POLL, Job.WATCH]
        assert not sender.has_more
        worker.connectors[0].queue(sample_document())
        time.sleep(0.06)
        assert sender.is_worth_a_round()
        worker._run_turn(sender)
        assert Job.TRANSMIT in did
        assert sender.has_more


def test_agencies_of_one_store_share_connections_and_the_thread_of_leases(settings: SettingsOf) -> None:
    """A worker for two agencies opens their database once, and renews their leases in one thread."""
    with Worker([settings(code) for code in CODES]) as worker:
        first, second = (connector.context for connector in worker.connectors)
        assert first.store._engine is second.store._engine
        assert first.lease_keeper._thread is second.lease_keeper._thread
        assert first.store.spool.root != second.store.spool.root
        assert first.lease.owner != second.lease.owner
