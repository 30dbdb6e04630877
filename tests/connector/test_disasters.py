"""The table "When the machine fails" of docs/faults.md: disks, databases, clocks, a hub that is gone, a full hub."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edoc_connector.store._sql.engine as engine_module
from edoc_connector._core import SteadyClock
from edoc_connector.edxml import Attachment, write
from edoc_connector.errors import NotSent, StoreError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import RECIPIENT, SENDER, sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office, SettingsOf

WAITING = int(os.environ.get("EDOC_TEST_WAITING", "200"))
CHEAP = {"policy": "any"}


INSIDE = "EDOC_TEST_OWN_MOUNTS"


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path | None]:
    """A file system of two megabytes; None where the test ran in a user namespace, which may mount where we may not."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        _in_own_namespace(request.node)
        yield None
        return
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _in_own_namespace(test: pytest.Item) -> None:
    """Run a test in another process, whose user may mount."""
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        allowed = INSIDE not in os.environ and subprocess.run([*own, "true"], capture_output=True).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        pytest.skip("neither mounting nor user namespaces are allowed here; test_row_23_a_file_that_may_not_grow is")
    command = [*own, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", test.nodeid]
    environment = {**os.environ, INSIDE: "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=test.config.rootpath, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_row_23_a_disk_that_is_full(
    office: Office, hub: RunningHub, small_disk: Path | None, handle: Handle, fails: Fails
) -> None:
    """An error to the caller, nothing confirmed, no torn row; with space again everything goes on (faults, row 23)."""
    if small_disk is None:
        return  # passed elsewhere
    store = {"url": f"sqlite:///{small_disk}/edoc.db", "spool": str(small_disk / "spool")}
    sender, receiver = office("H29.05"), office("G22", store=store)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(small_disk_free(small_disk) - 600_000))
    big = Attachment.from_bytes(os.urandom(700_000), name="lon.pdf")
    sender.send(sample_document(attachments=(big,)))
    fails(StoreError, lambda: handle(receiver), "No space left")
    answer = sample_document(sender=sample_document().recipients[0], recipients=(sample_document().sender,))
    fails(StoreError, lambda: receiver.send(answer.model_copy(update={"attachments": (big,)})))
    assert [one.state for one in hub.packets()[0].receipts] == ["initial"]
    assert receiver.deliveries() == []
    assert list((small_disk / "spool" / "tmp").iterdir()) == []
    ballast.unlink()
    (receipt,) = handle(receiver)
    assert receiver.receipt(receipt.id).state is ReceiptState.CONFIRMED


