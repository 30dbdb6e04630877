"""Any sequence of the store's moves, by any workers, against a model in ten lines; on SQLite and on PostgreSQL."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, true

from edoc_connector.errors import StoreError
from edoc_connector.store import EDOC, MACHINES, RECEIPTS, Lease, LeaseLost, NewDelivery, Store, outgoing
from edoc_connector.store._sql import TABLES
from edoc_connector.store.transitions import Transitions

if TYPE_CHECKING:
    from tests.store.conftest import Clock

WORKERS = tuple(Lease(name, 60) for name in ("ann", "binh", "chi"))
NIGHTLY = os.environ.get("EDOC_HYPOTHESIS_PROFILE") == "nightly"
FOUND = settings(
    max_examples=500,
    stateful_step_count=40,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
)
"""As many runs as it takes to find what is taken out of the store on purpose."""
SIZE = (
    settings(max_examples=200, stateful_step_count=80) if NIGHTLY else settings(max_examples=8, stateful_step_count=40)
)
BY_SUBJECT = {machine.subject: machine for machine in MACHINES}
CLAIMABLE = {
    "delivery": ("ready", "unknown"),
    "receipt": ("listed", "waiting"),
    "outgoing": ("ready", "unknown"),
}
_numbers = itertools.count(1)
_workers = st.sampled_from(WORKERS)


@dataclass
class Row:
    """The model: what a row is, whose it is until when, and since which claim."""

    subject: str
    lane: str
    state: str
    due: Any
    holder: str | None = None
    until: Any = None
    fence: int = 0

    def is_free(self, now: Any) -> bool:
        return self.holder is None or self.until <= now

    def leave(self, new: str) -> None:
        self.state, self.holder, self.until = new, None, None


@dataclass(frozen=True)
class Hand:
    """What a worker was given: a row as it was then."""

    worker: Lease
    key: tuple[str, int]
    state: str
    fence: int


class StoreMachine(RuleBasedStateMachine):
    """The store, and the model beside it. Each example has an agency of its own, whose rows nobody else touches."""

    rows = Bundle("rows")
    receipts = Bundle("receipts")
    hands = Bundle("hands")

    def __init__(self, open_store: Callable[[], Store], clock: Clock) -> None:
        super().__init__()
        self.open_store, self.clock = open_store, clock
        self.store = open_store()
        self.agency = f"A{next(_numbers)}"
        self.model: dict[tuple[str, int], Row] = {}

    def teardown(self) -> None:
        self.store.close()

    def add(self, subject: str, key: int, lane: str = "", state: str = "ready") -> tuple[str, int]:
        self.model[subject, key] = Row(subject, lane, state, self.clock.now)
        return subject, key

    # -- rows come

    @rule(target=rows)
    def submit(self) -> tuple[str, int]:
        """A document is stored."""
        number = next(_numbers)
        new = NewDelivery(
            agency=self.agency, document_id=f"{self.agency},{number}", business="new", targets=(), code=f"{number}/V",
            subject="V/v", issued_on=date(2026, 11, 20), spool_file="0.edxml", sha256="a" * 64, size=1,
            fingerprint="f" * 64, recipients=(("G22", "VP"),),
        )  # fmt: skip
        with self.store.transaction("clerk") as tx:
            return self.add("delivery", tx.deliveries.add(new).id)

    @rule(target=receipts)
    def offer(self) -> tuple[str, int]:
        """The hub offers a packet."""
        with self.store.transaction("poll") as tx:
            row = tx.receipts.record_offer(self.agency, f"doc-{next(_numbers)}", EDOC)
        return self.add("receipt", row.id, state="listed")

    @rule(target=rows, receipt=receipts)
    def offer_again(self, receipt: tuple[str, int]) -> Any:
        """The hub offers a packet that is known: nothing happens."""
        with self.store.transaction("poll") as tx:
            known = tx.receipts.get_by_id(receipt[1])
            assert tx.receipts.record_offer(self.agency, known.hub_doc_id, EDOC).id == receipt[1]
        return multiple()

    @rule(target=rows, receipt=receipts, codes=st.sampled_from([("01",), ("03", "05")]))
    def report(self, receipt: tuple[str, int], codes: tuple[str, ...]) -> Any:
        """Statuses about a packet are queued."""
        with self.store.transaction("officer") as tx:
            keys = [
                tx.outgoing.enqueue_status(
                    agency=self.agency, code=code, recipient="G22", message="{}", receipt_id=receipt[1]
                )
                for code in codes
            ]
        return multiple(*(self.add("outgoing", key, lane=f"receipt:{receipt[1]}") for key in keys))

    @rule(target=rows, receipt=receipts)
    def confirm(self, receipt: tuple[str, int]) -> Any:
        """A packet is to be confirmed: once, or once more where the hub forgot it."""
        lane = f"confirm:{receipt[1]}"
        with self.store.transaction("poll") as tx:
            tx.outgoing.enqueue_confirmation(tx.receipts.get_by_id(receipt[1]), "done")
            (row,) = tx.outgoing.find_all(self.agency, lane=lane)
        known = self.model.get(("outgoing", row.id))
        if known is None:
            return self.add("outgoing", row.id, lane=lane)
        if known.state in ("sent", "failed"):
            known.leave("ready")
            known.due = self.clock.now
        return multiple()

    # -- workers take them, and do something with them or not

    @rule(
        target=hands,
        workers=st.lists(_workers, min_size=1, max_size=2),
        subject=st.sampled_from(["delivery", "outgoing", "outgoing", "receipt"]),
        second=st.sampled_from([False, False, True]),
    )
    def claim(self, workers: list[Lease], subject: str, second: bool) -> Any:
        """Workers get, each in its turn, the oldest row that is free, due and may go; or none."""
        state = CLAIMABLE[subject][second]
        found = [self.claim_oldest(worker, subject, state) for worker in workers]
        return multiple(*(hand for hand in found if hand is not None))

    def claim_oldest(self, worker: Lease, subject: str, state: str) -> Hand | None:
        with self.store.transaction(worker.owner) as tx:
            if subject == "outgoing":
                taken = [
                    (row.id, row.fence) for row in tx.outgoing.claim_batch(worker, agency=self.agency, states=[state])
                ]
            else:
                machine = BY_SUBJECT[subject]
                claimed = tx.leases.claim(machine, worker, agency=self.agency, states=[state])
                taken = [(row["id"], row["fence"]) for row in claimed]
        expected = min((key[1] for key in self.model if self.may_claim(key, subject, state)), default=None)
        assert [key for key, _ in taken] == ([] if expected is None else [expected])
        if expected is None:
            return None
        hand = self.hold((subject, expected), worker, state)
        assert taken[0][1] == hand.fence
        return hand

    def may_claim(self, key: tuple[str, int], subject: str, state: str) -> bool:
        row, now = self.model[key], self.clock.now
        return (key[0], row.state) == (subject, state) and row.is_free(now) and row.due <= now and self.is_in_turn(key)

    def is_in_turn(self, key: tuple[str, int]) -> bool:
        """Whether nothing is on its way that was queued earlier in the same lane."""
        return key[0] != "outgoing" or not any(
            other.lane == self.model[key].lane and row_id < key[1] and other.state in ("ready", "sending", "unknown")
            for (subject, row_id), other in self.model.items()
            if subject == "outgoing"
        )

    @rule(target=hands, hand=hands, worker=_workers)
    def overtake(self, hand: Hand, worker: Lease) -> Any:
        """A lease runs out, and somebody else takes the row over and comes as far with it."""
        return self.take_over(hand, worker) or multiple()

    @rule(target=hands, hand=hands, worker=_workers, pick=st.integers(0, 9))
    def write_late(self, hand: Hand, worker: Lease, pick: int) -> Any:
        """The same, and the one who was overtaken writes all the same."""
        taken = self.take_over(hand, worker)
        self.write(hand, pick, 0)
        return taken or multiple()

    def take_over(self, hand: Hand, worker: Lease) -> Hand | None:
        """Let a lease run out and another worker bring the row as far; None where nobody does."""
        subject, row = hand.key[0], self.model[hand.key]
        if (row.state, row.fence) != (hand.state, hand.fence):
            return None
        self.clock.forward(301)
        if hand.state == "sending":
            self.recover(BY_SUBJECT[subject])
            asking = self.claim_row(hand.key, worker, "unknown")
            if asking is None:
                return None
            with self.store.transaction(worker.owner) as tx:
                tx.transitions.move(
                    BY_SUBJECT[subject], hand.key[1], old="unknown", new="ready", fencing_token=asking.fence
                )
            row.leave("ready")
        elif hand.state == "handling":
            self.recover(BY_SUBJECT[subject])
        return self.claim_row(hand.key, worker, row.state)

    def claim_row(self, key: tuple[str, int], worker: Lease, state: str) -> Hand | None:
        """Let a worker claim a row, whether it is due or not; None where it is not its turn."""
        options: dict[str, Any] = {"agency": self.agency, "states": [state], "only_due": False, "only_ids": [key[1]]}
        with self.store.transaction(worker.owner) as tx:
            if state == "listed":
                taken: Any = tx.receipts.claim_listed(worker, agency=self.agency, row_ids=[key[1]])
            elif key[0] == "outgoing":
                taken = tx.outgoing.claim_batch(worker, **options)
            else:
                taken = tx.leases.claim(BY_SUBJECT[key[0]], worker, **options)
        assert bool(taken) == self.is_in_turn(key)
        return self.hold(key, worker, state) if taken else None

    def hold(self, key: tuple[str, int], worker: Lease, state: str) -> Hand:
        """Note that a worker claimed a row."""
        row = self.model[key]
        row.state = {"ready": "sending", "waiting": "handling"}.get(state, state)
        row.holder, row.until = worker.owner, self.clock.now + timedelta(seconds=worker.seconds)
        row.fence += 1
        return Hand(worker, key, row.state, row.fence)

    @rule(hand=hands, picks=st.lists(st.integers(0, 9), min_size=1, max_size=2), wait=st.sampled_from([0, 30, 300]))
    def finish(self, hand: Hand, picks: list[int], wait: int) -> None:
        """A worker writes what became of its row, and perhaps once more: what is sent is final."""
        for pick in picks:
            self.write(hand, pick, wait)

    def write(self, hand: Hand, pick: int, wait: int) -> None:
        """A worker writes what became of its row: sent, unknown, refused…; one that was overtaken writes nothing."""
        machine, row = BY_SUBJECT[hand.key[0]], self.model[hand.key]
        follow = [state for state in machine.list_next_states(hand.state) if state not in machine.leased_states]
        new, due = follow[pick % len(follow)], self.clock.now + timedelta(seconds=wait)
        is_ours = (row.state, row.fence) == (hand.state, hand.fence)
        try:
            with self.store.transaction(hand.worker.owner) as tx:
                tx.transitions.move(
                    machine, hand.key[1], old=hand.state, new=new, fencing_token=hand.fence, next_attempt_at=due
                )
        except LeaseLost:
            assert not is_ours
            return
        assert is_ours
        row.leave(new)
        row.due = due

    @rule(hand=hands)
    def die_in_a_transaction(self, hand: Hand) -> None:
        """What a transaction did that did not end is undone."""
        machine = BY_SUBJECT[hand.key[0]]
        new = next(one for one in machine.list_next_states(hand.state) if one not in machine.leased_states)
        with (
            contextlib.suppress(LeaseLost, KeyboardInterrupt),
            self.store.transaction(hand.worker.owner) as tx,
        ):
            tx.transitions.move(machine, hand.key[1], old=hand.state, new=new, fencing_token=hand.fence)
            raise KeyboardInterrupt

    @rule(hand=consumes(hands))
    def forget(self, hand: Hand) -> None:
        """A worker dies: nobody writes for it any more."""

    @rule(hand=hands)
    def renew(self, hand: Hand) -> None:
        """A worker keeps what it holds, unless its time is over."""
        row, now = self.model[hand.key], self.clock.now
        with self.store.transaction(hand.worker.owner) as tx:
            count = tx.leases.renew(BY_SUBJECT[hand.key[0]].table_name, hand.worker, [hand.key[1]])
        assert count == (row.holder == hand.worker.owner and row.until > now)
        if count:
            row.until = now + timedelta(seconds=hand.worker.seconds)

    @rule(worker=_workers, machine=st.sampled_from(MACHINES))
    def release(self, worker: Lease, machine: Any) -> None:
        """A worker that ends lets go of all that it holds."""
        held = [
            row
            for (subject, _), row in self.model.items()
            if (subject, row.holder) == (machine.subject, worker.owner) and row.until > self.clock.now
        ]
        with self.store.transaction(worker.owner) as tx:
            tx.leases.release(machine, worker)
        for row in held:
            row.until = self.clock.now

    @rule(seconds=st.sampled_from([1, 29, 61]))
    def wait(self, seconds: int) -> None:
        """Time passes: leases run out, back-offs end."""
        self.clock.forward(seconds)

    @rule(machine=st.sampled_from(MACHINES))
    def recover(self, machine: Any) -> None:
        """What dead workers held is taken over: what was being sent is unknown, what was handled is offered again."""
        new = "waiting" if machine is RECEIPTS else "unknown"
        expired = {
            key[1]: row
            for key, row in self.model.items()
            if key[0] == machine.subject and row.state in machine.leased_states and row.until <= self.clock.now
        }
        with self.store.transaction("rescuer") as tx:
            found = tx.leases.lock_expired(machine, agency=self.agency)
            assert [row["id"] for row in found] == sorted(expired)
            for row in found:
                tx.transitions.move(machine, row["id"], old=row["state"], new=new, fencing_token=row["fence"])
        for own in expired.values():
            own.leave(new)

    @rule(row=rows)
    def send_again(self, row: tuple[str, int]) -> None:
        """A person sends again what was refused, or what the hub lost."""
        own = self.model[row]
        if own.state in ("failed", "sent"):
            with self.store.transaction("clerk") as tx:
                tx.transitions.move(BY_SUBJECT[row[0]], row[1], old=own.state, new="ready", next_attempt_at=tx.now)
            own.leave("ready")
            own.due = self.clock.now

    @precondition(lambda self: self.model)
    @rule()
    def start_again(self) -> None:
        """The program ends, and another one opens the store."""
        self.store.close()
        self.store = self.open_store()

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        """Each row is in the state, and held as, the model says; the last line of its timeline tells so too."""
        with self.store.snapshot() as tx:
            for subject, find in (("delivery", tx.deliveries), ("receipt", tx.receipts), ("outgoing", tx.outgoing)):
                rows: list[Any] = find.find_all(self.agency)
                stories = tx.timeline.load_timelines(BY_SUBJECT[subject], [row.id for row in rows])
                assert {row.id for row in rows} == {key for kind, key in self.model if kind == subject}
                for row in rows:
                    own = self.model[subject, row.id]
                    assert (row.state, row.lease_owner, row.fence) == (own.state, own.holder, own.fence)
                    assert stories[row.id][-1].new == own.state


@pytest.fixture
def open_store(url: str, tmp_path: Path, clock: Clock) -> Callable[[], Store]:
    """Opens the database's store, as often as it is asked."""
    return lambda: Store.open(url, spool=tmp_path / "spool", clock=clock)


