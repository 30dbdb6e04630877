"""Building packets: the form of their seals, by the setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector import edxml
from edoc_connector.store import Spool
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

NAMES = {"From.OrganName", "To.1.OrganName", "Attachment.1.Description"}


@pytest.mark.parametrize("form", [1, 2])
def test_a_seal_is_of_the_form_that_the_setting_names(
    form: int, office: Office, handle: Handle, built: Callable[[Path, str], bytes], tmp_path: Path
) -> None:
    """Form 1 is written where a recipient knows no other, and read: names count as unsealed then (The seal, Forms)."""
    sender, receiver = office("H29.05", signing={"seal_form": form}), office("G22", signing={"seal_form": form})
    attachment = edxml.Attachment.from_bytes(b"%PDF-1.4 x", name="a.pdf", description="Công văn")
    delivery = sender.send(sample_document(attachments=(attachment,)))
    sent = edxml.read(built(tmp_path / "H29.05", delivery.id))
    assert f'xmlns="urn:edoc-connector:seal:{form}"'.encode() in b"".join(sent.attachments[-1].pieces())
    (receipt,) = handle(receiver)
    assert (receipt.verification.reason, receipt.verification.trusted) == ("SEAL-OK", True)
    assert "Subject" in receipt.verification.sealed
    assert set(receipt.verification.sealed if form == 2 else receipt.verification.unsealed) >= NAMES
    assert receipt.attachments[0].description == "Công văn"
    receipt.accept("Đã vào sổ")
    status = built(tmp_path / "G22", "<edXML:StatusCode>03<")
    assert (b"edoc-seal" in status) is (form == 2)
    assert edxml.read(status).skeleton.root.find(f".//{{{edxml.DS}}}Signature") is not None


def test_a_status_of_form_1_rests_on_the_hubs_word(office: Office, handle: Handle, hub: RunningHub) -> None:
    """With form 1 a status has its signature alone, which a hub that rebuilds breaks (The seal, Statuses)."""
    sender, receiver = office("H29.05"), office("G22", signing={"seal_form": 1})
    delivery = sender.send(sample_document())
    handle(receiver)
    assert handle(sender) == []
    (status,) = sender.receipts(kind="status")
    assert (status.verification.reason, status.authority) == ("SIG-NAMESPACE", "hub-announced")
    assert sender.delivery(delivery.id).recipient("G22").status == "01"


@pytest.mark.parametrize("in_memory", [0, 196608])
def test_a_small_document_is_sent_from_memory(
    in_memory: int, office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting decides whether the stored packet is read again; what is stored and what the hub gets is the same."""
    checked: list[str] = []
    verify = Spool.verify_file

    def note(spool: Spool, name: str, sha256: str) -> object:
        checked.append(name)
        return verify(spool, name, sha256)

    monkeypatch.setattr(Spool, "verify_file", note)
    sender = office("H29.05", limits={"in_memory": in_memory})
    delivery = sender.send(sample_document())
    assert delivery.state == "sent"
    assert len(checked) == (0 if in_memory else 1)
    with sender.context.store.snapshot() as tx:
        row = tx.deliveries.find_by_document_id("H29.05", delivery.id)
    assert row is not None
    assert verify(sender.context.store.spool, row.spool_file, row.sha256)
