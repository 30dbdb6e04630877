"""A document over the hub, from a connector's point of view, and the hub's traps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import edoc_connector as edoc
from edoc_connector.hubs import REGISTRY, MessageType, collect_secrets
from edoc_connector.testing import sample_document
from edoc_soap import EdocSoap
from soap_hub import SoapHub, find_text

Office = Callable[[str], edoc.Connector]


def handle(connector: edoc.Connector) -> list[edoc.Receipt]:
    """Handle every packet that waits."""
    handled = []
    for receipt in connector.receive():
        with receipt:
            handled.append(receipt)
    return handled


def list_actions(hub: SoapHub, action: str) -> list[Any]:
    """List what a call asked, each time it was made."""
    return [asked for one, asked in hub.calls if one == action]


def test_the_entry_point_is_found() -> None:
    """The installed package brings the dialect by its name."""
    assert REGISTRY["edoc-soap"] is EdocSoap


def test_a_document_and_its_statuses(hub: SoapHub, office: Office) -> None:
    """send → receive → confirm → 01 by the hub → 03 and 06 by the recipient, each on its document."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    assert (sent.state, sent.hub_doc_id) == (edoc.DeliveryState.SENT, "1")
    (receipt,) = handle(recipient)
    assert receipt.verification.status == "VALID"
    assert [one.name for one in receipt.attachments] == ["cong-van.pdf"]
    handle(sender)
    assert sender.delivery(sent.id).recipient("G22").status is edoc.StatusCode.ARRIVED
    receipt.accept("Đã vào sổ số 12")
    receipt.complete()
    handle(sender)
    found = sender.delivery(sent.id).recipient("G22")
    assert found.status is edoc.StatusCode.COMPLETED
    assert hub.waiting == []
    assert sender.sync_directory() == 2


def test_no_second_01(hub: SoapHub, office: Office) -> None:
    """ConfirmReceived makes the hub write 01: none is sent, and the receipt stands at 01 all the same."""
    sender, recipient = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(recipient)
    assert len(list_actions(hub, "ConfirmReceived")) == 1
    assert list_actions(hub, "UpdateTraces") == []
    assert [trace.key[2] for trace in hub.traces] == ["01"]
    story = recipient.explain(receipt.id)
    assert "the hub tells the sender" in story.text()
    assert "trục tự báo nơi gửi" in story.text(vi=True)


def test_statuses_are_asked_for_with_a_time_that_overlaps(hub: SoapHub, office: Office) -> None:
    """GetTraces never goes out without a time, and a status whose list was lost comes with the next one."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document())
    handle(recipient)
    hub.drops.append("GetTraces")
    with pytest.raises(edoc.EdocError):
        handle(sender)
    handle(sender)
    assert sender.delivery(sent.id).recipient("G22").status is edoc.StatusCode.ARRIVED
    assert handle(sender) == []  # what overlaps is here already
    stamps = [find_text(asked, "Timestamp") for asked in list_actions(hub, "GetTraces")]
    assert all(stamps)
    newest = datetime.strptime(stamps[-1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) - timedelta(hours=7)
    assert datetime.now(UTC) - newest > timedelta(hours=20)


def test_a_repeated_status_is_a_success(hub: SoapHub, office: Office) -> None:
    """A status whose answer was lost is sent again, and "Exist trace" means that the hub has it."""
    sender, recipient = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(recipient)
    hub.drops.append("UpdateTraces")
    receipt.accept()
    for _ in range(2):
        handle(recipient)
    assert len(list_actions(hub, "UpdateTraces")) == 2
    assert [trace.key[2] for trace in hub.traces] == ["01", "03"]
    handle(recipient)
    assert len(list_actions(hub, "UpdateTraces")) == 2


def test_a_status_listed_by_another_process_is_fetched(hub: SoapHub, office: Office, tmp_path: Path) -> None:
    """A status is a packet made of the list: of the same bytes, whoever listed it, and confirmed without a call."""
    sender, recipient = office("H29.05"), office("G22")
    sender.send(sample_document())
    handle(recipient)
    contents: list[bytes] = []
    doc_ids: list[str] = []
    for number in range(2):
        with edoc.HubClient(EdocSoap(endpoint=hub.url, system_id="H29.05", secret="token-H29.05")) as client:
            doc_ids = [one.doc_id for one in client.list_waiting(MessageType.STATUS)] if number == 0 else doc_ids
            contents.append(client.fetch(doc_ids[0], tmp_path / f"{number}.edxml").path.read_bytes())
            client.confirm(doc_ids[0])
            with pytest.raises(edoc.HubError, match="not list the status"):
                client.fetch("trace-20261120101010-0", tmp_path / "none.edxml")
    assert contents[0] == contents[1]
    assert len(list_actions(hub, "ConfirmReceived")) == 1  # the document's


def test_m_exist_means_that_the_hub_has_it(hub: SoapHub, tmp_path: Path) -> None:
    """A document that was taken before is DuplicateDocument: the hub has it, and nothing is sent again."""
    packet = tmp_path / "packet.edxml"
    packet.write_bytes(
        b"<edXML><MessageHeader><DocumentId>1</DocumentId><To><OrganId>G22</OrganId></To></MessageHeader></edXML>"
    )
    dialect = EdocSoap(endpoint=hub.url, system_id="H29.05", secret="token-H29.05")
    hub.drops.append("SendDocument")
    with edoc.HubClient(dialect) as client:
        with pytest.raises(edoc.OutcomeUnknown):
            client.send(packet, message_type=MessageType.EDOC, sender="H29.05")
        with pytest.raises(edoc.DuplicateDocument) as caught:
            client.send(packet, message_type=MessageType.EDOC, sender="H29.05")
    assert caught.value.code == "M.Exist"


def test_wrong_settings() -> None:
    """A setting that cannot work is a ConfigError in both languages, and the token is a secret."""
    for wrong in ({"endpoint": "hub"}, {"secret": " x"}, {"system_id": ""}, {"first_days": 0}):
        with pytest.raises(edoc.ConfigError) as caught:
            EdocSoap(**{"endpoint": "https://hub.test", "system_id": "H29", "secret": "x"} | wrong)
        assert caught.value.vi != caught.value.message
    dialect = EdocSoap(endpoint="https://hub.test", system_id="H29", secret="token-of-mine")
    assert collect_secrets(dialect) == ("token-of-mine",)
    assert "token-of-mine" not in repr(dialect)
