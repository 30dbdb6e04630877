"""Entries get their places behind the commit: soon, all of them, and without a lock that others wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from edoc_connector.errors import EvidenceError
from edoc_connector.evidence import CompactRange, compute_root, is_included
from edoc_connector.store import LINK_SECONDS, LINK_TRANSACTIONS, Store
from edoc_connector.store._sql import connections as connections_module
from edoc_connector.store.log import linking as linking_module

AGENCY = "H29.05"


def note(store: Store, number: int = 1, agency: str = AGENCY) -> None:
    """Enter one event, about the agency."""
    with store.transaction("clerk") as tx:
        tx.audit_log.record("packet", None, 0, {"number": number}, agency=agency)


def read(store: Store, agency: str = AGENCY) -> tuple[int, int]:
    """How many entries a log has, and how many wait for their place."""
    with store.snapshot() as tx:
        return tx.evidence_log.read_size(agency), len(tx.evidence_log.list_unlinked(agency))


@pytest.fixture
def server_store(open_store: Callable[..., Store], postgres_url: str) -> Store:
    """A store on PostgreSQL."""
    return open_store(postgres_url)


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[[str], Store]]:
    """Opens stores, and closes them."""
    opened: list[Store] = []

    def make(url: str) -> Store:
        opened.append(Store.open(url, spool=tmp_path / "spool", owner=AGENCY))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def test_every_entry_is_in_the_tree(store: Store) -> None:
    """The root is that over all leaves, and each has a proof; on either database (issue, "a Merkle tree")."""
    for number in range(40):
        note(store, number)
    store.link_evidence(AGENCY)
    with store.snapshot() as tx:
        tree = tx.evidence_log.open_tree(AGENCY)
        leaves = list(tx.evidence_log.read_leaf_hashes(AGENCY, 0, tree.size))
        assert (tree.size, tree.compute_root()) == (41, compute_root(leaves))
        for index, leaf in enumerate(leaves):
            proof = tree.prove_inclusion(index)
            assert is_included(leaf, index=index, size=41, proof=proof, root=tree.compute_root())
        assert tx.evidence_log.find_fault(AGENCY) is None
        facts = tx.evidence_log.list_facts(AGENCY)
    assert facts[0]["kind"] == "opened"
    assert [one["number"] for one in facts[1:]] == list(range(40))


def test_a_server_keeps_the_first_bytes_of_a_hash(server_store: Store) -> None:
    """The whole one is computed from the entry; one that does not fit is named, and nothing is built on it."""
    for number in range(20):
        note(server_store, number)
    server_store.link_evidence(AGENCY)
    with server_store.transaction() as tx:
        lengths = tx.connection.execute(text("SELECT length(leaf_hash) FROM evidence_entries ORDER BY id")).scalars()
        assert sorted(lengths) == [4] * 20 + [32]  # the entry `opened` is one for each log
        root = tx.evidence_log.open_tree(AGENCY).compute_root()
        assert root == compute_root(tx.evidence_log.read_leaf_hashes(AGENCY, 0, 21))
        tx.connection.execute(text("ALTER TABLE evidence_entries DISABLE TRIGGER evidence_entries_append_only"))
        keys = "SELECT id FROM evidence_entries ORDER BY id"
        first, second = tx.connection.execute(text(f"{keys} LIMIT 2")).scalars()
        changed = "UPDATE evidence_entries SET stored = (SELECT stored FROM evidence_entries WHERE id = :other)"
        tx.connection.execute(text(f"{changed} WHERE id = :key"), {"key": first, "other": second})
    with server_store.snapshot() as tx:
        with pytest.raises(EvidenceError, match=f"row {first} ") as told:
            list(tx.evidence_log.read_leaf_hashes(AGENCY, 0, 21))
        assert "edoc fsck" in told.value.vi
        fault = tx.evidence_log.find_fault(AGENCY)
    assert fault is not None
    assert "was changed" in fault.words.en


def test_on_a_file_entries_have_their_place_at_the_commit(open_store: Callable[[str], Store], tmp_path: Path) -> None:
    """There is no window at all on SQLite (docs/evidence.md)."""
    store = open_store(f"sqlite:///{tmp_path / 'edoc.db'}")
    for number in range(3):
        note(store, number)
        assert read(store) == (number + 2, 0)


def test_the_window_on_a_server_is_bounded(server_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many transactions, or so long, whatever waited has its place (issue, "the window … bounded")."""
    monkeypatch.setattr(linking_module, "LINK_SECONDS", 3600.0)
    note(server_store)
    server_store.finish_evidence()
    for number in range(1, 3 * LINK_TRANSACTIONS):
        note(server_store, number)
        assert read(server_store)[1] == number % LINK_TRANSACTIONS
    monkeypatch.setattr(linking_module, "LINK_SECONDS", LINK_SECONDS)
    time.sleep(LINK_SECONDS)
    note(server_store)
    assert read(server_store)[1] == 0


