"""Answers of a hub that are odd where nobody reads them: what keeps them for the evidence must not fall over them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from edoc_connector.client import HubClient
from edoc_connector.errors import OutcomeUnknown, ProtocolError
from edoc_connector.hubs import WireRequest, WireResponse
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Office

ID = sample_document().id


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def add_to_answers(monkeypatch: pytest.MonkeyPatch, field: bytes) -> None:
    """Every JSON object that the hub answers with begins with one field more."""
    real = HubClient._perform

    def perform(self: HubClient, request: WireRequest) -> WireResponse:
        response = real(self, request)
        return dataclasses.replace(response, body=response.body.replace(b"{", b"{" + field + b",", 1))

    monkeypatch.setattr(HubClient, "_perform", perform)


def test_a_text_that_no_database_takes(office: Office, hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a character in a text that means nothing to us: sent and received, and kept cleaned (faults, row 11)."""
    add_to_answers(monkeypatch, b'"note\\udc00":"\\ud800 \\u0000","secrets":["\\ud800"]')
    sender = office("H29.05")
    assert sender.send(sample_document()).state is DeliveryState.SENT
    assert [receipt.id for receipt in office("G22").receive()] == [ID]
    with sender.context.store.snapshot() as tx:
        entries = [facts for facts in tx.evidence_log.list_facts("H29.05") if facts["kind"] == "answer"]
    (kept,) = [entry["body"] for entry in entries if entry["call"] == "sendEdoc"]
    assert (kept["note\ufffd"], kept["secrets"]) == ("\ufffd \ufffd", "(not kept)")


@pytest.mark.parametrize("depth", [40, 900, 6000])
def test_an_answer_nested_without_end(
    office: Office, hub: RunningHub, fails: Fails, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A typed error and an unknown outcome, settled by a hub that speaks sense again (faults, rows 11 and 12)."""
    sender = office("H29.05")
    with monkeypatch.context() as patch:
        add_to_answers(patch, b'"note":' + b"[" * depth + b"]" * depth)
        fails(OutcomeUnknown, lambda: sender.send(sample_document()))
        assert sender.delivery(ID).state is DeliveryState.UNKNOWN
        fails(ProtocolError, lambda: list(sender.receive()))
    sender.flush()
    assert sender.delivery(ID).state is DeliveryState.SENT
    assert len(hub.packets()) == 1
