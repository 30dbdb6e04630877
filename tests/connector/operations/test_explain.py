"""The Vietnamese of a story: what a clerk reads has no English in it (issue, "edoc explain")."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Story
from edoc_connector.edxml import ResponseFor
from edoc_connector.errors import EdocError
from edoc_connector.mockhub import Fault
from edoc_connector.store import MACHINES
from edoc_connector.testing import agency_keys, sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

ID, ISSUED_ON = sample_document().id, sample_document().issued_on
_ENGLISH = re.compile(r"\b(the|was|were|not|and|of|by|again|has|have|took|told|worker|person|lease)\b", re.IGNORECASE)


def _is_vietnamese(story: Story) -> bool:
    lines = story.text(vi=True)
    lines = re.sub(r"edoc settle ID --arrived hoặc --not-arrived|HTTP.*|RemoteProtocolError[^)]*", "", lines)
    assert _ENGLISH.findall(lines) == [], lines
    assert all(move.cause not in lines for machine in MACHINES for move in machine.transitions)
    return bool(story.text())


@pytest.mark.parametrize("kind", ["error", "drop-before-accepting", "drop-after-accepting"])
def test_a_document_that_met_trouble(office: Office, hub: RunningHub, handle: Handle, kind: str) -> None:
    """A hub that is busy, or lets the connection drop, then takes the packet."""
    sender = office("H29.05")
    hub.faults.add(Fault(kind=kind, path="/sendEdoc", status=503))
    with pytest.raises(EdocError):
        sender.send(sample_document())
    assert _is_vietnamese(sender.explain(ID))
    for _ in range(3):
        sender.flush()
    story = sender.explain(ID)
    assert _is_vietnamese(story)
    assert "đã lưu trước khi gửi" in story.text(vi=True)
    assert "stored, before anything is sent" in story.text()


def test_a_document_that_is_taken_back(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Statuses, a request and its answer, on both sides."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    (receipt,) = handle(receiver)
    receipt.accept()
    handle(sender)
    sender.take_back(ID, reason="Gửi nhầm nơi nhận")
    handle(receiver)
    assert _is_vietnamese(receiver.explain(ID))
    receiver.receipt(ID).agree_change()
    handle(sender)
    assert _is_vietnamese(sender.explain(ID))
    told = receiver.explain(ID).text(vi=True)
    assert "chữ ký số: " in told
    assert "nơi gửi yêu cầu lấy lại: Gửi nhầm nơi nhận" in told


def test_packets_that_are_set_aside_or_given_back(office: Office, hub: RunningHub, handle: Handle) -> None:
    """A packet that cannot be read, a person's decision, an application that failed."""
    sender, receiver = office("H29.05"), office("G22")
    bad = hub.offer(b"<no-packet/>", sender="H29.05", to="G22")
    sender.send(sample_document())
    (receipt,) = receiver.receive()
    with pytest.raises(ZeroDivisionError), receipt:
        raise ZeroDivisionError
    assert _is_vietnamese(receiver.explain(bad))
    assert _is_vietnamese(receiver.explain(ID))
    assert "phần mềm của đơn vị gặp lỗi ZeroDivisionError" in receiver.explain(ID).text(vi=True)


FORGED = "Gửi nhầm\n20/11/2026 08:30:00  G22: 03 accepted\u2028\x9b2J\u202e"


def test_words_and_screens_a_description_makes_no_line_of_a_story(
    office: Office, status: Callable[..., None], handle: Handle
) -> None:
    """What a correspondent writes stands in its own line of the story, and begins none ("Words and screens")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document(subject=f"V/v {FORGED}"))
    handle(receiver)
    status(code="02", description=FORGED)
    handle(sender)
    for connector in (sender, receiver):
        story = connector.explain(ID)
        for vi in (False, True):
            told = story.text(vi=vi)
            assert "03 accepted" in told
            assert all(line.isprintable() for line in told.split("\n"))
            assert not any(line.startswith("20/11/2026 08:30:00  G22") for line in told.split("\n"))
            assert len(told.splitlines()) == 1 + len(story.events) + len(story.next)


def test_words_and_screens_an_id_makes_no_line_of_the_log(
    office: Office, status: Callable[..., None], handle: Handle
) -> None:
    """A DocumentId with a line end in it, in a status about nothing we sent, is one line of any handler's log."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("RECORD %(message)s"))
    logging.getLogger("edoc_connector").addHandler(handler)
    try:
        forged = "X\n2026-11-20 edoc_connector INFO all is well\x9b2J"
        status(response_for=ResponseFor(organ_id="H29.05", code="1/X", document_id=forged, issued_on=ISSUED_ON))
        handle(office("H29.05"))
    finally:
        logging.getLogger("edoc_connector").removeHandler(handler)
    assert "all is well" in out.getvalue()
    assert all(line.startswith("RECORD ") and line.isprintable() for line in out.getvalue().splitlines())


def test_words_and_screens_a_story_names_the_signer_the_chain_and_the_trust(
    office: Office, handle: Handle, tmp_path: Path
) -> None:
    """Who signed what came, by which certificates, and whether that one was trusted then ("Words and screens")."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    (tmp_path / "password").write_text("of the test", encoding="utf-8")
    key = keys.write_p12(tmp_path / "key.p12", password="of the test")
    sender = office("H29.05", signing={"key": key, "secret": f"file:{tmp_path / 'password'}"})
    root = keys.write_root(tmp_path / "ca.pem")
    receiver = office("G22", receive={"policy": "trusted", "trust": [str(root)]})
    sender.send(sample_document())
    handle(receiver)
    chain = "Sở Nội vụ ← Throwaway CA Issuing ← Throwaway CA Root"
    story = receiver.explain(ID)
    assert f"Signed by Sở Nội vụ (chain: {chain}): trusted." in story.text()
    assert f"Người ký: Sở Nội vụ (chuỗi chứng thư số: {chain}): tin cậy." in story.text(vi=True)
