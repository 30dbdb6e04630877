"""How the system tests itself against the mock hub: the fixtures come with edoc-connector."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from dms import Register

import edoc_connector as edoc
from edoc_connector.config import Settings
from edoc_connector.testing import MockOffice, assert_statuses, sample_document


@pytest.fixture(params=["vxp", "lgsp", "edocservice"])
def register(request: pytest.FixtureRequest, edoc_settings: Callable[..., Settings]) -> Iterator[Register]:
    """Our register, as the agency H29.05, on each kind of hub."""
    with edoc.Connector.open(edoc_settings("H29.05", dialect=request.param)) as connector:
        yield Register(connector)


def test_what_comes_is_registered(register: Register, edoc_office: Callable[..., MockOffice]) -> None:
    """A document is in the register, and its sender is told that it arrived and was accepted."""
    g22 = edoc_office("G22")
    document_id = g22.send(number="12", notation="VPCP-HC", subject="Kế hoạch năm 2027")
    register.take_in()
    assert register.entries == {1: ("12/VPCP-HC", "Kế hoạch năm 2027")}
    assert g22.list_statuses(document_id) == ["01", "03"]


def test_a_recall_is_agreed_to(register: Register, edoc_office: Callable[..., MockOffice]) -> None:
    """Whoever recalls a document is told that we agree."""
    g22 = edoc_office("G22")
    document_id = g22.send()
    register.take_in()
    g22.recall(document_id)
    register.take_in()
    assert "15" in g22.list_statuses(document_id)


def test_we_see_what_the_other_side_did(register: Register, edoc_office: Callable[..., MockOffice]) -> None:
    """A refusal of a letter of ours is known after the next poll."""
    g22 = edoc_office("G22")
    letter = register.connector.send(sample_document())
    g22.reject(letter.id, "Sai thẩm quyền")
    register.take_in()
    assert_statuses(register.connector, letter.id, {"G22": "02"})
