"""Many documents sent at once: each has its result, and none keeps another back (in other software, point 1)."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import AsyncConnector, Connector, Delivery, SendResult
from edoc_connector.edxml import Document, Organization
from edoc_connector.errors import DocumentError, InvalidQuery, UnknownRecipient
from edoc_connector.mockhub.faults import Fault
from edoc_connector.store import DeliveryState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Fails, Office

PATIENCE = 60.0
NOBODY = Organization(id="H99.99", name="Không có")


def make_documents(number: int) -> Iterator[Document]:
    """Make so many documents, each another one."""
    return (sample_document(number=str(each)) for each in range(1, number + 1))


def keep(taken: list[SendResult], results: Iterator[SendResult]) -> None:
    """Keep each result as it comes, also those before an error."""
    for result in results:
        taken.append(result)


def count_at_hub(hub: RunningHub) -> int:
    """Count the documents that the hub took."""
    return sum(packet.packet.message_type == "edoc" for packet in hub.packets())


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
def test_each_document_has_its_result_and_one_error_stops_no_other(office: Office, hub: RunningHub) -> None:
    """What breaks a rule and what the hub refuses come back with their errors; the hub has all the others."""
    documents = list(make_documents(12))
    documents[3] = sample_document(number="4", subject="")
    documents[7] = sample_document(number="8", recipients=[NOBODY])
    sender = office("H29.05")
    results = sorted(sender.send_many(documents, at_once=4), key=lambda result: result.position)
    assert [result.document for result in results] == documents
    assert isinstance(results[3].error, DocumentError)
    assert isinstance(results[7].error, UnknownRecipient)
    for result in results:
        if result.position in (3, 7):
            assert result.delivery is None
        else:
            assert result.error is None
            assert result.delivery is not None
            assert (result.delivery.id, result.delivery.state) == (result.document.id, DeliveryState.SENT)
    assert sender.delivery(documents[7].id).state is DeliveryState.FAILED
    assert count_at_hub(hub) == 10


def test_no_more_documents_are_taken_than_are_worked_on(office: Office) -> None:
    """A source without an end is read as far as results are taken, and `at_once` further at most."""
    made = 0

    def make_endlessly() -> Iterator[Document]:
        nonlocal made
        for number in count(1):
            made += 1
            yield sample_document(number=str(number))

    sender = office("H29.05")
    results = sender.send_many(make_endlessly(), at_once=3)
    assert made == 0
    for taken in range(1, 10):
        assert next(results).error is None
        assert made <= taken + 3
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]  # a generator's
    assert {delivery.state for delivery in sender.iter_deliveries()} == {DeliveryState.SENT}
    assert sum(1 for _ in sender.iter_deliveries()) == made


def test_documents_are_sent_at_the_same_time(office: Office, hub: RunningHub) -> None:
    """So many calls are at the hub at once as were asked for: none answers before all of them have come."""
    sender = office("H29.05")
    sender.send(sample_document(number="100"))
    meeting = threading.Barrier(4)
    real = sender.context.hub.send

    def meet(*args: object, **options: object) -> object:
        meeting.wait(20)
        return real(*args, **options)  # type: ignore[arg-type]  # as they came

    sender.context.hub.send = meet  # type: ignore[method-assign, assignment]
    results = list(sender.send_many(make_documents(8), at_once=4))
    assert [result.error for result in results] == [None] * 8
    assert count_at_hub(hub) == 9


def test_a_source_that_fails_loses_nothing(office: Office, hub: RunningHub) -> None:
    """What was begun ends and is told; then the source's own error is raised."""
    taken: list[SendResult] = []

    def make_and_fail() -> Iterator[Document]:
        yield from make_documents(5)
        raise LookupError("the table is gone")

    sender = office("H29.05")
    with pytest.raises(LookupError, match="the table is gone"):
        keep(taken, sender.send_many(make_and_fail(), at_once=3))
    assert sorted(result.position for result in taken) == [0, 1, 2, 3, 4]
    assert count_at_hub(hub) == 5


def test_who_leaves_the_loop_loses_nothing(office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture) -> None:
    """Documents that were begun are with the hub, or in the log with their errors, when the loop was left."""
    hub.faults.add(Fault(kind="drop-before-accepting", seconds=0.5, count=2))
    sender = office("H29.05")
    wrong = sample_document(number="9", subject="")
    results = sender.send_many([*make_documents(2), wrong], at_once=3)
    assert next(results).document is wrong
    results.close()  # type: ignore[attr-defined]  # a generator's
    told = [record.getMessage() for record in caplog.records if "nobody asked why" in record.getMessage()]
    assert sorted(message.split(" of ")[0] for message in told) == ["document 0", "document 1"]
    sender.flush()  # the hub is asked twice about a lost answer
    sender.flush()
    assert count_at_hub(hub) == 2


