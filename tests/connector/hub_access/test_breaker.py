"""The breaker of a hub: it opens, is half-open with a probe, and closes, for every program of the agency."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import BreakerState, Connector, HubBreaker
from edoc_connector.connector._recovery import recover_sending
from edoc_connector.connector.outbound import submit
from edoc_connector.errors import (
    AuthenticationRejected,
    EdocError,
    HubUnavailable,
    IntermediaryAnswer,
    NotSent,
    ProtocolError,
    SigningError,
)
from edoc_connector.mockhub import Fault
from edoc_connector.store import DeliveryState
from edoc_connector.store._sql import TABLES
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import AgencyJobs

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Office

LIMITS = {"backoff": 10.0}
DOWN: list[type[EdocError]] = [NotSent, AuthenticationRejected, HubUnavailable, SigningError]


class Clock:
    """A store's clock, turned by hand."""

    def __init__(self, connector: Connector) -> None:
        self.now = datetime.now(UTC)
        connector.context.store.clock = lambda: self.now

    def turn(self, **time: float) -> None:
        self.now += timedelta(**time)


@pytest.fixture
def sender(office: Office, hub: RunningHub) -> Connector:
    """A connector with the waits that users get."""
    return office("H29.05", limits=LIMITS)


@pytest.fixture
def clock(sender: Connector) -> Clock:
    """Its clock."""
    return Clock(sender)


def forget_reading(breaker: HubBreaker) -> None:
    """Have the next look go to the store, as half a second later."""
    breaker._reading_until = 0.0


@pytest.mark.parametrize("kind", DOWN, ids=lambda kind: kind.__name__)
def test_the_next_try_is_minutes_away(sender: Connector, clock: Clock, kind: type[EdocError]) -> None:
    """Whatever opened the breaker, after a day of it the hub is asked every five minutes (issue, "half-open")."""
    breaker = sender.context.breaker
    began = clock.now
    while clock.now < began + timedelta(days=1):
        breaker.record_result(kind("down", vi="lỗi"))
        reading = breaker.read()
        assert reading.state is BreakerState.OPEN
        assert reading.next_try_at is not None
        assert reading.next_try_at - clock.now <= timedelta(minutes=5)
        clock.now = reading.next_try_at
        assert breaker.is_half_open()
    assert breaker.read().failures > 288


def test_an_hour_of_retry_after_is_a_quarter(sender: Connector, clock: Clock) -> None:
    """A page of maintenance that says an hour is asked after fifteen minutes (issue, "not an hour away")."""
    sender.context.breaker.record_result(HubUnavailable("busy", vi="bận", retry_after=3600.0))
    until = sender.context.breaker.read().next_try_at
    assert until is not None
    assert timedelta(minutes=14) < until - clock.now <= timedelta(minutes=15)


def test_row_34_a_success_that_a_wrong_clock_noted(sender: Connector, clock: Clock) -> None:
    """Half-open asks for the list first, although the last success lies in the future (faults, row 34)."""
    breaker = sender.context.breaker
    clock.turn(days=365)
    breaker.record_result(NotSent("down", vi="lỗi"))
    breaker.read()
    breaker.record_result(None)
    clock.turn(days=-365)
    recover_sending(sender.context)
    breaker.record_result(NotSent("down", vi="lỗi"))
    clock.turn(minutes=1)
    assert breaker.read().state is BreakerState.HALF_OPEN


def test_one_document_does_not_open_it(sender: Connector) -> None:
    """What one document meets says nothing of the next one (faults, row 27)."""
    sender.context.breaker.record_result(ProtocolError("odd", vi="lạ"))
    assert sender.context.breaker.read().state is BreakerState.CLOSED


def test_half_open_asks_for_the_list_first(sender: Connector, hub: RunningHub, clock: Clock, fails: Fails) -> None:
    """As long as the list does not come nothing else is tried; then everything goes at once (issue, "a probe")."""
    hub.stop()
    for number in range(3):
        fails(NotSent, partial(sender.send, sample_document(number=str(number))))
    clock.turn(minutes=1)
    sender.outbox.dispatch_due()
    attempts = [row.attempts for row in sender.deliveries()]
    for _ in range(5):
        clock.turn(minutes=6)
        forget_reading(sender.context.breaker)
        sender.context.hub_probe._valid_until = 0.0
        sender.outbox.dispatch_due()
    assert [row.attempts for row in sender.deliveries()] == attempts
    hub.start()
    clock.turn(minutes=6)
    forget_reading(sender.context.breaker)
    sender.context.hub_probe._valid_until = 0.0
    sender.outbox.dispatch_due()
    assert {row.state for row in sender.deliveries()} == {DeliveryState.SENT}
    assert sender.context.breaker.read().state is BreakerState.CLOSED


