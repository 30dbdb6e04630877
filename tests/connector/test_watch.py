"""`watch` receives again and again, in a thread or on an event loop (in other software, point 3)."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import AsyncConnector
from edoc_connector.errors import StoreError
from edoc_connector.store import DeliveryState, ReceiptState
from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.connector.conftest import Office, SettingsOf

    from edoc_connector.testing.hub import RunningHub


def test_each_poll_brings_what_is_new_until_stop_is_set(office: Office, hub: RunningHub) -> None:
    """`watch` polls again after its packets, goes on when the hub was away, and ends when it is told to."""
    sender, receiver, stop = office("H29.05"), office("G22"), threading.Event()
    names = [sender.send(sample_document(number="1")).id]
    seen = []
    for receipt in receiver.watch(every=0.01, stop=stop):
        with receipt:
            seen.append(receipt.id)
        if len(seen) == 1:
            hub.stop()
            hub.start()
            names.append(sender.send(sample_document(number="2")).id)
        else:
            stop.set()
    assert seen == names
    assert [receipt.state for receipt in receiver.receipts()] == [ReceiptState.CONFIRMED] * 2


def test_a_hub_that_is_away_is_asked_again(office: Office, hub: RunningHub, caplog: pytest.LogCaptureFixture) -> None:
    """A hub that is not reached is logged, and the loop goes on once it is back; what is queued goes out too."""
    receiver, stop = office("G22"), threading.Event()
    hub.stop()

    def come_back() -> None:
        hub.start()
        office("H29.05").send(sample_document())

    timer = threading.Timer(0.5, come_back)
    timer.start()
    for receipt in receiver.watch(every=0.05, stop=stop):
        with receipt:
            stop.set()
    timer.join()
    assert "the hub is asked again in 0.05 seconds" in caplog.text
    own = office("H29.05")
    queued = own.queue(sample_document(number="9"))
    threading.Timer(0.3, (stop := threading.Event()).set).start()
    assert list(own.watch(every=0.05, stop=stop)) == []
    assert own.delivery(queued.id).state is DeliveryState.SENT


def test_a_store_that_cannot_be_used_ends_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong here, and not with the hub, reaches the caller."""
    receiver = office("G22")

    def refuse() -> None:
        raise StoreError("the store is gone", vi="mất kho dữ liệu")

    monkeypatch.setattr(receiver.inbox, "recover", refuse)
    with pytest.raises(StoreError, match="gone"):
        next(receiver.watch(every=0.01))


async def _collect(receiver: AsyncConnector, seen: list[str], entered: asyncio.Event) -> None:
    async for receipt in receiver.watch(every=0.01):
        async with receipt:
            seen.append(receipt.id)
            entered.set()
            if len(seen) == 2:
                await asyncio.sleep(60)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_watch_gives_its_packet_back(
    settings: SettingsOf, office: Office, anyio_backend: str
) -> None:
    """Documents are confirmed only after the block: one whose task is cancelled inside waits, and comes again."""
    sender = office("H29.05")
    names = [sender.send(sample_document(number="1")).id]
    seen: list[str] = []
    async with AsyncConnector.open(settings("G22")) as receiver:
        entered = asyncio.Event()
        task = asyncio.create_task(_collect(receiver, seen, entered))
        await asyncio.wait_for(entered.wait(), 20)
        entered.clear()
        names.append((await asyncio.to_thread(sender.send, sample_document(number="2"))).id)
        await asyncio.wait_for(entered.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == names
        (waiting,) = await receiver.receipts(state=ReceiptState.WAITING)
        assert waiting.id == names[1]
        async with aclosing(receiver.watch(every=60)) as packets:
            async for receipt in packets:
                async with receipt:
                    assert receipt.id == names[1]
                break
        assert {one.state for one in await receiver.receipts()} == {ReceiptState.CONFIRMED}


class SetByHandler(threading.Event):
    """A flag that only a signal handler sets: whoever waits for it holds the lock that the handler needs."""

    def wait(self, timeout: float | None = None) -> bool:
        raise AssertionError(f"waited for {timeout} seconds with the lock of a flag that a signal handler sets")


def test_a_signal_handler_may_set_what_ends_it(office: Office) -> None:
    """The loop looks at its flag and never waits for it, and it ends where it sleeps (faults, row 37)."""
    stop = SetByHandler()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    assert list(office("G22").watch(every=600.0, stop=stop)) == []
    timer.join()
