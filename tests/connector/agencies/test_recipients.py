"""Recipients judged by the directory when a document is sent, over a real hub."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector, DeliveryState, RecipientKind
from edoc_connector.edxml import Organization
from edoc_connector.errors import RecipientEnded
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

OLD = (Organization(id="H31.01", name="Sở cũ"), Organization(id="H31.02", name="Sở cũ nữa"))
ELSEWHERE = Organization(id="H99", name="Nơi khác")


@pytest.fixture
def sender(office: Office, hub: RunningHub, tmp_path: Path) -> Connector:
    """An agency whose directory knows two codes that went into G22."""
    hub.add_agency("H31.01", "secret", "Sở cũ")
    hub.add_agency("H31.02", "secret", "Sở cũ nữa")
    connector = office("H29.05")
    connector.sync_agencies()
    return connector


def end(sender: Connector, *lines: str) -> None:
    """Import what our own list says."""
    path = Path(sender.settings.spool()).parent / "list.csv"
    path.write_text("code,successor,to\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    sender.import_agencies(path)


def test_an_ended_recipient_is_refused_naming_its_heir(sender: Connector, hub: RunningHub) -> None:
    """Nothing is stored, nothing leaves, and the error has the heir (business rules, "refused, naming")."""
    end(sender, "H31.01,H31.02,30/06/2025", "H31.02,G22,")
    with pytest.raises(RecipientEnded, match=r"ended on 30/06/2025; its successor is G22 \(Văn phòng") as raised:
        sender.send(sample_document(recipients=OLD[:1]))
    assert raised.value.heirs == {"H31.01": "G22"}
    assert [problem.field for problem in raised.value.problems] == ["recipients[0].id"]
    assert "đơn vị kế thừa là G22" in raised.value.vi
    assert (list(sender.deliveries()), hub.packets()) == ([], [])


def test_an_ended_recipient_without_an_heir(sender: Connector, hub: RunningHub) -> None:
    """It is refused too, and not rewritten, where nobody says who took its place (issue, "refuses a dead one")."""
    hub.hub.storage.mark_agency("H31.01", deleted=True, at=hub.hub.now())
    sender.sync_agencies()
    with pytest.raises(RecipientEnded, match="no successor is known") as raised:
        sender.send(sample_document(recipients=OLD[:1]), use_successors=True)
    assert raised.value.heirs == {"H31.01": None}


def test_heirs_take_the_place_of_ended_recipients(sender: Connector, handle: Handle, office: Office) -> None:
    """Two that went into one are one recipient; sent again it is the same delivery (issue, "offers to rewrite")."""
    end(sender, "H31.01,G22,", "H31.02,G22,")
    document = sample_document(recipients=(*OLD, Organization(id="H30", name="UBND tỉnh")))
    sent = sender.send(document, use_successors=True)
    assert [one.organ_id for one in sent.recipients] == ["G22", "H30"]
    assert sent.state is DeliveryState.SENT
    assert sender.send(document, use_successors=True).id == sent.id
    (came,) = handle(office("G22", receive={"policy": "any"}))
    assert [one.name for one in came.document.recipients] == ["Văn phòng Chính phủ", "UBND tỉnh"]


def test_a_document_in_flight_is_the_same_delivery(sender: Connector) -> None:
    """What was stored before its recipient ended is sent again as it is (business rules, "documents in flight")."""
    document = sample_document(recipients=OLD[:1])
    sent = sender.send(document)
    end(sender, "H31.01,G22,")
    assert sender.send(document).id == sent.id
    assert sender.send(document, use_successors=True).id == sent.id


def test_an_unknown_recipient_is_warned_of(sender: Connector, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the code and what to do; the hub decides (issue, "`send` warns on an unknown recipient")."""
    caplog.set_level(logging.WARNING, "edoc_connector.connector.agencies")
    with pytest.raises(Exception, match="H99"):
        sender.send(sample_document(recipients=(ELSEWHERE,)))
    assert "recipient H99 is not in the hub's directory" in caplog.text
    kinds = {check.code: check.kind for check in sender.check_recipients(["G22", "H99", "h31.01"])}
    assert kinds == {"G22": RecipientKind.KNOWN, "H99": RecipientKind.UNKNOWN, "h31.01": RecipientKind.KNOWN}


def test_without_a_directory_nobody_is_judged(
    office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture
) -> None:
    """A directory that was never taken over, or that lists a part only, warns of nobody (issue, "`send` warns")."""
    connector = office("H29.05")
    assert [check.kind for check in connector.check_recipients(["H99"])] == [RecipientKind.NOT_JUDGED]
    connector.send(sample_document())
    assert "directory" not in caplog.text


def test_a_recall_to_the_heir_is_entered_at_the_ended_one(sender: Connector) -> None:
    """The heir is asked in the place of who got the document (business rules, "codes die and merge")."""
    sent = sender.send(sample_document(recipients=OLD[:1]))
    end(sender, "H31.01,G22,")
    with pytest.raises(RecipientEnded, match="G22"):
        sender.recall(sent.id, reason="Ban hành nhầm", recipients=OLD[:1])
    heir = Organization(id="G22", name="Văn phòng Chính phủ")
    recall = sender.recall(sent.id, reason="Ban hành nhầm", recipients=[heir])
    assert sender.recall(sent.id, reason="Ban hành nhầm", recipients=[heir]).id == recall.id
    assert sender.delivery(sent.id).recipients[0].change == "asked"


