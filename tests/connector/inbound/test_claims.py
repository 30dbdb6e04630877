"""What is known of a packet beside its signature: another document with its number."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.edxml import Document
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office


def _find_twins(connector: Connector, document: Document) -> list[str]:
    findings = connector.receipt(document.id).authority_findings
    return [one.detail for one in findings if one.code == "SAME-NUMBER"]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_another_document_with_a_number_is_pointed_out(office: Office, handle: Handle) -> None:
    """Same number, notation and issuer under another id: a finding, and it comes in (business rules, Annex VI)."""
    sender, receiver = office("H29.05"), office("G22")
    first = sample_document()
    others = {
        "under another id": first.model_copy(update={"id": f"{first.id}-2"}),
        "another number": first.model_copy(update={"id": f"{first.id}-3", "number": f"{first.number}9"}),
        "of the year before": first.model_copy(
            update={"id": f"{first.id}-4", "issued_on": date(first.issued_on.year - 1, 5, 4)}
        ),
    }
    for document in (first, *others.values()):
        sender.send(document)
        handle(receiver)
    found = {name: _find_twins(receiver, document) for name, document in others.items()}
    assert found == {"under another id": [first.id], "another number": [], "of the year before": []}
    assert _find_twins(receiver, first) == []
    (finding,) = (
        one for one in receiver.receipt(others["under another id"].id).authority_findings if one.code == "SAME-NUMBER"
    )
    assert first.id in finding.message_vi
    assert "kiểm tra xem có trùng" in finding.message_vi


def test_the_number_of_another_issuer_is_its_own(office: Office, handle: Handle) -> None:
    """Two agencies give the same number and notation each: nobody is warned."""
    receiver = office("G22")
    first = sample_document()
    office("H29.05").send(first)
    other = office("H30")
    second = first.model_copy(update={"id": f"{first.id}-2", "sender": other.settings.organization()})
    other.send(second)
    handle(receiver)
    assert (_find_twins(receiver, first), _find_twins(receiver, second)) == ([], [])
