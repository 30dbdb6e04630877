"""Moves, claims, leases and fences on a real SQLite file and a real PostgreSQL server."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from edoc_connector.store import DELIVERIES, DeliveryState, Lease, LeaseLost, NewDelivery, Store

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.store.conftest import Clock

AGENCY = "H29.05"
ME = Lease("me", 60)
OTHER = Lease("other", 60)


def claim(store: Store, lease: Lease, *states: str, due: bool = True, limit: int = 1) -> list[Any]:
    with store.transaction(lease.owner) as tx:
        return tx.leases.claim(DELIVERIES, lease, agency=AGENCY, states=states or ("ready",), only_due=due, limit=limit)


def test_a_claimed_row_is_nobody_elses(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """Two workers, one outbox: one sends (faults, row 7)."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    (mine,) = claim(store, ME)
    assert (mine["state"], mine["fence"]) == ("sending", 1)
    assert claim(store, OTHER) == []
    assert claim(store, OTHER, "ready", "sending", "unknown") == []


def test_a_stale_worker_is_fenced_off(store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock) -> None:
    """An expired lease is retaken, and the first holder's write is not made (faults, row 7)."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    claim(store, ME)
    clock.forward(61)
    with store.transaction("other") as tx:
        (late,) = tx.leases.lock_expired(DELIVERIES, agency=AGENCY)
        tx.transitions.move(DELIVERIES, late["id"], old="sending", new="unknown", fencing_token=late["fence"])
    (theirs,) = claim(store, OTHER, "unknown")
    assert theirs["state"] == "unknown"
    with pytest.raises(LeaseLost, match="another one took it over"), store.transaction("me") as tx:
        tx.transitions.move(DELIVERIES, theirs["id"], old="sending", new="sent", fencing_token=1)
    with pytest.raises(LeaseLost), store.transaction("me") as tx:
        tx.transitions.move(DELIVERIES, theirs["id"], old="unknown", new="sent", fencing_token=1)
    with store.transaction("other") as tx:
        tx.transitions.move(DELIVERIES, theirs["id"], old="unknown", new="sent", fencing_token=theirs["fence"])
        row = tx.deliveries.get_by_id(theirs["id"])
    assert (row.state, row.lease_owner, row.lease_until) == ("sent", None, None)


def test_a_lease_can_be_renewed_until_it_ran_out(
    store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock
) -> None:
    """A worker that lives keeps what it holds; one that slept does not get it back (faults, row 7)."""
    with store.transaction("test") as tx:
        held = tx.deliveries.add(new_delivery()).id
    claim(store, ME)
    clock.forward(50)
    with store.transaction("me") as tx:
        assert tx.leases.renew(DELIVERIES.table_name, ME, [held]) == 1
        assert tx.leases.renew(DELIVERIES.table_name, ME, []) == 0
    clock.forward(50)
    with store.transaction("me") as tx:
        assert tx.leases.lock_expired(DELIVERIES, agency=AGENCY) == []
    clock.forward(20)
    with store.transaction("me") as tx:
        assert tx.leases.renew(DELIVERIES.table_name, ME, [held]) == 0


def test_a_row_is_claimed_when_it_is_due(store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock) -> None:
    """Back-off is kept in the database, and a caller may override it (faults, row 8)."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    (row,) = claim(store, ME)
    later = clock.now.replace(hour=4)
    with store.transaction("me") as tx:
        tx.transitions.move(DELIVERIES, row["id"], old="sending", new="ready", fencing_token=1, next_attempt_at=later)
    assert claim(store, ME) == []
    assert len(claim(store, ME, due=False)) == 1


