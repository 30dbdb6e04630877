"""Mail under codes of before and after a reform finds its document, over a real hub."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connector.test_who_may_say_what import Forger, document_of, find, recall_of, status_of

from edoc_connector.connector import Authority, Connector
from edoc_connector.connector.naming import find_agency_codes, find_same_code, is_same_agency
from edoc_connector.edxml import Organization
from edoc_connector.store import DirectoryEntry
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connector.conftest import Handle, Office

OWN, OLD, NEW = "H29.05", "G22", "H30"
AFTER = Organization(id=NEW, name="UBND tỉnh")


@pytest.fixture
def forger(hub: RunningHub, tmp_path: Path) -> Forger:
    """Offers packets of anybody."""
    return Forger(hub, tmp_path)


@pytest.fixture
def connector(office: Office) -> Connector:
    """Our connector."""
    return office(OWN, receive={"policy": "any"})


def merge(connector: Connector, *ended: str, into: str = NEW) -> None:
    """End codes, with an heir."""
    entries = [DirectoryEntry(code=code, name="", successor=into) for code in ended]
    with connector.context.store.transaction() as tx:
        tx.directory.take_own_list(OWN, entries)


@pytest.mark.parametrize("announced", [NEW, OLD])
def test_a_status_of_the_heir(connector: Connector, forger: Forger, handle: Handle, announced: str) -> None:
    """It counts for the recipient under its old code (business rules, "statuses … under an old code")."""
    delivery = connector.send(sample_document())
    merge(connector, OLD)
    forger.offer(status_of(delivery.id, "01").model_copy(update={"sender": AFTER}), announced=announced)
    handle(connector)
    (recipient,) = connector.delivery(delivery.id).recipients
    assert (recipient.organ_id, recipient.status, recipient.authority) == (OLD, "01", Authority.HUB_ANNOUNCED)


def test_a_status_under_the_old_code(connector: Connector, forger: Forger, handle: Handle) -> None:
    """Who still writes its old code is the recipient that the document was addressed to anew (business rules)."""
    merge(connector, OLD)
    delivery = connector.send(sample_document(), use_successors=True)
    forger.offer(status_of(delivery.id, "01"), announced=OLD)
    handle(connector)
    (recipient,) = connector.delivery(delivery.id).recipients
    assert (recipient.organ_id, recipient.status) == (NEW, "01")


@pytest.mark.parametrize("asks", ["take back", "recall"])
def test_a_request_of_the_heir(connector: Connector, forger: Forger, handle: Handle, asks: str) -> None:
    """It finds the document that came under the old code, and so does the answer (issue, "recalls")."""
    forger.offer(document_of(OLD, "7816"))
    (document,) = handle(connector)
    merge(connector, OLD)
    request: Any = status_of(document.id, "13") if asks == "take back" else recall_of(document.id, "1")
    forger.offer(request.model_copy(update={"sender": AFTER}), announced=NEW)
    (asked,) = handle(connector)
    assert connector.receipt(document.id).change_requested
    asked.agree_change()
    assert connector.receipt(document.id).withdrawn


def test_a_document_in_flight(connector: Connector, forger: Forger, handle: Handle) -> None:
    """The heir's account hands in what was written under the old code: nothing is contradicted (business rules)."""
    merge(connector, OLD)
    forger.offer(document_of(OLD, "7816"), announced=NEW)
    (document,) = handle(connector)
    assert (document.authority, document.took_effect) == (Authority.HUB_ANNOUNCED, True)


def test_the_heir_of_two_recipients_says_nothing_for_either(
    connector: Connector, forger: Forger, handle: Handle
) -> None:
    """Which of them is meant nobody knows: kept and flagged (edXML, "one candidate is a match … several are none")."""
    recipients = (Organization(id=OLD, name="A"), Organization(id="H29.05", name="B"))
    delivery = connector.send(sample_document(recipients=recipients))
    merge(connector, OLD, "H29.05")
    doc_id = forger.offer(status_of(delivery.id, "01").model_copy(update={"sender": AFTER}), announced=NEW)
    handle(connector)
    assert [one.status for one in connector.delivery(delivery.id).recipients] == [None, None]
    assert "AUTH-NO-PARTY" in {finding.code for finding in find(connector, doc_id).authority_findings}


def test_a_living_code_lends_nobody_its_word(
    connector: Connector, hub: RunningHub, forger: Forger, handle: Handle
) -> None:
    """A hub that calls a living agency another's code of before moves nothing ("a directory is its hub's word")."""
    hub.add_agency(NEW, f"secret-{NEW}", "UBND tỉnh", old_code=OLD)
    connector.sync_agencies()
    delivery = connector.send(sample_document())
    forger.offer(status_of(delivery.id, "01").model_copy(update={"sender": AFTER}), announced=NEW)
    handle(connector)
    assert connector.delivery(delivery.id).recipients[0].status is None


def test_codes_of_one_agency(connector: Connector) -> None:
    """A line of codes is one agency for mail, and two for signatures (issue, "finds its document")."""
    merge(connector, OLD, "H31")
    with connector.context.store.snapshot() as tx:
        assert find_agency_codes(tx, OWN, NEW) == {OLD, NEW, "H31"}
        assert find_agency_codes(tx, OWN, OLD) == {OLD, NEW}
        assert find_agency_codes(tx, OWN, OLD, succession=False) == {OLD}
        assert is_same_agency(tx, OWN, OLD, NEW)
        assert not is_same_agency(tx, OWN, OLD, NEW, succession=False)
        assert not is_same_agency(tx, OWN, OLD, "H31")
        assert find_same_code(tx, OWN, NEW, [OLD, "H31"]) is None
        assert find_same_code(tx, OWN, NEW, [OLD, "X"]) == OLD
