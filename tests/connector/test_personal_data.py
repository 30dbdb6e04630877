"""What documents say stays out of logs, figures and errors: ids only, unless a setting wants more."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import edoc_connector.edxml as edxml
from edoc_connector.connector import Handlers
from edoc_connector.edxml import Attachment, Classification, Document, Organization
from edoc_connector.errors import AttachmentError, EdocError, show_details
from edoc_connector.testing import RunningHub, sample_document
from edoc_connector.worker import Worker
from edoc_connector.worker.health import _MetricsCollector as MetricsCollector

if TYPE_CHECKING:
    from .conftest import Office

SUBJECT, NAME = "Trích-yếu-riêng MẬT", "tên-tệp-riêng MẬT.txt"
CONTENT = "ruột-riêng <private>".encode().ljust(5000, b".")
MARKED = ("Trích-yếu-riêng", "tên-tệp-riêng", "ruột-riêng", "Người-ký-riêng", "<private>")
"""What must not be found: the beginnings of a subject, a file's name and a content, and a person's name."""


@pytest.fixture(autouse=True)
def _details_off() -> Iterator[None]:
    yield
    show_details(False)


def make_document(**values: Any) -> Document:
    attachment = Attachment.from_bytes(CONTENT, name=NAME)
    signer = edxml.SignerInfo(full_name="Người-ký-riêng")
    return sample_document(**{"subject": SUBJECT, "attachments": (attachment,), "signer": signer} | values)


def find_leaks(caplog: pytest.LogCaptureFixture, *texts: str) -> set[str]:
    formatter = logging.Formatter("%(message)s")
    ours = [one for one in caplog.records if one.name.startswith("edoc_connector")]
    everything = "\n".join([*(formatter.format(one) for one in ours), *texts])
    return {mark for mark in MARKED if mark in everything}


def describe(error: BaseException) -> str:
    own = (error.message, error.vi) if isinstance(error, EdocError) else ()
    return "\n".join([*own, str(error), repr(error)])


def catch(call: Callable[[], object]) -> str:
    with pytest.raises(EdocError) as caught:
        call()
    return describe(caught.value) + "".join(traceback.format_exception_only(caught.value))


def test_what_is_sent_and_received_is_not_in_logs(
    office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture
) -> None:
    """A document goes, is handled and answered: its docId is in the log, and no word of it (Decree 13/2023/NĐ-CP)."""
    caplog.set_level(logging.DEBUG)
    sender, receiver = office("H29.05"), office("G22")
    sender.send(make_document())
    assert "a mark of secrecy stands in" in caplog.text
    caplog.clear()
    for receipt in receiver.receive():
        with receipt:
            assert receipt.document.subject == SUBJECT
            assert "EDX-MARK" in {one.code for one in receipt.findings}
        receipt.accept()
    list(sender.receive())
    assert "a mark of secrecy stands in" in caplog.text
    assert receiver.receipts()[0].hub_doc_id in caplog.text
    assert find_leaks(caplog) == set()


def test_what_is_refused_is_not_in_logs_or_errors(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Refusals name the rule that a document breaks, and not what it says (issue, ids only)."""
    caplog.set_level(logging.DEBUG)
    sender = office("H29.05", signing={"require_pdf_signature": True})
    bad_pdf = Attachment.from_bytes(b"%PDF-1.4 " + CONTENT, name=f"{NAME}.pdf")
    long = {"type_name": "Người-ký-riêng" * 30, "subject": f"{SUBJECT}\x00"}
    refused = [make_document(classification=level) for level in Classification]
    refused += [make_document(**long), make_document(attachments=(bad_pdf,)), make_document(sender=_other_sender())]
    refused += [make_document(attachments=(Attachment.from_bytes(b"", name=NAME),))]
    said = [catch(lambda document=document: sender.send(document)) for document in refused]  # type: ignore[misc]
    assert all("Decision 28/2018/QĐ-TTg" in text for text in said[:3])
    assert list(sender.deliveries()) == []
    said.append(catch(lambda: Attachment.from_path(tmp_path / NAME)))
    sender.send(make_document())
    said.append(catch(lambda: sender.send(make_document(subject=f"{SUBJECT} hai"))))
    assert find_leaks(caplog, *said) == set()