def test_any_sequence_of_moves_does_what_the_model_says(open_store: Callable[[], Store], clock: Clock) -> None:
    """One holder at a time, an overtaken one is fenced off, lanes keep their order, nothing is half written (row 7)."""
    machine: Any = lambda: StoreMachine(open_store, clock)  # noqa: E731  it takes a factory as well as a class
    run_state_machine_as_test(machine, settings=SIZE)


def _forget_fencing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe whoever writes that the row is still theirs."""
    real = Transitions.compare_and_set

    def compare(self: Any, machine: Any, row_id: int, state: str, fencing_token: Any, *more: Any) -> None:
        real(self, machine, row_id, state, None, *more)

    monkeypatch.setattr(Transitions, "compare_and_set", compare)


def _forget_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send statuses about one packet in any order."""
    monkeypatch.setattr(outgoing, "_TURN_CONDITION", true())


def _forget_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a row be moved by whoever held it last, also when it is sent."""
    real = Transitions.compare_and_set

    def compare(self: Any, machine: Any, row_id: int, state: str, *more: Any) -> None:
        table = TABLES[machine.table_name]
        state = self._tx.connection.execute(select(table.c.state).where(table.c.id == row_id)).scalar_one()
        real(self, machine, row_id, state, *more)

    monkeypatch.setattr(Transitions, "compare_and_set", compare)


@pytest.mark.nightly
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("forget", [_forget_fencing, _forget_order, _forget_states])
def test_the_machine_finds_what_is_taken_out_of_the_store(
    open_store: Callable[[], Store],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    forget: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """Without fencing, without the order of statuses, or where sent is not final, it fails (row 7)."""
    forget(monkeypatch)
    machine: Any = lambda: StoreMachine(open_store, clock)  # noqa: E731  as above
    with pytest.raises((AssertionError, StoreError)):
        run_state_machine_as_test(machine, settings=FOUND)