def test_the_same_documents_again_are_the_same_deliveries(office: Office, hub: RunningHub) -> None:
    """A list that was sent by half is given again as a whole; a document twice in it is one delivery too."""
    sender = office("H29.05")
    list(sender.send_many(make_documents(4)))
    again = list(sender.send_many([*make_documents(8), *make_documents(8)], at_once=8))
    assert [result.error for result in again] == [None] * 16
    sender.flush()
    assert {delivery.state for delivery in sender.iter_deliveries()} == {DeliveryState.SENT}
    assert count_at_hub(hub) == 8


def test_many_are_queued_without_the_hub(office: Office, hub: RunningHub) -> None:
    """With ``queue`` they are stored and signed, and a worker sends them."""
    sender = office("H29.05")
    results = list(sender.send_many(make_documents(6), queue=True))
    assert [result.delivery.state for result in results if result.delivery] == [DeliveryState.READY] * 6
    assert count_at_hub(hub) == 0
    assert sender.flush().sent == 6


def test_a_hub_that_is_away_is_told_for_each(office: Office, hub: RunningHub) -> None:
    """Each document is stored, and its result says what became of it; once the hub is back everything goes out."""
    hub.faults.add(Fault(kind="drop-before-accepting", count=None))
    sender = office("H29.05")
    results = list(sender.send_many(make_documents(5), at_once=2))
    assert len(results) == 5
    assert all(result.error is not None for result in results)
    hub.faults.clear()
    sender.flush()  # the hub is asked twice about a lost answer
    sender.flush()
    assert count_at_hub(hub) == 5


def test_what_is_done_in_a_persons_name_is_so_in_each_thread(office: Office) -> None:
    """The thread that begins a document lends its context: the timeline names the person (`Store.acting_as`)."""
    sender = office("H29.05")
    with sender.context.store.acting_as("Nguyễn Văn A"):
        results = list(sender.send_many(make_documents(3)))
    for result in results:
        assert result.delivery is not None
        assert {entry.actor for entry in result.delivery.timeline} == {"Nguyễn Văn A"}


@pytest.mark.parametrize("number", [0, -1, 257])
def test_a_number_that_cannot_be_is_refused_at_once(office: Office, fails: Fails, number: int) -> None:
    """The call itself raises, not the first look at its results."""
    sender = office("H29.05")
    fails(InvalidQuery, lambda: sender.send_many(make_documents(1), at_once=number), "from 1 to 256")


def test_a_mistake_in_the_source_is_raised_and_the_others_are_sent(office: Office, hub: RunningHub) -> None:
    """What is no document at all raises as a mistake does, after everything else has its result."""
    sender = office("H29.05")
    taken: list[SendResult] = []
    wrong = [*make_documents(2), None, sample_document(number="3")]
    with pytest.raises(AttributeError):
        keep(taken, sender.send_many(wrong, at_once=1))  # type: ignore[arg-type]  # that is the mistake
    assert sorted(result.position for result in taken) == [0, 1]
    assert count_at_hub(hub) == 2


def test_two_mistakes_take_no_result_away(office: Office, hub: RunningHub) -> None:
    """The first one is raised in the end; what was begun beside them has its result."""
    hub.faults.add(Fault(kind="delay", seconds=1.0, count=2))
    sender, meeting, taken = office("H29.05"), threading.Barrier(2), list[SendResult]()
    real = sender.send

    def send_or_fail(document: Document, **options: Any) -> Delivery:
        if document.number in ("3", "4"):
            meeting.wait(PATIENCE)
            raise TypeError(document.number)
        return real(document, **options)

    sender.send = send_or_fail  # type: ignore[method-assign]
    with pytest.raises(TypeError, match=r"^[34]$"):
        keep(taken, sender.send_many(make_documents(4), at_once=4))
    assert sorted(result.position for result in taken) == [0, 1]
    assert [result.error for result in taken] == [None, None]
    assert count_at_hub(hub) == 2


