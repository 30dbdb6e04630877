"""Packets across the mock hub, over loopback HTTP: from a file on one side to a file on the other."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import HubClient, Vxp, edxml, signing
from edoc_connector.errors import AttachmentError, PacketRefused
from edoc_connector.hubs import MessageType, Outcome
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys


def _parties(packet: edxml.Packet) -> tuple[str, list[str]]:
    message = packet.message
    if isinstance(message, edxml.Document):
        return message.sender.id, [one.id for one in message.recipients]
    return message.sender.id, [message.response_for.organ_id or ""]


def _cross(hub: RunningHub, path: Path, folder: Path) -> Path:
    """Send a packet as its sender and fetch it as its first recipient."""
    packet = edxml.read(path)
    sender, recipients = _parties(packet)
    hub.add_agency(sender, "secret-a", sender)
    for recipient in recipients:
        hub.add_agency(recipient, "secret-b", recipient)
    kind = MessageType.EDOC if packet.kind == "document" else MessageType.STATUS
    with HubClient(Vxp(endpoint=hub.url, system_id=sender, secret="secret-a")) as client:
        client.send(path, message_type=kind, sender=sender)
    with HubClient(Vxp(endpoint=hub.url, system_id=recipients[0], secret="secret-b")) as client:
        (waiting,) = client.list_waiting(kind)
        fetched = client.fetch(waiting.doc_id, folder / "fetched.edxml")
        client.confirm(waiting.doc_id, Outcome.DONE)
        assert client.list_waiting(kind) == ()
    return fetched.path


def _contents(packet: edxml.Packet) -> list[tuple[str, str]]:
    """Names and hashes of the attachments; one that cannot be decoded has none."""
    found = []
    for attachment in packet.attachments:
        try:
            found.append((attachment.name, attachment.sha256))
        except AttachmentError:
            found.append((attachment.name, ""))
    return found


def _decode_leniently(path: Path) -> str:
    """The hash of what the hub's library makes of a packet's one attachment: it drops whatever is no base64 digit."""
    (text,) = re.findall(r"<[^/>]*ContentTransferEncoded[^>]*>([^<]+)<", path.read_text(encoding="utf-8"))
    digits = re.sub(r"[^A-Za-z0-9+/_-]", "", text).translate(str.maketrans("-_", "+/"))
    whole = digits[: len(digits) - (len(digits) % 4 == 1)]
    return hashlib.sha256(base64.b64decode(whole + "=" * (-len(whole) % 4))).hexdigest()


def _business(message: edxml.Message) -> dict[str, str]:
    """Every business field, without what hubs are known to add."""
    return {name: text for name, text in edxml.facts(message) if edxml.HUB_DEFAULTS.get(name) != text}


def test_a_hub_that_passes_bytes_through_gives_the_same_file(sample: Path, tmp_path: Path) -> None:
    """Other people's packets come out byte-identical (VXP interface, "send a packet", "fetch, raw")."""
    with RunningHub(MockHubConfig(data=tmp_path / "hub", pass_through=True)) as hub:
        assert _cross(hub, sample, tmp_path).read_bytes() == sample.read_bytes()


def test_a_rebuilt_packet_says_the_same(sample: Path, mock_hub: RunningHub, tmp_path: Path) -> None:
    """Rebuilt, every business field and attachment is as sent (VXP interface, "What the hub does to a packet")."""
    if b"<edXML:Status>" in sample.read_bytes():  # read by us, unknown to the national hub's library
        with pytest.raises(PacketRefused, match="there is no MessageHeader"):
            _cross(mock_hub, sample, tmp_path)
        return
    sent, received = edxml.read(sample), edxml.read(_cross(mock_hub, sample, tmp_path))
    assert _business(received.message) == _business(sent.message)
    assert received.message.sender == sent.message.sender
    expected = [(file, digest or _decode_leniently(sample)) for file, digest in _contents(sent)]
    assert _contents(received) == expected


def _sealed(folder: Path, **changes: Any) -> Path:
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    document, at, signer = sample_document(**changes), datetime.now(UTC), keys.signer()
    path = folder / "sealed.edxml"
    seal = signing.seal_maker(document, signer=signer, at=at)
    edxml.write(document, path, at=at, signature=signing.enveloped(signer), seal=seal)
    return path


def _trusting() -> signing.VerifyPolicy:
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    return signing.VerifyPolicy(mode=signing.VerifyMode.TRUSTED, anchors=(keys.root,))


def test_a_sealed_document_survives_a_hub_that_rebuilds_packets(mock_hub: RunningHub, tmp_path: Path) -> None:
    """The enveloped signature is gone, the seal holds: VALID ("The seal", Result)."""
    sent = _sealed(tmp_path)
    assert signing.verify(edxml.read(sent), _trusting()).method == "packet"
    verification = signing.verify(edxml.read(_cross(mock_hub, sent, tmp_path)), _trusting())
    assert (verification.status.name, verification.method) == ("VALID", "seal")
    assert [attachment.name for attachment in verification.attachments] == ["cong-van.pdf"]


def _swap(old: str, new: str) -> Callable[[bytes], bytes]:
    def tamper(packet: bytes) -> bytes:
        assert old.encode() in packet
        return packet.replace(old.encode(), new.encode())

    return tamper


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("V/v kết nối", "V/v cắt nối", "Subject"),
        ("<edXML:CodeNumber>7816<", "<edXML:CodeNumber>7817<", "Code.CodeNumber"),
        ("<edXML:OrganId>G22<", "<edXML:OrganId>G23<", "To.OrganId"),
        ("JVBERi0xLjQK", "JVBERi0xLjUK", "cong-van.pdf"),
        ("cong-van.pdf", "cong-vam.pdf", "cong-va"),
    ],
    ids=["subject", "number", "recipient", "attachment byte", "attachment name"],
)
def test_what_was_changed_on_the_way_is_named(
    old: str, new: str, named: str, mock_hub: RunningHub, tmp_path: Path
) -> None:
    """One field or one attachment byte changed in transit: INVALID, naming it ("The seal", Checking)."""
    mock_hub.tamper = _swap(old, new)
    verification = signing.verify(edxml.read(_cross(mock_hub, _sealed(tmp_path), tmp_path)), _trusting())
    assert verification.status.name == "INVALID"
    assert named in verification.explanation
    assert named in verification.explanation_vi
    assert verification.message is None
