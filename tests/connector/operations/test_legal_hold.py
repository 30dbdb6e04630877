"""Documents that are held keep everything until they are released (evidence, "How long")."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Connector
from edoc_connector.errors import InvalidQuery, NotFound
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

ID = sample_document().id
NOW = timedelta(0)


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> dict[str, str]:
    """Section ``store`` of the settings, for either database."""
    return {} if request.param == "sqlite" else {"url": request.getfixturevalue("postgres_url")}


def list_facts(connector: Connector, kind: str) -> list[dict[str, object]]:
    """What the evidence says of a kind."""
    with connector.context.store.snapshot() as tx:
        return [one for one in tx.evidence_log.list_facts(connector.context.agency) if one["kind"] == kind]


def test_nothing_of_a_held_document_is_removed(office: Office, hub: RunningHub, handle: Handle) -> None:
    """Neither it, nor statuses about it, at the sender's and the recipient's (issue, "with a legal hold")."""
    sender, receiver = office("H29.05"), office("G22")
    sender.send(sample_document())
    other = sender.send(sample_document(number="9")).id
    handle(receiver)
    receiver.flush()
    list(sender.receive())
    for connector in (sender, receiver):
        connector.hold(ID, reason="Tòa án yêu cầu", by="Lê Thị C")
        assert [(one.document_id, one.placed_by) for one in connector.holds()] == [(ID, "Lê Thị C")]
        free = connector.prune(NOW)
        removed = connector.prune(NOW, dry_run=False, by="Văn thư")
        assert free.packets == removed.packets > 0
        assert other in removed.minutes
        assert ID not in removed.minutes.partition("Không xóa")[0]
        assert ID in removed.minutes.partition("Không xóa")[2]
        connector.release_hold(ID, by="Lê Thị C")
        assert connector.holds() == []
        assert connector.prune(NOW, dry_run=False).packets == removed.packets
    facts = [list_facts(sender, kind) for kind in ("hold", "release")]
    assert [(one["document_id"], one["actor"]) for (one,) in facts] == [(ID, "Lê Thị C")] * 2
    assert facts[0][0]["reason"] == "Tòa án yêu cầu"


def test_the_minutes_of_a_removal(office: Office, hub: RunningHub) -> None:
    """In both languages, with who, when, why and every packet; their hash is in the evidence (issue, "minutes")."""
    sender = office("H29.05")
    sender.send(sample_document())
    assert sender.prune(NOW).minutes == ""
    done = sender.prune(NOW, dry_run=False, by="Trần Văn B")
    with sender.context.store.snapshot() as tx:
        row = tx.deliveries.find_by_document_id("H29.05", ID)
    assert row is not None
    for words in ("BIÊN BẢN", "MINUTES", "Trần Văn B", ID, row.code, row.sha256, f"{row.issued_on:%d/%m/%Y}"):
        assert words in done.minutes
    (entered,) = list_facts(sender, "removal")
    assert (entered["minutes"], entered["packets"]) == (hashlib.sha256(done.minutes.encode()).hexdigest(), 1)
    assert sender.prune(NOW, dry_run=False).minutes == ""


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda connector: connector.hold(ID, reason=" "), InvalidQuery),
        (lambda connector: connector.hold("nothing", reason="x"), NotFound),
        (lambda connector: connector.release_hold(ID), NotFound),
    ],
)
def test_what_cannot_be_held(
    office: Office, hub: RunningHub, call: Callable[[Connector], object], error: type[Exception]
) -> None:
    """A hold has a reason and a document, and a release a hold."""
    sender = office("H29.05")
    sender.send(sample_document())
    with pytest.raises(error):
        call(sender)
    assert sender.holds() == []
