"""What a receipt hands out: names and descriptions of files as they were sealed, whatever the hub made of them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Receipt
from edoc_connector.edxml import Attachment
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

NAME, DESCRIPTION = "bảng số liệu.pdf", "Bảng số liệu kèm theo"
DECOMPOSED_NAME, DECOMPOSED = (unicodedata.normalize("NFD", text) for text in (NAME, DESCRIPTION))


def _replace(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(packet: bytes) -> bytes:
        assert old.encode() in packet
        return packet.replace(old.encode(), new.encode())

    return change


@pytest.fixture
def receive(office: Office, hub: RunningHub, handle: Handle) -> Callable[..., Receipt]:
    """Sends a document with one file, and receives it from a hub that changes a text on the way."""

    def run(old: str, new: str) -> Receipt:
        sender, receiver = office("H29.05"), office("G22", receive={"policy": "any"})
        file = Attachment.from_bytes(b"%PDF-1.4 x", name=NAME, description=DESCRIPTION)
        sender.send(sample_document(attachments=(file,)))
        hub.tamper = _replace(old, new)
        (receipt,) = handle(receiver)
        return receipt

    return run


@pytest.mark.parametrize(
    ("old", "new"),
    [(NAME, DECOMPOSED_NAME), (NAME, f" {NAME} "), (DESCRIPTION, DECOMPOSED), (DESCRIPTION, f"\r\n{DESCRIPTION}\t")],
    ids=["name decomposed", "spaces at the name", "description decomposed", "space at the description"],
)
def test_what_a_seal_says_is_what_is_shown_of_files(receive: Callable[..., Receipt], old: str, new: str) -> None:
    """Names and descriptions that a hub spells otherwise are handed out as they were sealed ("What a seal says")."""
    receipt = receive(old, new)
    assert receipt.verification.reason == "SEAL-OK"
    (file,) = receipt.attachments
    assert (file.name, file.description) == (NAME, DESCRIPTION)
    assert receipt.document.attachments == receipt.attachments
    assert {"Attachment.1", "Attachment.1.Description"} <= set(receipt.verification.sealed)
    assert [one.code for one in receipt.verification.findings] == ["SIG-REBUILT"]
    assert b"".join(file.pieces()) == b"%PDF-1.4 x"


def test_what_a_seal_says_a_description_that_the_hub_wrote_is_named(receive: Callable[..., Receipt]) -> None:
    """Another description is handed out, as the hub's: named as unsealed, with what was sealed (The seal, step 7)."""
    receipt = receive(DESCRIPTION, "Hóa đơn")
    assert (receipt.attachments[0].name, receipt.attachments[0].description) == (NAME, "Hóa đơn")
    assert "Attachment.1.Description" in receipt.verification.unsealed
    (finding,) = (one for one in receipt.verification.findings if one.code == "SEAL-REFRESHED")
    assert DESCRIPTION in finding.detail
    assert "Hóa đơn" in finding.detail


def test_what_a_seal_says_another_name_is_invalid(receive: Callable[..., Receipt]) -> None:
    """A file under another name makes the packet INVALID, and is then shown as it came (The seal, step 5)."""
    receipt = receive(NAME, "hóa đơn.pdf")
    assert (receipt.verification.status, receipt.verification.reason) == ("INVALID", "SEAL-DIFFERS")
    assert [one.name for one in receipt.attachments] == ["hóa đơn.pdf"]
    assert (receipt.verification.sealed, receipt.verification.message) == ((), None)