def test_what_a_process_wrote_last_is_linked_when_it_closes(
    open_store: Callable[[str], Store], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No entry is left behind by a program that ends in order."""
    monkeypatch.setattr(linking_module, "LINK_SECONDS", 3600.0)
    store = open_store(postgres_url)
    note(store)
    note(store)
    store.close()
    assert read(open_store(postgres_url)) == (3, 0)


def test_what_a_crash_left_is_linked_by_whoever_comes(
    open_store: Callable[[str], Store], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process links it with its own (issue, "done by whoever is at hand")."""
    monkeypatch.setattr(linking_module, "LINK_SECONDS", 3600.0)
    crashed = open_store(postgres_url)
    note(crashed)
    note(crashed)
    crashed._evidence._reset()  # as if it had ended here
    other = open_store(postgres_url)
    assert read(other)[1] > 0
    assert other.link_evidence(AGENCY) > 0
    assert read(other) == (3, 0)


def test_no_lock_of_the_log_is_held_over_another_flush(server_store: Store) -> None:
    """While somebody links and does not come to an end, others commit (issue, "no lock of the log across")."""
    note(server_store)
    with server_store._engine.connect() as linking:
        linking.begin()
        linking.execute(text(linking_module._LOCK), {"agency": AGENCY})
        done = threading.Event()

        def write() -> None:
            with server_store.transaction("clerk") as tx:
                tx.audit_log.record("packet", None, 0, {}, agency=AGENCY)
            done.set()

        server_store._evidence._linked_at = time.monotonic() + 3600  # this one has not to link yet
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write).result(10)
        assert done.is_set()


def test_linking_waits_for_no_flush(server_store: Store) -> None:
    """Links are made again if a crash takes them back, so their commit is not flushed; a checkpoint's is."""
    seen: list[str] = []
    event.listen(server_store._engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    note(server_store)
    server_store.link_evidence(AGENCY)
    assert any("synchronous_commit = off" in one for one in seen)


def test_entries_of_many_threads_and_processes(open_store: Callable[[str], Store], postgres_url: str) -> None:
    """Two stores and eight threads: every entry once, in one tree without a gap (issue, "linked in batches")."""
    stores = [open_store(postgres_url), open_store(postgres_url)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: note(stores[number % 2], number), range(400)))
    for store in stores:
        store.finish_evidence()
    assert read(stores[0]) == (401, 0)
    with stores[0].snapshot() as tx:
        assert tx.evidence_log.find_fault(AGENCY) is None
        numbers = [one["number"] for one in tx.evidence_log.list_facts(AGENCY) if one["kind"] == "packet"]
    assert sorted(numbers) == list(range(400))


def test_two_processes_on_a_file(open_store: Callable[[str], Store], tmp_path: Path) -> None:
    """What one knows of the tree is not what the other made of it meanwhile."""
    url = f"sqlite:///{tmp_path / 'edoc.db'}"
    stores = [open_store(url), open_store(url)]
    for number in range(50):
        note(stores[number % 3 % 2], number)
    assert read(stores[0]) == (51, 0)
    with stores[0].snapshot() as tx:
        assert tx.evidence_log.find_fault(AGENCY) is None


def test_logs_of_agencies_in_one_store(store: Store) -> None:
    """Each has its own, with its own name (issue, "one log per agency")."""
    for number, agency in enumerate(("H29.05", "G22", "H29.05", "A/B c")):
        note(store, number, agency)
    for agency, size in (("H29.05", 3), ("G22", 2), ("A/B c", 2)):
        store.link_evidence(agency)
        assert read(store, agency) == (size, 0)
    with store.snapshot() as tx:
        origins = [tx.evidence_log.read_origin(agency) for agency in ("H29.05", "G22", "A/B c")]
    assert [str(one).rpartition("/")[0] for one in origins] == [
        "edoc-evidence/H29.05", "edoc-evidence/G22", "edoc-evidence/A%2FB%20c",
    ]  # fmt: skip


def test_a_log_that_cannot_be_linked_stops_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Hashes of the tree are missing: what is written stays written, a warning says so, and it is linked later."""
    note(store)
    store.link_evidence(AGENCY)
    size = read(store)[0]
    with monkeypatch.context() as patch:
        patch.setattr(linking_module, "LINK_SECONDS", 0.0)
        store._evidence._ranges.clear()

        def missing(*_: object) -> CompactRange:
            raise EvidenceError("hashes are missing", vi="thiếu mã băm")

        patch.setattr(linking_module.EvidenceWriter, "_load_range", missing)
        note(store)
        store.finish_evidence()
    assert "wait for their place in the log" in caplog.text
    assert read(store) == (size, 1)
    note(store)
    store.link_evidence(AGENCY)
    assert read(store) == (size + 2, 0)


@contextmanager
def _slow_commits(seconds: float) -> Iterator[None]:
    """Commits that take as long as a disk's flush."""
    commit = connections_module.PooledConnectionSource.commit

    def slow(self: connections_module.PooledConnectionSource, connection: Connection) -> None:
        if connection.execute(text("SHOW synchronous_commit")).scalar() == "on":
            time.sleep(seconds)
        commit(self, connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections_module.PooledConnectionSource, "commit", slow)
        yield


def test_threads_of_one_agency_share_their_flushes(server_store: Store) -> None:
    """With flushes of 20 ms, eight threads write at least four times as much as one (issue, "≥ 4 ×")."""

    def measure(threads: int, count: int) -> float:
        began = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda number: note(server_store, number), range(count)))
        return count / (time.perf_counter() - began)

    note(server_store)
    with _slow_commits(0.02):
        assert measure(8, 160) >= 4 * measure(1, 20)