def _other_sender() -> Organization:
    return Organization(id="G22", name="Người-ký-riêng")


@pytest.mark.parametrize("change", ["subject", "content", "cut", "head", "no XML", "name"])
def test_what_is_set_aside_is_not_in_logs_or_errors(
    change: str, office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture
) -> None:
    """A packet that was changed on its way is set aside under its docId; what differs is told to a person only."""
    caplog.set_level(logging.DEBUG)
    sender, receiver = office("H29.05"), office("G22")
    sender.send(make_document())
    changes: dict[str, Callable[[bytes], bytes]] = {
        "subject": lambda data: data.replace("Trích-yếu-riêng".encode(), "Trích-yếu-riêng-khác".encode()),
        "name": lambda data: data.replace("tên-tệp-riêng".encode(), "tên-tệp-riêng-khác".encode()),
        "content": lambda data: data.replace(b"UEsDB", b"UEsDC", 1),
        "head": lambda data: CONTENT[:20] + data,
        "no XML": lambda _: CONTENT[:20],
        "cut": lambda data: data[: len(data) // 2],
    }
    hub.tamper = changes[change]
    assert list(receiver.receive()) == []
    (receipt,) = receiver.receipts()
    assert receipt.state == "quarantined"
    assert receipt.hub_doc_id in caplog.text
    assert "is set aside" in caplog.text
    with pytest.raises(EdocError) as caught:
        receiver.recheck(receipt.hub_doc_id)
    assert find_leaks(caplog, describe(caught.value)) == set()
    person_reads = {"subject": "-riêng-khác", "name": "-riêng-khác", "head": "ruột-riêng"}
    assert person_reads.get(change, "") in caught.value.full


def test_an_applications_words_are_not_in_logs(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """A handler that fails with the document in its exception is logged with its traceback, and without that text."""
    caplog.set_level(logging.DEBUG)
    sender, receiver = office("H29.05"), office("G22")
    sender.send(make_document())

    def fail(receipt: Any) -> None:
        raise ValueError(f"cannot register {receipt.document.subject}: {receipt.attachments[0].name}")

    handlers = Handlers()
    handlers.on_receipt(fail)
    with Worker([receiver.settings], handlers=handlers) as worker:
        worker.run_once()
    assert "the application failed on docId" in caplog.text
    assert "ValueError: its text is left out" in caplog.text
    assert "in fail" in caplog.text
    assert find_leaks(caplog) == set()
    assert SUBJECT in (receiver.receipts()[0].traceback or "")  # in the store, for a person


def test_a_setting_wants_more(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """With [logs] details errors and logs name files again; `full` always does, for a person who may see them."""
    empty = make_document(attachments=(Attachment.from_bytes(b"", name=NAME),))
    sender = office("H29.05")
    with pytest.raises(AttachmentError, match="attachment '…' is empty") as caught:
        sender.send(empty)
    assert NAME in caught.value.full
    assert NAME in caught.value.full_vi
    detailed = office("H29.05", logs={"details": True})
    with pytest.raises(AttachmentError, match=f"attachment '{NAME}' is empty"):
        detailed.send(empty)


def test_figures_have_labels_of_ours_only(office: Office) -> None:
    """Names and labels of every metric are agencies, hubs, jobs, tables, states and codes of checks."""
    sender = office("H29.05")
    sender.send(make_document())
    with Worker([sender.settings]) as worker:
        worker.run_once()
        worker.agency_jobs[0].checks.run()
        labels = {(name, value) for metric in MetricsCollector(worker).collect() for sample in metric.samples
                  for name, value in sample.labels.items()}  # fmt: skip
    assert {name for name, _ in labels} == {"agency", "hub", "kind", "table", "state", "job", "code", "severity"}
    assert ("agency", "H29.05") in labels
    assert not any(mark in value for mark in MARKED for _, value in labels)
