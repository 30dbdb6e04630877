"""A recall that the hub refused, and whose packet is gone since (faults, "When the machine fails")."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.errors import HubError
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

ID = sample_document().id


def test_a_recall_whose_packet_is_gone(
    office: Office, hub: RunningHub, handle: Handle, tmp_path: Path, fails: Fails
) -> None:
    """Nothing of it ever left: the next call asks with a packet built anew (docs/faults.md)."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(receiver)
    before = set((tmp_path / "H29.05" / "spool").glob("??/*.edxml"))
    refusal = '{"status":"FAIL","ErrorCode":"22","ErrorDesc":"?"}'
    hub.faults.add(Fault(kind="answer", path="/sendEdoc", status=400, body=refusal))
    fails(HubError, lambda: sender.recall(ID, reason="Nhầm số"))
    (packet,) = set((tmp_path / "H29.05" / "spool").glob("??/*.edxml")) - before
    packet.unlink()
    assert sender.recall(ID, reason="Nhầm số").state is DeliveryState.SENT
    (asked,) = handle(receiver)
    assert asked.kind == "recall"
    asked.agree_change()
