"""Leaving the loop of `AsyncConnector.receive` early: the event loop goes on (docs/api.md)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import pytest

from edoc_connector.config import Settings
from edoc_connector.connector import AsyncConnector
from edoc_connector.connector.inbound.receive_loop import ReceiveLoop
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.connector.conftest import Office

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """Which event loop runs the test."""
    return "asyncio"


@pytest.fixture
def ended_in(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads in which a round of receiving was ended, which may wait for the hub."""
    names: list[str] = []
    real = ReceiveLoop.stop

    def stop(self: ReceiveLoop) -> None:
        names.append(threading.current_thread().name)
        real(self)

    monkeypatch.setattr(ReceiveLoop, "stop", stop)
    return names


async def test_a_break_does_not_stop_the_event_loop(
    settings: Callable[..., Settings], office: Office, hub: RunningHub, ended_in: list[str]
) -> None:
    """What is at the hub is waited for in a thread; what was not handed out comes with the next call (issue)."""
    sender = office("H29.05")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    async with AsyncConnector.open(settings("G22")) as connector:
        async for receipt in connector.receive():
            async with receipt:
                pass
            break
        while not ended_in:
            await anyio.sleep(0.01)
        assert [receipt async for receipt in connector.receive()] != []
    assert "MainThread" not in ended_in


async def test_who_is_cancelled_leaves_too(
    settings: Callable[..., Settings], office: Office, hub: RunningHub, ended_in: list[str]
) -> None:
    """Its packet is given back, and no thread is left behind (issue, "asynchronous code")."""
    office("H29.05").send(sample_document())
    async with AsyncConnector.open(settings("G22")) as connector:
        with anyio.CancelScope() as scope:
            async for receipt in connector.receive():
                async with receipt:
                    scope.cancel()
                    await anyio.sleep(0)
        assert [one.state for one in await connector.receipts()] == [ReceiptState.WAITING]
    assert "MainThread" not in ended_in