def test_a_mistake_and_a_source_that_fails_are_told_both(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """The source's error is raised, and the mistake that was met after it is in the log."""

    source_ends = threading.Event()

    def make_and_fail() -> Iterator[Document]:
        yield sample_document()
        source_ends.set()
        raise LookupError("the table is gone")

    def fail(*_: object, **__: object) -> Delivery:
        source_ends.wait(PATIENCE)
        raise TypeError

    sender = office("H29.05")
    sender.send = fail  # type: ignore[method-assign]
    results = sender.send_many(make_and_fail(), at_once=2)
    with pytest.raises(LookupError, match="the table is gone"):
        list(results)
    assert sum("a further document could not be sent" in record.getMessage() for record in caplog.records) == 1


def test_a_connector_that_is_closed_before_the_loop_waits(settings: Callable[..., Settings], hub: RunningHub) -> None:
    """A loop over results that have a name is closed after its connector: what it began ends before that does."""
    hub.faults.add(Fault(kind="delay", seconds=2.0, count=3))
    own = settings("H29.05")
    with Connector.open(own) as connector:
        results = connector.send_many(make_documents(20), at_once=4)
        for _ in results:
            break
    assert isinstance(results, Iterator)
    results.close()  # type: ignore[attr-defined]  # a generator's
    with Connector.open(own) as connector:
        assert [delivery.state for delivery in connector.iter_deliveries()] == [DeliveryState.SENT] * 4
    assert count_at_hub(hub) == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks there")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_child_leaves_the_loop_at_once(office: Office, hub: RunningHub) -> None:
    """What was begun is the parent's: a child that closes the loop, or its connector, waits for nobody's threads."""
    hub.faults.add(Fault(kind="delay", seconds=2.0, count=3))
    sender = office("H29.05")
    results = sender.send_many(make_documents(4), at_once=4)
    assert next(results).error is None
    child = os.fork()
    if child == 0:
        try:
            results.close()  # type: ignore[attr-defined]  # a generator's
            sender.close()
        finally:
            os._exit(0)
    deadline = time.monotonic() + PATIENCE
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.05)
    assert time.monotonic() < deadline
    assert [result.error for result in results] == [None] * 3
    assert count_at_hub(hub) == 4


@pytest.mark.parametrize("is_async", [False, True])
def test_it_is_awaited(settings: Callable[..., Settings], hub: RunningHub, is_async: bool) -> None:
    """`AsyncConnector.send_many` takes documents from either kind of source and gives the same results."""

    async def make_async() -> AsyncIterator[Document]:
        for document in make_documents(7):
            await asyncio.sleep(0)
            yield document

    async def send() -> list[SendResult]:
        async with AsyncConnector.open(settings("H29.05")) as connector:
            source = make_async() if is_async else make_documents(7)
            return [result async for result in connector.send_many(source, at_once=3)]

    results = asyncio.run(send())
    assert sorted(result.position for result in results) == list(range(7))
    assert [result.error for result in results] == [None] * 7
    assert count_at_hub(hub) == 7


def test_a_cancelled_task_loses_nothing(settings: Callable[..., Settings], hub: RunningHub) -> None:
    """A task that is cancelled in it ends when what was begun has: each begun document is with the hub."""
    made = 0

    def make_endlessly() -> Iterator[Document]:
        nonlocal made
        for number in count(1):
            made += 1
            yield sample_document(number=str(number))

    async def cancel() -> set[DeliveryState]:
        async with AsyncConnector.open(settings("H29.05")) as connector:
            enough = asyncio.Event()

            async def consume() -> None:
                taken = 0
                async for _ in connector.send_many(make_endlessly(), at_once=4):
                    taken += 1
                    if taken == 6:
                        enough.set()

            task = asyncio.create_task(consume())
            await enough.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return {delivery.state async for delivery in connector.iter_deliveries()}

    assert asyncio.run(cancel()) == {DeliveryState.SENT}
    assert count_at_hub(hub) == made


def test_a_task_that_is_cancelled_in_the_loops_body_loses_nothing(
    settings: Callable[..., Settings], hub: RunningHub
) -> None:
    """The loop is closed by the event loop then, later; the connector waits for what was begun before it closes."""
    hub.faults.add(Fault(kind="delay", seconds=2.0, count=3))
    own = settings("H29.05")

    async def cancel() -> None:
        async with AsyncConnector.open(own) as connector:
            has_result = asyncio.Event()

            async def consume() -> None:
                async for _ in connector.send_many(make_documents(20), at_once=4):
                    has_result.set()
                    await asyncio.sleep(PATIENCE)

            task = asyncio.create_task(consume())
            await has_result.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancel())
    with Connector.open(own) as connector:
        assert [delivery.state for delivery in connector.iter_deliveries()] == [DeliveryState.SENT] * 4
    assert count_at_hub(hub) == 4


def test_a_source_that_fails_is_told_to_a_coroutine(settings: Callable[..., Settings], hub: RunningHub) -> None:
    """The error of an asynchronous source comes after all results too."""

    async def make_and_fail() -> AsyncIterator[Document]:
        for document in make_documents(3):
            yield document
        raise LookupError("the table is gone")

    async def send() -> list[int]:
        positions: list[int] = []
        async with AsyncConnector.open(settings("H29.05")) as connector:
            try:
                async for result in connector.send_many(make_and_fail(), at_once=2):
                    positions.append(result.position)
            except LookupError:
                return positions
        raise AssertionError("the error of the source was not raised")

    assert sorted(asyncio.run(send())) == [0, 1, 2]
    assert count_at_hub(hub) == 3
