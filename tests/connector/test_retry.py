"""What fails on this machine, not at the hub, costs no message and no packet its turn (faults, rows 23 and 24)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import edoc_connector.store.spool.spool as spool_module
from edoc_connector.errors import StoreError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

Failing = Callable[[str, int], AbstractContextManager[None]]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Makes what the spool does fail as the system would while a block runs."""

    @contextmanager
    def run(name: str, number: int) -> Iterator[None]:
        def fail(*_: object) -> None:
            raise OSError(number, "no more")

        with monkeypatch.context() as patch:
            patch.setattr(spool_module, name, fail)
            yield

    return run


def test_row_23_a_status_waits_for_space(office: Office, hub: RunningHub, failing: Failing) -> None:
    """A status that could not be written to the disk is sent once there is space, in its order (faults, row 23)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    packets = receiver.receive()
    receipt = next(packets)
    with failing("create_private", errno.ENOSPC):
        with receipt:
            pass
        receipt.accept()
        list(packets)
    assert [one.packet.status for one in hub.packets()] == [""]
    assert any("is sent" in one for one in receiver.explain(receipt.id).next)
    receiver.flush()
    assert [one.packet.status for one in hub.packets()] == ["", "01", "03"]


def test_row_23_a_document_that_cannot_be_read_now(
    office: Office, hub: RunningHub, failing: Failing, fails: Fails
) -> None:
    """A process without a free handle keeps the document ready, and sends the same bytes later (faults, row 23)."""
    sender = office("H29.05", limits={"in_memory": 0})
    with failing("compute_sha256", errno.EMFILE):
        fails(StoreError, lambda: sender.send(sample_document()), "no more")
    assert sender.deliveries()[0].state is DeliveryState.READY
    assert sender.flush().sent == 1
    assert sender.deliveries()[0].state is DeliveryState.SENT


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"x")], ids=["gone", "altered"])
def test_a_status_whose_packet_is_lost_is_built_anew(
    office: Office,
    hub: RunningHub,
    tmp_path: Path,
    harm: Callable[[Path], object],
    handle: Handle,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What a status says stands in the store: a packet that is gone or was altered is built once more (faults)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    before = set((tmp_path / "G22" / "spool").rglob("*.edxml"))
    hub.stop()
    receipt.accept()
    hub.start()
    (lost,) = set((tmp_path / "G22" / "spool").rglob("*.edxml")) - before
    harm(lost)
    assert receiver.flush().sent == 1
    assert [one.packet.status for one in hub.packets()] == ["", "01", "03"]
    assert "is built anew" in caplog.text


def test_row_23_a_full_disk_costs_a_packet_no_try(
    office: Office, hub: RunningHub, failing: Failing, handle: Handle
) -> None:
    """However often the disk did not take a packet, it is not set aside (faults, row 23)."""
    office("H29.05").send(sample_document())
    receiver = office("G22", worker={"tries": 2})
    with failing("_hash_and_flush", errno.ENOSPC):
        for _ in range(4):
            with pytest.raises(StoreError):
                handle(receiver)
    units = AgencyJobs(receiver)
    units.recover()
    assert units.fetch()
    assert [one.state for one in receiver.receipts()] == [ReceiptState.WAITING]