def test_touch_ends_a_lease_without_a_move(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A question to the hub that settled nothing leaves the row unknown, with a line in the timeline (faults, 4)."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    claim(store, ME)
    with store.transaction("me") as tx:
        tx.transitions.move(DELIVERIES, 1, old="sending", new="unknown", fencing_token=1)
    (row,) = claim(store, ME, "unknown")
    with store.transaction("me") as tx:
        tx.leases.end(DELIVERIES, 1, state="unknown", fencing_token=row["fence"], detail="asked: not there", asked=1)
        after = tx.deliveries.get_by_id(1)
        last = tx.timeline.load_timelines(DELIVERIES, [1])[1][-1]
    assert (after.asked, after.lease_owner, last.detail) == (1, None, "asked: not there")


def test_every_move_is_in_the_timeline(store: Store, new_delivery: Callable[..., NewDelivery], clock: Clock) -> None:
    """Each move writes a row: time, actor, from, to, detail (DESIGN, "store and connector")."""
    with store.transaction("clerk") as tx:
        tx.deliveries.add(new_delivery())
    clock.forward(5)
    (row,) = claim(store, ME)
    with store.transaction("me") as tx:
        tx.transitions.move(DELIVERIES, row["id"], old="sending", new="failed", fencing_token=1, detail="code 18")
        rows = tx.timeline.load_timelines(DELIVERIES, [row["id"]])[row["id"]]
    assert [(r.actor, r.old, r.new) for r in rows] == [
        ("clerk", None, "ready"),
        ("me", "ready", "sending"),
        ("me", "sending", "failed"),
    ]
    assert rows[-1].detail == "the hub refused it for good: code 18"
    assert rows[1].at == clock.now


@pytest.mark.parametrize("change", ["UPDATE timeline SET actor = 'x'", "DELETE FROM timeline"])
def test_the_timeline_is_append_only(
    store: Store, url: str, new_delivery: Callable[..., NewDelivery], change: str
) -> None:
    """What happened cannot be rewritten (business rules, "every state change … is kept")."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    engine = create_engine(url)
    with engine.connect() as connection, pytest.raises(IntegrityError, match="append-only"):
        connection.execute(text(change))
    engine.dispose()


def test_threads_share_a_store(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """Eight threads claim forty rows, each exactly once (DESIGN, "rows are claimed with a lease")."""
    with store.transaction("test") as tx:
        for number in range(40):
            tx.deliveries.add(new_delivery(document_id=f"id-{number}"))
    taken: list[int] = []

    def work(name: str) -> None:
        while rows := claim(store, Lease(name, 60), limit=2):
            taken.extend(row["id"] for row in rows)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1, 41))


def test_processes_share_a_store(
    store: Store, url: str, new_delivery: Callable[..., NewDelivery], tmp_path: Path, start_program: StartProgram
) -> None:
    """Two processes claim thirty rows, each exactly once (faults, row 7)."""
    with store.transaction("test") as tx:
        for number in range(30):
            tx.deliveries.add(new_delivery(document_id=f"id-{number}"))
    program = textwrap.dedent(
        """
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from edoc_connector.store import DELIVERIES, Lease, Store
        url, spool, name = sys.argv[1:]
        with Store.open(url, spool=Path(spool)) as store:
            while True:
                with store.transaction(name) as tx:
                    rows = tx.leases.claim(DELIVERIES, Lease(name, 600), agency="H29.05", states=["ready"])
                if not rows:
                    break
                print(rows[0]["id"])
        """
    )
    workers = [
        start_program([sys.executable, "-c", program, url, str(tmp_path / "spool"), name], stdout=subprocess.PIPE)
        for name in ("a", "b")
    ]
    outputs = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sorted(int(key) for output in outputs for key in output) == list(range(1, 31))


def test_nothing_is_half_written(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """A transaction that fails leaves no row (faults, row 1)."""
    with contextlib.suppress(RuntimeError), store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
        raise RuntimeError
    with store.snapshot() as tx:
        assert tx.deliveries.find_all(AGENCY) == []
        assert tx.timeline.load_timelines(DELIVERIES, [1]) == {1: ()}


def test_a_new_state_of_a_leased_row_frees_it(store: Store, new_delivery: Callable[..., NewDelivery]) -> None:
    """The lease ends with the move (DESIGN, "rows are claimed with a lease")."""
    with store.transaction("test") as tx:
        tx.deliveries.add(new_delivery())
    (mapping,) = claim(store, ME)
    with store.transaction("me") as tx:
        row = tx.deliveries.get_by_id(mapping["id"])
        tx.deliveries.move(row, DeliveryState.READY, detail="hub down")
    assert len(claim(store, OTHER)) == 1