def test_row_23_a_file_that_may_not_grow(office: Office, hub: RunningHub, settings: SettingsOf, tmp_path: Path) -> None:
    """The same for writes that the kernel refuses (RLIMIT_FSIZE), in the spool and in the database (faults, row 23)."""
    big = Attachment.from_bytes(os.urandom(700_000), name="lon.pdf")
    office("H29.05").send(sample_document(attachments=(big,)))
    given = settings("G22").model_dump_json()
    child = Path(__file__).with_name("full_disk.py")
    done = subprocess.run(
        [sys.executable, str(child), str(tmp_path / "G22")], input=given, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for step, (what, words, words_vi) in zip(
        told, (("spool", "Free space", "giải phóng dung lượng"), ("database", "is full", "đã đầy")), strict=False
    ):
        assert (step["what"], step["error"], step["states"], step["left"]) == (what, "StoreError", ["listed"], 0)
        assert words in step["message"]
        assert words_vi in step["vi"]
    assert told[2] == {"what": "space again", "states": ["confirmed"], "left": 0}
    assert [one.state for one in hub.packets()[0].receipts] == ["done"]


def test_a_spool_that_is_read_only(
    office: Office, hub: RunningHub, small_disk: Path | None, fails: Fails, handle: Handle
) -> None:
    """A StoreError to the caller; nothing sent, nothing confirmed; goes on when it can be written (faults, row 23)."""
    if small_disk is None:
        return
    sender, receiver = office("H29.05"), office("G22", store={"spool": str(small_disk / "spool")})
    sender.send(sample_document(number="1"))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    fails(StoreError, lambda: handle(receiver), "cannot be written")
    document = sample_document(sender=RECIPIENT, recipients=(SENDER,))
    fails(StoreError, lambda: receiver.send(document), "cannot be written")
    fails(StoreError, lambda: office("G22", store={"spool": str(small_disk / "spool" / "new")}), "cannot be written")
    assert len(hub.hub.list_waiting("G22", "edoc")) == 1
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert len(handle(receiver)) == 1
    assert receiver.send(document).state == "sent"


def test_row_35_a_store_that_was_deleted(
    office: Office, hub: RunningHub, tmp_path: Path, fails: Fails, handle: Handle
) -> None:
    """Noticed at the next poll, and nothing is sent or confirmed that nobody could find again (faults, row 35)."""
    sender, receiver = office("H29.05"), office("G22", receive=CHEAP)
    sender.send(sample_document(number="1"))
    for path in (tmp_path / "G22").glob("edoc.db*"):
        path.unlink()
    fails(StoreError, lambda: handle(receiver), "was deleted or moved")
    document = sample_document(sender=RECIPIENT, recipients=(SENDER,))
    fails(StoreError, lambda: receiver.send(document), "was deleted or moved")
    fails(StoreError, lambda: AgencyJobs(receiver).poll(), "was deleted or moved")
    assert len(hub.hub.list_waiting("G22", "edoc")) == 1
    assert len(hub.packets()) == 1
    assert not (tmp_path / "G22" / "edoc.db").exists()


def test_row_35_a_store_that_was_restored_meanwhile(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A worker that went on through a restore stops at its next poll (faults, row 35)."""
    machine, operator = office("H29.05"), office("H29.05")
    operator.begin_restore(operator.context.store.clock())
    fails(StoreError, AgencyJobs(machine).recover, "while this program had it open")
    fails(StoreError, lambda: machine.send(sample_document()), "while this program had it open")
    assert hub.packets() == []
    assert operator.send(sample_document()).state is DeliveryState.SENT


def small_disk_free(folder: Path) -> int:
    """Bytes that are free there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def test_row_24_a_database_that_is_locked(
    office: Office, hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Fails
) -> None:
    """Tried a bounded number of times, then an error that says so, and nothing was sent (faults, row 24)."""
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.1)
    sender = office("H29.05")
    other = sqlite3.connect(tmp_path / "H29.05" / "edoc.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fails(StoreError, lambda: sender.send(sample_document()), "locked by another program")
    assert hub.packets() == []
    other.execute("ROLLBACK")
    other.close()
    assert sender.send(sample_document()).state is DeliveryState.SENT


def test_a_database_that_cannot_be_written(
    office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch, fails: Fails
) -> None:
    """What is there can be read; whatever would write is refused, and nothing is sent (faults, row 23)."""
    office("H29.05").send(sample_document())
    real = engine_module._configure_sqlite

    def read_only(connection: sqlite3.Connection, record: object) -> None:
        real(connection, record)
        connection.execute("PRAGMA query_only=ON").close()

    monkeypatch.setattr(engine_module, "_configure_sqlite", read_only)
    reader = office("H29.05")
    assert len(reader.deliveries()) == 1
    assert reader.explain(sample_document().id).next
    fails(StoreError, lambda: reader.send(sample_document(number="2")), "cannot be written to")
    assert len(hub.packets()) == 1


class Times:
    """A wall clock and a monotonic one, turned by hand."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
        self.mono = 0.0

    def pass_(self, seconds: float, *, wall: float | None = None) -> None:
        self.mono += seconds
        self.wall += timedelta(seconds=seconds if wall is None else wall)


def test_a_clock_that_jumps_back(caplog: pytest.LogCaptureFixture) -> None:
    """Time goes on at its own pace until the clock is right again; a jump ahead is followed (faults, row 22)."""
    times = Times()
    clock = SteadyClock(lambda: times.wall, lambda: times.mono)
    start = clock()
    times.pass_(10, wall=-3600)
    assert clock() - start == timedelta(seconds=10)
    times.pass_(60)
    assert clock() - start == timedelta(seconds=70)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    times.pass_(5, wall=3600)
    assert clock() - start == timedelta(seconds=75)
    times.pass_(1, wall=7200)
    assert clock() == times.wall


def test_a_hub_that_is_gone_for_a_day(office: Office, hub: RunningHub, handle: Handle, fails: Fails) -> None:
    """Tried ever more seldom, never given up, nothing lost; delivered once it is back (faults, rows 2 and 8)."""
    limits = {"backoff": 10.0, "backoff_cap": 3600.0}
    sender, receiver = office("H29.05", limits=limits), office("G22")
    now = [datetime.now(UTC)]
    begin = now[0]
    sender.context.store.clock = lambda: now[0]
    hub.stop()
    fails(NotSent, lambda: sender.send(sample_document()))
    while now[0] < begin + timedelta(days=1):
        (delivery,) = sender.deliveries(state=DeliveryState.READY)
        assert delivery.next_attempt_at is not None
        now[0] = max(now[0], delivery.next_attempt_at)
        assert sender.outbox.flush(only_due=True).sent == 0
    attempts = sender.deliveries()[0].attempts
    assert 24 < attempts < 80
    hub.start()
    now[0] += timedelta(hours=1)
    assert sender.outbox.flush(only_due=True).sent == 1
    assert len(handle(receiver)) == 1


def waiting_packet(folder: Path, number: int) -> bytes:
    """A packet as a hub would offer it."""
    path = folder / "packet.edxml"
    write(sample_document(number=str(number)), path, at=datetime.now(UTC))
    data = path.read_bytes()
    path.unlink()
    return data


def test_many_waiting_packets(office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """Each comes once and is confirmed, however many wait (issue, "10,000 waiting packets")."""
    first = waiting_packet(tmp_path, 0)
    for number in range(WAITING):
        data = first.replace(b">0<", f">{number}<".encode()).replace(b",0/SNV-VP", f",{number}/SNV-VP".encode())
        hub.offer(data.replace(b">0/SNV-VP<", f">{number}/SNV-VP<".encode()), sender="H29.05", to="G22")
    receiver = office("G22", receive=CHEAP, signing={"key": None})
    seen = set()
    for receipt in receiver.receive():
        with receipt:
            seen.add(receipt.id)
    assert len(seen) == WAITING
    receiver.flush()
    assert not receiver.receipts(state=ReceiptState.HANDLED)
    assert len(list(receiver.iter_receipts(state=ReceiptState.CONFIRMED))) == WAITING


def test_garbage_in_front_of_a_hundred(office: Office, hub: RunningHub, tmp_path: Path, handle: Handle) -> None:
    """One packet of garbage is set aside and told; the hundred behind it come (faults, row 21)."""
    hub.offer(b"\x00garbage", sender="H29.05", to="G22")
    for number in range(100):
        hub.offer(waiting_packet(tmp_path, number), sender="H29.05", to="G22")
    receiver = office("G22", receive=CHEAP, signing={"key": None})
    assert len(handle(receiver)) == 100
    assert handle(receiver) == []
    assert len(receiver.receipts(state=ReceiptState.QUARANTINED)) == 1
    receiver.flush()
    assert [packet.receipts[0].state for packet in hub.packets() if packet.packet.system_id == ""].count("fail") == 1
