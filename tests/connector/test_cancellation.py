"""Coroutines that are cancelled by asyncio itself, at any moment: what they held is given back."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import AsyncConnector
from edoc_connector.connector.connector import Connector
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office

CANCELLATIONS = 200
DOCUMENTS = 40


async def consume(connector: AsyncConnector, completed: Counter[str]) -> None:
    """Handle everything that waits; a packet is counted where its block was left without an error."""
    async for receipt in connector.receive():
        async with receipt:
            await asyncio.sleep(random.uniform(0.0, 0.02))
            completed[receipt.id] += 1


async def consume_for(seconds: float, connector: AsyncConnector, completed: Counter[str]) -> None:
    """Handle what waits until the time is over."""
    async with asyncio.timeout(seconds):
        await consume(connector, completed)


def test_receive_cancelled_200_times_at_random_moments(
    settings: Callable[..., Settings], office: Office, hub: RunningHub
) -> None:
    """Each cancellation is a CancelledError or a TimeoutError, and each packet is handled exactly once."""
    sender = office("H29.05")
    expected = {sender.send(sample_document(number=str(number))).id for number in range(1, DOCUMENTS + 1)}
    completed: Counter[str] = Counter()
    ends: Counter[type[BaseException] | None] = Counter()

    async def cancel_often() -> None:
        async with AsyncConnector.open(settings("G22", http={"read": 60.0, "total": 120.0})) as connector:
            for number in range(20 * CANCELLATIONS):
                if ends[asyncio.CancelledError] + ends[TimeoutError] == CANCELLATIONS:
                    break
                seconds = random.uniform(0.0, 0.06)
                task = asyncio.create_task(
                    consume(connector, completed) if number % 2 else consume_for(seconds, connector, completed)
                )
                if number % 2:
                    await asyncio.sleep(seconds)
                    task.cancel()
                result = (await asyncio.gather(task, return_exceptions=True))[0]
                ends[None if result is None else type(result)] += 1
            await consume(connector, completed)
            assert {receipt.state for receipt in await connector.receipts()} == {ReceiptState.CONFIRMED}

    asyncio.run(cancel_often())
    assert set(ends) <= {None, asyncio.CancelledError, TimeoutError}
    assert ends[asyncio.CancelledError] + ends[TimeoutError] == CANCELLATIONS
    assert completed == Counter(dict.fromkeys(expected, 1))
    arrived = [packet for packet in hub.packets() if packet.packet.message_type == "status"]
    assert len(arrived) == DOCUMENTS  # 01, once for each


def test_a_cancelled_call_ends_with_its_work(
    settings: Callable[..., Settings], hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of any kind that asyncio cancels ends when its thread has, so that closing disturbs nothing."""
    begun, done = threading.Event(), threading.Event()
    real = Connector.sync_directory

    def slow(self: Connector) -> int:
        begun.set()
        threading.Event().wait(0.3)
        count = real(self)
        done.set()
        return count

    monkeypatch.setattr(AsyncConnector, "sync_directory", wrap(slow))

    async def cancel() -> None:
        async with AsyncConnector.open(settings("G22")) as connector:
            task = asyncio.create_task(connector.sync_directory())
            while not begun.is_set():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert done.is_set()
            assert await connector.directory()

    asyncio.run(cancel())


def wrap(method: Callable[[Connector], int]) -> object:
    """Make a method awaited as `AsyncConnector` does."""
    from edoc_connector.connector.async_connector import _as_connector_coroutine

    return _as_connector_coroutine(method)


def test_the_end_of_the_loop_gives_back(settings: Callable[..., Settings], office: Office, hub: RunningHub) -> None:
    """Where `asyncio.run` ends while a task receives, its packet waits for the next program."""
    office("H29.05").send(sample_document())
    connector = AsyncConnector.open(settings("G22"))
    entered = asyncio.Event()

    async def hold() -> None:
        async with connector:
            async for receipt in connector.receive():
                async with receipt:
                    entered.set()
                    await asyncio.sleep(60)

    async def leave() -> None:
        task = asyncio.create_task(hold())
        await entered.wait()
        assert not task.done()

    asyncio.run(leave())
    assert [receipt.state for receipt in office("G22").receipts()] == [ReceiptState.WAITING]


def test_a_generator_that_is_closed_gives_back(
    settings: Callable[..., Settings], office: Office, hub: RunningHub
) -> None:
    """`aclose` on what `receive` gives, in the middle, is no error, and nothing stays claimed."""
    sender = office("H29.05")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))

    async def close_early() -> None:
        async with AsyncConnector.open(settings("G22")) as connector:
            receipts = connector.receive()
            async with await anext(receipts):
                pass
            await receipts.aclose()
            waiting = [receipt for receipt in await connector.receipts() if receipt.state == ReceiptState.WAITING]
            completed: Counter[str] = Counter()
            await consume(connector, completed)
            assert len(completed) == 2
            assert len(waiting) <= 2

    asyncio.run(close_early())
