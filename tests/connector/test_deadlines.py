"""Deadlines of what is sent, and what came in and waits for an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import AsyncConnector, Delivery, Handlers
from edoc_connector.edxml import Priority
from edoc_connector.errors import EdocError, InvalidQuery
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker.jobs import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Ahead, Fails, Handle, Office, SettingsOf

DAY = 86400
on_both = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)


@on_both
def test_a_deadline_that_runs_out(office: Office, hub: RunningHub, handle: Handle, ahead: Ahead) -> None:
    """A document that is not with every recipient by its deadline expires: in the timeline, and nothing is sent."""
    sender, recipient = office("H29.05"), office("G22")
    sent = sender.send(sample_document(), deadline=timedelta(hours=2))
    assert sent.deadline is not None
    assert any("is to be with G22 by" in step for step in sender.explain(sent.id).next)
    sender.reconcile()
    assert sender.delivery(sent.id).expired_at is None
    ahead(sender, 3 * 3600)
    for _ in range(2):
        sender.reconcile()
    late = sender.delivery(sent.id)
    assert late.expired_at is not None
    assert (late.state, late.attempts) == (DeliveryState.SENT, sent.attempts)
    (entry,) = [one for one in late.timeline if one.to == "expired"]
    assert "nothing is reported by G22" in entry.detail
    assert "chưa có báo nhận từ G22" in entry.detail_vi
    story = sender.explain(sent.id)
    assert any(step.startswith("EXPIRED") for step in story.next)
    assert any(step.startswith("QUÁ HẠN") for step in story.next_vi)
    handle(recipient)
    handle(sender)
    assert not any("EXPIRED" in step for step in sender.explain(sent.id).next)


def test_a_deadline_that_is_met(office: Office, hub: RunningHub, handle: Handle, ahead: Ahead) -> None:
    """A document that every recipient reports in time never expires."""
    sender = office("H29.05")
    sent = sender.send(sample_document(), deadline=datetime.now(UTC) + timedelta(hours=2))
    handle(office("G22"))
    handle(sender)
    ahead(sender, 3 * 3600)
    sender.reconcile()
    assert sender.delivery(sent.id).expired_at is None


def test_what_could_not_be_sent_expires_too(office: Office, hub: RunningHub, fails: Fails, ahead: Ahead) -> None:
    """A document that waits for a hub that is down expires, stays queued, and is sent once the hub is there."""
    sender = office("H29.05", limits={"deadlines": {"urgent": 3600.0}})
    hub.stop()
    fails(EdocError, lambda: sender.send(sample_document(priority=Priority.URGENT)))
    (waiting,) = sender.deliveries()
    assert waiting.deadline is not None
    ahead(sender, 2 * 3600)
    jobs = AgencyJobs(sender)
    jobs.recover()
    jobs.poll(only_due=False)
    assert sender.delivery(waiting.id).expired_at is not None
    hub.start()
    sender.flush()
    assert sender.delivery(waiting.id).state is DeliveryState.SENT


def test_the_default_of_an_urgency(office: Office, hub: RunningHub) -> None:
    """`[limits.deadlines]` gives a deadline by urgency; a caller's own goes before it, and none is none."""
    sender = office("H29.05", limits={"deadlines": {"express": 600.0}})
    express = sender.send(sample_document(priority=Priority.EXPRESS))
    assert express.deadline is not None
    assert abs((express.deadline - express.created_at).total_seconds() - 600) < 60
    assert sender.send(sample_document(number="2")).deadline is None
    own = sender.send(sample_document(number="3", priority=Priority.EXPRESS), deadline=timedelta(days=1))
    assert own.deadline is not None
    assert own.deadline - own.created_at > timedelta(hours=23)
    same = sender.send(sample_document(number="3", priority=Priority.EXPRESS), deadline=timedelta(days=1))
    assert same.deadline is not None
    assert abs(same.deadline - own.deadline) < timedelta(seconds=30)
    later = sender.send(sample_document(number="3", priority=Priority.EXPRESS), deadline=timedelta(days=3))
    assert later.deadline is not None
    assert later.deadline - own.created_at > timedelta(days=2)


@pytest.mark.parametrize("deadline", [timedelta(0), timedelta(days=-1), datetime(2020, 1, 1, tzinfo=UTC)])
def test_a_deadline_that_cannot_be(office: Office, hub: RunningHub, fails: Fails, deadline: datetime) -> None:
    """A deadline that is over is a typed error in both languages, and nothing is stored."""
    sender = office("H29.05")
    fails(InvalidQuery, lambda: sender.send(sample_document(), deadline=deadline))
    assert sender.deliveries() == []


def test_a_deadline_without_a_zone(office: Office, hub: RunningHub, fails: Fails) -> None:
    """A deadline that has no zone is a typed error in both languages, and nothing is stored."""
    sender = office("H29.05")
    fails(InvalidQuery, lambda: sender.send(sample_document(), deadline=datetime(2999, 1, 1)))
    assert sender.deliveries() == []


def test_the_application_is_told(office: Office, hub: RunningHub, ahead: Ahead) -> None:
    """`on_expired` gets the delivery once; after an exception it is told again."""
    sender, told = office("H29.05"), []
    handlers = Handlers()

    @handlers.on_expired
    def note(delivery: Delivery) -> None:
        told.append(delivery.id)
        if len(told) == 1:
            raise RuntimeError("the application is not there")

    sent = sender.send(sample_document(), deadline=timedelta(hours=1))
    ahead(sender, 2 * 3600)
    jobs = AgencyJobs(sender, handlers)
    jobs.recover()
    for _ in range(3):
        jobs.poll(only_due=False)
    assert told == [sent.id, sent.id]
    assert [one.to for one in sender.delivery(sent.id).timeline].count("expired") == 1


@pytest.mark.anyio
async def test_awaited(settings: SettingsOf, hub: RunningHub) -> None:
    """`AsyncConnector` has the same deadline and the same list of what waits for an answer."""
    async with AsyncConnector.open(settings("H29.05")) as sender:
        sent = await sender.send(sample_document(), deadline=timedelta(hours=1))
        assert sent.deadline is not None
        assert await sender.unanswered() == []


@on_both
def test_what_nobody_answered(office: Office, hub: RunningHub, handle: Handle, ahead: Ahead) -> None:
    """Documents that nobody accepted or rejected for `limits.unanswered_after` are listed, the oldest first."""
    sender, recipient = office("H29.05"), office("G22", limits={"unanswered_after": 3.0 * DAY})
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    first, second, third = handle(recipient)
    assert recipient.unanswered() == []
    ahead(recipient, 4 * DAY)
    assert [one.id for one in recipient.unanswered()] == [first.id, second.id, third.id]
    assert [one.id for one in recipient.unanswered(limit=1)] == [first.id]
    assert any("UNANSWERED" in step for step in recipient.explain(first.id).next)
    assert any("CHƯA XỬ LÝ" in step for step in recipient.explain(first.id).next_vi)
    recipient.receipt(first.id).accept()
    recipient.receipt(second.id).reject("Sai nơi nhận")
    assert [one.id for one in recipient.unanswered()] == [third.id]
    assert not any("UNANSWERED" in step for step in recipient.explain(first.id).next)