def test_a_recall_asks_the_heir_by_itself(sender: Connector, office: Office, handle: Handle) -> None:
    """Nobody need be named: who ended is asked at its heir, once (business rules, "codes die and merge")."""
    sent = sender.send(sample_document(recipients=[OLD[0], Organization(id="H30", name="UBND tỉnh")]))
    end(sender, "H31.01,G22,")
    recall = sender.recall(sent.id, reason="Ban hành nhầm")
    assert {one.organ_id for one in recall.recipients} == {"G22", "H30"}
    assert {one.change for one in sender.delivery(sent.id).recipients} == {"asked"}
    (asked,) = handle(office("G22", receive={"policy": "any"}))
    asked.agree_change()
    handle(sender)
    assert sender.recall(sent.id, reason="Ban hành nhầm").id == recall.id  # of which H30 has to answer still


def test_a_recall_that_went_to_the_code_of_before_is_not_made_again(sender: Connector) -> None:
    """A code that ended since it was asked owes the answer still, by whoever is its heir."""
    sent = sender.send(sample_document(recipients=OLD[:1]))
    recall = sender.recall(sent.id, reason="Ban hành nhầm")
    end(sender, "H31.01,G22,")
    assert sender.recall(sent.id, reason="Ban hành nhầm").id == recall.id


SPLIT = "H31.01,H31.05 / H31.06,30/06/2025"


@pytest.mark.parametrize("use_successors", [False, True])
def test_a_recipient_that_was_split_is_refused_naming_the_choices(sender: Connector, use_successors: bool) -> None:
    """Which of several heirs is meant nobody can tell: the error names them (business rules, "codes die and merge")."""
    end(sender, SPLIT, "H31.06,G22,")
    with pytest.raises(RecipientEnded, match=r"split.* one of H31\.05, G22 \(Văn phòng") as raised:
        sender.send(sample_document(recipients=OLD[:1]), use_successors=use_successors)
    assert (raised.value.heirs, raised.value.choices) == ({"H31.01": None}, {"H31.01": ("H31.05", "G22")})
    assert "chia tách" in raised.value.vi
    (check,) = sender.check_recipients(["H31.01"])
    assert (check.heir, [one.code for one in check.choices]) == (None, ["H31.05", "G22"])


def test_a_recall_from_a_recipient_that_was_split_asks_which(sender: Connector) -> None:
    """It goes to nobody by itself; named, the one that has the document is asked."""
    sent = sender.send(sample_document(recipients=OLD[:1]))
    end(sender, "H31.01,G22+H31.06,")
    with pytest.raises(RecipientEnded, match=r"one of G22 .*, H31\.06"):
        sender.recall(sent.id, reason="Ban hành nhầm")
    heir = Organization(id="G22", name="Văn phòng Chính phủ")
    assert [one.organ_id for one in sender.recall(sent.id, reason="Nhầm", recipients=[heir]).recipients] == ["G22"]


def test_a_recall_without_a_known_heir_names_the_code(sender: Connector) -> None:
    """Where the directory names no heir nobody is asked in its place (business rules, "codes die and merge")."""
    sent = sender.send(sample_document(recipients=OLD[:1]))
    end(sender, "H31.01,,01/01/2020")
    with pytest.raises(RecipientEnded, match=r"H31\.01") as caught:
        sender.recall(sent.id, reason="Ban hành nhầm")
    assert caught.value.heirs == {"H31.01": None}


@pytest.mark.parametrize("does_agree", [True, False])
def test_the_heirs_answer_is_entered_at_the_ended_one(
    sender: Connector, office: Office, handle: Handle, does_agree: bool
) -> None:
    """What the heir says of a recall counts for the document that the ended one got (business rules, "codes die")."""
    sent = sender.send(sample_document(recipients=OLD[:1]))
    end(sender, "H31.01,G22,")
    heir = Organization(id="G22", name="Văn phòng Chính phủ")
    recall = sender.recall(sent.id, reason="Ban hành nhầm", recipients=[heir])
    (asked,) = handle(office("G22", receive={"policy": "any"}))
    asked.agree_change() if does_agree else asked.refuse_change("Đã giải quyết")
    handle(sender)
    assert sender.delivery(recall.id).recipient("G22").status == ("15" if does_agree else "16")
    assert sender.delivery(sent.id).recipient("H31.01").change == ("agreed" if does_agree else "refused")


def test_an_heir_is_asked_beside_a_recipient_that_lives_on(sender: Connector, office: Office, handle: Handle) -> None:
    """A recall to both enters each answer where its recipient stands (business rules, "codes die and merge")."""
    living = Organization(id="H30", name="UBND tỉnh Hà Nam")
    sent = sender.send(sample_document(recipients=[OLD[0], living]))
    end(sender, "H31.01,G22,")
    heir = Organization(id="G22", name="Văn phòng Chính phủ")
    sender.recall(sent.id, reason="Ban hành nhầm", recipients=[heir, living])
    assert {one.organ_id: one.change for one in sender.delivery(sent.id).recipients} == {
        "H31.01": "asked",
        "H30": "asked",
    }
    (asked,) = handle(office("G22", receive={"policy": "any"}))
    asked.agree_change()
    handle(sender)
    assert sender.delivery(sent.id).recipient("H31.01").change == "agreed"
    assert sender.delivery(sent.id).recipient("H30").change == "asked"
