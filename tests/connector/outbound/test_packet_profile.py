"""What a hub demands of packets beyond the standard: refused before anything is stored, and written where it can be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import edxml
from edoc_connector.connector import Connector
from edoc_connector.edxml import Business, Organization
from edoc_connector.errors import DocumentError
from edoc_connector.hubs import HubCapabilities, PacketProfile, Vxp
from edoc_connector.testing import sample_document

Office = Callable[..., Connector]
Built = Callable[[Path, str], bytes]


@pytest.fixture
def demands(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the hub demand something."""

    def demand(**profile: Any) -> None:
        capabilities = HubCapabilities(packet=PacketProfile(**profile))
        monkeypatch.setattr(Vxp, "capabilities", capabilities, raising=False)

    return demand


_CODES = {
    "code_pattern": r"\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2}",
    "code_form": "000.00.00.X00",
    "code_form_vi": "000.00.00.X00",
}


@pytest.mark.parametrize(
    ("profile", "changes", "code", "field"),
    [
        ({"needs_attachment": True}, {"attachments": ()}, "HUB-ATTACHMENT", "attachments"),
        ({"max_attachment": 10}, {}, "HUB-SIZE", "attachments[0]"),
        ({"max_packet": 100}, {}, "HUB-SIZE", "attachments"),
        ({"document_types": (1,)}, {}, "HUB-TYPE", "type"),
        (_CODES, {}, "HUB-CODE", "sender.id"),
    ],
)
def test_what_a_hub_would_refuse_is_not_stored(
    office: Office, demands: Any, tmp_path: Path, profile: Any, changes: Any, code: str, field: str
) -> None:
    """A document that breaks the profile is a DocumentError that names the field; nothing of it is stored or sent."""
    demands(**profile)
    sender = office("H29.05")
    with pytest.raises(DocumentError) as caught:
        sender.send(sample_document(**changes))
    assert (code, field) in {(one.code, one.field) for one in caught.value.problems}
    assert all(one.message and one.message_vi and one.clause for one in caught.value.problems)
    assert sender.deliveries() == []
    assert not list((tmp_path / "H29.05" / "spool").rglob("*.edxml"))


@pytest.mark.parametrize("profile", [{}, {"needs_attachment": True, "document_types": (1, 2), "max_attachment": 10**6}])
def test_what_a_hub_takes_is_sent(office: Office, demands: Any, profile: Any) -> None:
    """A document that keeps the profile goes out as ever."""
    demands(**profile)
    assert office("H29.05").send(sample_document()).hub_doc_id is not None


def test_needed_elements_are_written_empty(office: Office, demands: Any, tmp_path: Path, built: Built) -> None:
    """Elements that must be there are written at their place in the order; the seal holds all the same."""
    demands(needed_elements=("To/OrganAdd", "Content", "OtherInfo", "StaffInfo"), content_from_subject=True)
    sender = office("H29.05")
    two = (Organization(id="G22", name="Văn phòng"), Organization(id="H30", name="UBND", address="Hà Nội"))
    sender.send(sample_document(recipients=two))
    packet = built(tmp_path / "H29.05", "7816").decode()
    assert packet.count("<edXML:OrganAdd/>") == 1
    assert packet.index("<edXML:OrganName>Văn phòng") < packet.index("<edXML:OrganAdd/>")
    assert "<edXML:Content>V/v kết nối, liên thông văn bản</edXML:Content>" in packet
    assert packet.index("</edXML:SignerInfo>") < packet.index("<edXML:OtherInfo")
    assert "StaffInfo" not in packet


def test_paper_is_stated_where_a_hub_wants_it(office: Office, demands: Any, handle: Any) -> None:
    """A document that does not say whether a paper copy follows says 0 there, and its seal holds (edocservice)."""
    demands(needs_paper=True)
    office("H29.05").send(sample_document(business=Business(paper=None)))
    (receipt,) = handle(office("G22"))
    assert receipt.verification.status == "VALID"
    assert receipt.document.business.paper is False


def test_a_sealed_packet_with_needed_elements_is_valid(office: Office, demands: Any, handle: Any) -> None:
    """What is written for a hub's sake breaks no seal."""
    demands(needed_elements=("To/OrganAdd", "To/Email", "OtherInfo"), content_from_subject=True)
    office("H29.05").send(sample_document())
    (receipt,) = handle(office("G22"))
    assert receipt.verification.status == "VALID"
    assert receipt.document.content == receipt.document.subject


def test_a_status_packet_as_edxml_status(
    office: Office, demands: Any, handle: Any, tmp_path: Path, built: Built
) -> None:
    """A hub that reads ``edXML:Status`` alone gets that, and StaffInfo though empty; we read it too."""
    office("H29.05").send(sample_document())
    demands(status_header="Status", needed_elements=("StaffInfo",))
    (receipt,) = handle(office("G22"))
    receipt.accept()
    packet = built(tmp_path / "G22", "StatusCode")
    assert b"<edXML:edXMLHeader><edXML:Status>" in packet
    assert b"<edXML:MessageHeader>" not in packet
    assert b"<edXML:StaffInfo/>" in packet
    path = tmp_path / "status.edxml"
    path.write_bytes(packet)
    assert edxml.read(path).kind == "status"


def test_codes_of_a_status_are_looked_at(office: Office, demands: Any, handle: Any) -> None:
    """A status to a code that the hub does not take is refused where it is made."""
    office("H29.05").send(sample_document())
    handle(office("G22"))
    demands(**_CODES)
    receipt = office("G22").receipt(sample_document().id)
    with pytest.raises(DocumentError) as caught:
        receipt.accept()
    assert {one.field for one in caught.value.problems} == {"sender.id", "response_for.organ_id"}
