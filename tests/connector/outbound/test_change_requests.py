"""Whom a recall and a taking back ask (business rules, "sent by the document's sender")."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Delivery
from edoc_connector.edxml import Organization
from edoc_connector.errors import EdocError, NotFound
from edoc_connector.store import DeliveryState
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

OTHER = Organization(id="H30", name="UBND tỉnh")


def asked(delivery: Delivery) -> list[str]:
    """The codes of a delivery's recipients."""
    return [one.organ_id for one in delivery.recipients]


def test_a_recall_asks_those_who_were_not_asked_yet(office: Office, hub: RunningHub) -> None:
    """A recipient who has not answered does not keep another from being asked (Connector.recall)."""
    sender = office("H29.05")
    document = sender.send(sample_document(recipients=(RECIPIENT, OTHER)))
    first = sender.recall(document.id, reason="Nhầm", recipients=[RECIPIENT])
    assert asked(first) == ["G22"]
    assert sender.recall(document.id, reason="Nhầm nữa", recipients=[RECIPIENT]).id == first.id
    rest = sender.recall(document.id, reason="Nhầm")
    assert asked(rest) == ["H30"]
    assert sender.recall(document.id, reason="Nhầm", recipients=[OTHER]).id == rest.id
    assert sender.recall(document.id, reason="Nhầm").id == rest.id
    assert [one.change for one in sender.delivery(document.id).recipients] == ["asked", "asked"]


def test_a_recall_of_everybody_is_one_delivery_until_all_have_answered(
    office: Office, hub: RunningHub, handle: Handle
) -> None:
    """As long as one of them has not answered, calling again gives the same delivery (Connector.recall)."""
    sender, receiver = office("H29.05"), office("G22")
    document = sender.send(sample_document(recipients=(RECIPIENT, OTHER)))
    recall = sender.recall(document.id, reason="Nhầm")
    handle(receiver)[1].refuse_change("Đã thi hành")
    handle(sender)
    assert sender.recall(document.id, reason="Nhầm").id == recall.id
    assert asked(sender.recall(document.id, reason="Nhầm", recipients=[RECIPIENT])) == ["G22"]


def test_a_recall_whose_packet_is_gone_is_built_anew(
    office: Office, hub: RunningHub, tmp_path: Path, fails: Fails
) -> None:
    """As a document's is (docs/faults.md, "spool file deleted")."""
    sender = office("H29.05")
    document = sender.send(sample_document())
    before = set((tmp_path / "H29.05" / "spool").rglob("*.edxml"))
    hub.stop()
    fails(EdocError, lambda: sender.recall(document.id, reason="Nhầm"))
    hub.start()
    (lost,) = set((tmp_path / "H29.05" / "spool").rglob("*.edxml")) - before
    lost.unlink()
    sender.flush()
    assert sender.deliveries(state=DeliveryState.FAILED)
    assert sender.recall(document.id, reason="Ban hành nhầm").state is DeliveryState.SENT
    assert [len(sender.deliveries()), len(hub.packets())] == [2, 2]


def test_a_taking_back_asks_each_once_and_nobody_is_an_error(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Who is named twice gets one 13; an empty list is refused (Connector.take_back, Connector.recall)."""
    sender = office("H29.05")
    document = sender.send(sample_document())
    fails(NotFound, lambda: sender.take_back(document.id, reason="x", recipients=[]), "no recipient")
    fails(NotFound, lambda: sender.recall(document.id, reason="x", recipients=[]), "no recipient")
    sender.take_back(document.id, reason="Gửi nhầm", recipients=["G22", "G22"])
    assert [packet.packet.status for packet in hub.packets()] == ["", "13"]