def test_a_list_alone_does_not_count_as_recovered(sender: Connector, hub: RunningHub, clock: Clock) -> None:
    """A hub that lists and takes nothing is tried with one message, ever more seldom (issue, "bounded")."""
    breaker = sender.context.breaker
    for failures in range(1, 4):
        breaker.record_result(IntermediaryAnswer("no", vi="không"))
        reading = breaker.read()
        assert (reading.state, reading.failures) == (BreakerState.OPEN, failures)
        breaker.record_poll(None)
        assert breaker.read().state is BreakerState.OPEN
        clock.turn(minutes=6)
        forget_reading(breaker)
        breaker.record_poll(None)
        assert breaker.read().state is BreakerState.TRIAL
    breaker.record_poll(None)
    assert breaker.read().state is BreakerState.CLOSED


def test_row_10_the_trial_goes_to_another_document(sender: Connector, hub: RunningHub, clock: Clock) -> None:
    """A 403 pauses the sends; a document that gets one each time pauses them once a try, not at each trial (row 10)."""
    documents = [sample_document(number=number) for number in ("1", "2")]
    for document in documents:
        submit(sender.context, document)
        clock.turn(minutes=1)
    hub.faults.add(Fault(kind="error", status=403, path="/sendEdoc"))
    jobs = AgencyJobs(sender)
    assert jobs.transmit()
    assert sender.context.breaker.read().state is BreakerState.OPEN
    clock.turn(minutes=6)  # the one that was turned away is due again, too
    forget_reading(sender.context.breaker)
    sender.context.breaker.record_poll(None)
    assert sender.context.breaker.read().state is BreakerState.TRIAL
    assert jobs.transmit()
    assert [sender.delivery(document.id).state for document in documents] == [DeliveryState.READY, DeliveryState.SENT]
    assert sender.context.breaker.read().state is BreakerState.CLOSED


def test_programs_share_it(office: Office, hub: RunningHub, fails: Fails) -> None:
    """What one program found out about the hub holds for the others, one success for all (issue, "two")."""
    first, second = office("H29.05", limits=LIMITS), office("H29.05", limits=LIMITS)
    first.context.breaker.record_result(HubUnavailable("down", vi="lỗi"))
    assert not second.context.breaker.is_closed()
    second.send(sample_document())
    assert first.context.breaker.read().state is BreakerState.CLOSED


def test_explain_says_why_a_document_waits(sender: Connector, hub: RunningHub, fails: Fails) -> None:
    """With the hub's error and the time of the next try, in both languages (issue, "visible in explain")."""
    hub.faults.add(Fault(kind="error", status=503, path="/sendEdoc", count=None))
    fails(HubUnavailable, lambda: sender.send(sample_document()))
    assert "pauses" not in sender.explain(sample_document().id).text()
    sender.flush()
    story = sender.explain(sample_document().id)
    assert "work with the hub pauses (1 failures in a row" in story.text()
    assert "503" in story.text()
    assert "tạm dừng" in story.text(vi=True)


@pytest.mark.parametrize(("failures", "is_due"), [(1, False), (5, True)])
def test_what_waited_is_due_after_an_outage(
    sender: Connector, hub: RunningHub, clock: Clock, fails: Fails, failures: int, is_due: bool
) -> None:
    """A document alone with its refusal backs off; after an outage none waits for an hour (issue, "at once")."""
    hub.faults.add(Fault(kind="error", status=403, path="/sendEdoc", count=1))
    fails(AuthenticationRejected, lambda: sender.send(sample_document()))
    far = clock.now + timedelta(hours=1)
    with sender.context.store.transaction() as tx:
        tx.connection.execute(TABLES["deliveries"].update().values(next_attempt_at=far))
    for _ in range(failures):
        sender.context.breaker.record_result(AuthenticationRejected("no", vi="không"))
        clock.turn(minutes=5)
        forget_reading(sender.context.breaker)
    sender.context.breaker.record_poll(None)
    assert sender.deliveries()[0].next_attempt_at == far
    sender.context.breaker.record_result(None)
    assert sender.context.breaker.read().state is BreakerState.CLOSED
    assert (sender.deliveries()[0].next_attempt_at != far) is is_due
