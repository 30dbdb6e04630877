"""Times as recipients state them, what is owed to a request, and receipts after their own calls (business rules)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector.cli import labels
from edoc_connector.cli.exchange.delivery_report import describe_delivery
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Handle, Office

pytestmark = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)

_STATED = datetime(2026, 11, 20, 3, tzinfo=UTC)


def test_a_status_shows_its_own_time_beside_ours(
    office: Office, hub: RunningHub, handle: Handle, status: Callable[..., None]
) -> None:
    """The recipient's own time stands beside that at which we learnt of it, everywhere (Decree 30/2020, Annex VI)."""
    sender = office("H29.05")
    delivery = sender.send(sample_document())
    status(code="01", timestamp=_STATED - timedelta(hours=1))
    handle(sender)
    status(code="03", timestamp=_STATED)
    handle(sender)
    shown = sender.delivery(delivery.id)
    recipient = shown.recipient("G22")
    assert recipient.time == _STATED
    entry = next(one for one in shown.timeline if one.to == "03")
    assert (recipient.learnt_at, entry.stated_at) == (entry.time, _STATED)
    assert entry.time - _STATED > timedelta(hours=1)
    assert "[its own time: 20/11/2026 10:00:00]" in sender.explain(delivery.id).text()
    assert "[giờ nơi gửi: 20/11/2026 10:00:00]" in sender.explain(delivery.id).text(vi=True)
    assert "G22 03 20/11/2026 10:00:00" in labels.format_recipients(shown)
    assert labels.format_entry(entry).endswith("[giờ nơi gửi / its own time: 20/11/2026 10:00:00]")
    described = describe_delivery(shown)
    assert described["recipients"][0]["time"] == _STATED.isoformat()
    assert described["recipients"][0]["learnt_at"] == entry.time.isoformat()
    assert described["timeline"][-1]["stated_at"] == _STATED.isoformat()


def test_a_request_to_give_back_shows_its_own_time(
    office: Office, hub: RunningHub, handle: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the sender says about a document that came has its own time too, and answers theirs."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    handle(receiver)
    sender.take_back(delivery.id, reason="Gửi nhầm")
    (request,) = handle(receiver)
    assert "taking back asked for: Gửi nhầm (hub-announced" in receiver.explain(delivery.id).text()
    assert "[its own time: " in receiver.explain(delivery.id).text()
    request.agree_change()
    handle(sender)
    assert next(one.stated_at for one in sender.delivery(delivery.id).timeline if one.to == "15")


@pytest.mark.parametrize("ask", ["recall", "take_back"])
def test_a_story_of_the_request_says_what_is_owed(office: Office, hub: RunningHub, handle: Handle, ask: str) -> None:
    """`explain` of a request's own id says who has to answer, on both sides, until that one has ("Who owes what")."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    handle(receiver)
    asked = getattr(sender, ask)(delivery.id, reason="Gửi nhầm")
    request_id = asked.id
    (request,) = handle(receiver)
    handle(sender)
    assert "G22 has to answer 15 or 16." in sender.explain(request_id).text()
    assert "G22 cần trả lời 15 hoặc 16." in sender.explain(request_id).text(vi=True)
    assert "answer 15 or 16" in receiver.explain(request.hub_doc_id).text()
    assert "cần trả lời 15 hoặc 16" in receiver.explain(request.hub_doc_id).text(vi=True)
    request.agree_change()
    handle(sender)
    for connector, name in ((sender, request_id), (receiver, request.hub_doc_id)):
        assert "answer 15 or 16" not in connector.explain(name).text()
        assert "Nothing is open." in connector.explain(name).text()


@pytest.mark.parametrize("ask", ["recall", "take_back"])
def test_a_receipt_is_fresh_after_its_own_call(office: Office, hub: RunningHub, handle: Handle, ask: str) -> None:
    """The document's own receipt knows of the agreement that was called on it, and of what was sent meanwhile."""
    sender, receiver = office("H29.05"), office("G22")
    delivery = sender.send(sample_document())
    (document,) = handle(receiver)
    document.accept()
    assert document.state is ReceiptState.CONFIRMED
    getattr(sender, ask)(delivery.id, reason="Gửi nhầm")
    handle(receiver)
    document.agree_change()
    assert document.withdrawn
    assert receiver.receipt(delivery.id).withdrawn
