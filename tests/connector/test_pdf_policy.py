"""The demand `require_pdf_signature`: of documents that go out, and of those that come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.edxml import Attachment, Document
from edoc_connector.errors import DocumentError, VerificationFailed
from edoc_connector.pdf import sign_pdf
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys, authority

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Handle, Office

DEMAND = {"require_pdf_signature": True}


@pytest.fixture
def with_files(tmp_path: Path) -> Callable[..., Document]:
    """A document with a signed PDF file (or one signed with other keys), and another that is no PDF."""

    def make(*, keys: Any = None, **changes: Any) -> Document:
        keys = keys or agency_keys("Sở Nội vụ", organ_id="H29.05")
        sign_pdf(sample_pdf(["Cong van"]), tmp_path / "signed.pdf", signer=keys.signer(), stamp=None)
        files = (Attachment.from_path(tmp_path / "signed.pdf"), Attachment.from_bytes(b"a;b", name="a.csv"))
        return sample_document(attachments=files, **changes)

    return make


def test_sending_an_unsigned_pdf(office: Office, hub: RunningHub, fails: Fails) -> None:
    """Refused before anything is stored; the error names the file, the reason and what to do."""
    sender = office("H29.05", signing=DEMAND)
    error = fails(DocumentError, lambda: sender.send(sample_document()), "edoc pdf sign")
    (problem,) = error.problems
    assert (problem.code, problem.field, problem.value) == ("PDF-NONE", "attachments[0]", "cong-van.pdf")
    assert "require_pdf_signature" in error.message
    assert "require_pdf_signature" in error.vi
    assert sender.deliveries() == []
    assert hub.packets() == []


def test_sending_a_signed_pdf(office: Office, with_files: Callable[..., Document]) -> None:
    """A validly signed file goes out; without the demand an unsigned one does too."""
    sender = office("H29.05", signing=DEMAND)
    assert sender.send(with_files()).id
    assert office("H29.05").send(sample_document(number="7817")).id


def test_sending_a_pdf_signed_by_a_stranger(office: Office, fails: Fails, with_files: Callable[..., Document]) -> None:
    """Where the settings name trusted authorities, the signature must lead to one of them."""
    stranger = authority("Stranger CA").agency("Kẻ lạ", kind="p256")
    document = with_files(keys=stranger)
    error = fails(DocumentError, lambda: office("H29.05", signing=DEMAND).send(document))
    assert error.problems[0].code == "SIG-UNTRUSTED"


def test_receiving(office: Office, hub: RunningHub, handle: Handle, with_files: Callable[..., Document]) -> None:
    """A packet with an unsigned PDF file is set aside, as one that the policy does not let in; others are handed on."""
    sender, receiver = office("H29.05"), office("G22", receive=DEMAND)
    sender.send(sample_document())
    sender.send(with_files(number="7817"))
    (receipt,) = handle(receiver)
    assert receipt.document.number == "7817"
    assert handle(receiver) == []
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert aside.error is not None
    assert aside.error_vi is not None
    assert "'cong-van.pdf' is UNSIGNED (PDF-NONE)" in aside.error
    assert "Không tiếp nhận" in aside.error_vi
    assert sorted(receipt.state for receipt in hub.packets()[0].receipts) == ["fail"]


@pytest.mark.parametrize("kind", ["damaged", "encrypted", "of a kind not known here"])
def test_a_pdf_that_we_cannot_read_is_not_told_fail(
    kind: str,
    office: Office,
    hub: RunningHub,
    handle: Handle,
    fails: Fails,
    with_files: Callable[..., Document],
    tmp_path: Path,
) -> None:
    """A document is set aside where we cannot read its PDF file, and the hub hears nothing (faults, row 21)."""
    data = sample_pdf(["x"])
    if kind == "damaged":
        data = data.replace(b"xref", b"xxxx")
    elif kind == "encrypted":
        data = data.replace(b"/Root", b"/Encrypt << /Filter /Standard >> /Root")
    else:
        keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
        sign_pdf(data, tmp_path / "signed.pdf", signer=keys.signer(), stamp=None)
        data = (tmp_path / "signed.pdf").read_bytes().replace(b"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1/")
    (tmp_path / "odd.pdf").write_bytes(data)
    office("H29.05").send(sample_document(attachments=(Attachment.from_path(tmp_path / "odd.pdf"),)))
    receiver = office("G22", receive=DEMAND)
    assert handle(receiver) == []
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    assert aside.error is not None
    assert aside.error_vi is not None
    assert "'odd.pdf' cannot be judged here (PDF-" in aside.error
    assert "không xét được tệp PDF 'odd.pdf'" in aside.error_vi
    assert "fail" not in {receipt.state for receipt in hub.packets()[0].receipts}
    fails(VerificationFailed, lambda: receiver.recheck(aside.hub_doc_id), "require_pdf_signature")
    assert office("G22").recheck(aside.hub_doc_id).document.number == "7816"


def test_a_packet_set_aside_is_judged_again(office: Office, handle: Handle, fails: Fails) -> None:
    """Once the demand is dropped, recheck() lets it in."""
    office("H29.05").send(sample_document())
    receiver = office("G22", receive=DEMAND)
    assert handle(receiver) == []
    (aside,) = receiver.receipts(state=ReceiptState.QUARANTINED)
    fails(VerificationFailed, lambda: receiver.recheck(aside.hub_doc_id), "require_pdf_signature")
    assert office("G22").recheck(aside.hub_doc_id).document.number == "7816"
