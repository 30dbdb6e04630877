"""Handlers that are coroutine functions, and those of an `AsyncConnector` (docs/api.md, "Handlers")."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import AsyncConnector, AsyncReceipt, Handlers, Receipt
from edoc_connector.connector.handlers import HandlerLoop
from edoc_connector.edxml import StatusMessage
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import import_handlers

if TYPE_CHECKING:
    from tests.worker.conftest import Office, SectionsOf, SettingsOf, WorkerOf

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

NOW = {"worker": {"poll": 0.001, "idle": 0.05, "tries": 2}}
PATIENCE = 60.0


def test_functions_of_both_kinds_on_an_awaited_connector(
    office: Office, worker: WorkerOf, settings: SettingsOf, hub: RunningHub
) -> None:
    """A coroutine function gets an `AsyncReceipt`, a function a `Receipt`; both are done before 01 goes out (issue)."""
    connector = AsyncConnector.open(settings("G22"))
    seen: list[tuple[type, str]] = []

    @connector.on_receipt
    async def register(receipt: AsyncReceipt) -> None:
        await asyncio.sleep(0)
        seen.append((type(receipt), receipt.document.subject))
        await receipt.accept()

    @connector.on_receipt
    def note(receipt: Receipt) -> None:
        seen.append((type(receipt), receipt.document.subject))

    office("H29.05").send(sample_document())
    worker("G22", connector.handlers, **NOW).run_once(rounds=5)
    assert seen == [(AsyncReceipt, sample_document().subject), (Receipt, sample_document().subject)]
    receipt = office("G22").receipts()[0]
    assert (receipt.state, receipt.status) == (ReceiptState.CONFIRMED, "03")


def test_statuses_are_told_to_a_coroutine_function(
    office: Office, worker: WorkerOf, settings: SettingsOf, hub: RunningHub
) -> None:
    """In their order, with the delivery as it is by then (issue, "DMS handlers")."""
    handlers = Handlers()
    told: list[tuple[str, str]] = []

    @handlers.on_status
    async def note(delivery: Any, status: StatusMessage) -> None:
        await asyncio.sleep(0)
        told.append((delivery.id, str(status.code)))

    document_id = office("H29.05").send(sample_document()).id
    with next(iter(office("G22").receive())) as receipt:
        receipt.accept()
    worker("H29.05", handlers, **NOW).run_once(rounds=5)
    assert told == [(document_id, "01"), (document_id, "03")]


def test_an_exception_in_a_coroutine_leaves_the_packet_waiting(
    office: Office, worker: WorkerOf, hub: RunningHub
) -> None:
    """With a back-off and its traceback, as for a function (issue, "DMS handlers")."""
    handlers = Handlers()

    @handlers.on_receipt
    async def register(receipt: AsyncReceipt) -> None:
        await asyncio.sleep(0)
        raise ValueError("the DMS is full")

    office("H29.05").send(sample_document())
    worker("G22", handlers, limits={"backoff": 600.0}, **NOW).run_once(rounds=5)
    (waiting,) = office("G22").receipts()
    assert waiting.state is ReceiptState.WAITING
    assert 'raise ValueError("the DMS is full")' in str(waiting.traceback)


def test_one_loop_for_all_calls(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """A pool that a handler opened in one call works in the next; whatever is awaitable is awaited (docs/api.md)."""
    handlers = Handlers()
    loops: list[Any] = []
    threads: set[str] = set()

    async def register(where: list[Any], receipt: Any) -> None:
        where.append(asyncio.get_running_loop())
        threads.add(threading.current_thread().name)

    class Register:
        async def __call__(self, receipt: AsyncReceipt) -> None:
            assert isinstance(receipt, AsyncReceipt)
            await register(loops, receipt)

    handlers.on_receipt(functools.partial(register, loops))
    handlers.on_receipt(Register())
    handlers.on_receipt(lambda receipt: register(loops, receipt))
    connector = office("H29.05")
    for number in ("1", "2"):
        connector.send(sample_document(number=number))
    worker("G22", handlers, **NOW).run_once(rounds=5)
    assert len(loops) == 6
    assert len(set(map(id, loops))) == 1
    assert threads == {"edoc-handlers"}


def test_the_loop_is_closed_and_may_be_used_again(backend: dict[str, str]) -> None:
    """What runs is cancelled, its clean-up runs, and the thread that waits is told (docs/worker.md)."""
    loop = HandlerLoop()
    begun, cleaned = threading.Event(), threading.Event()

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            cleaned.set()

    raised: list[BaseException] = []

    def wait() -> None:
        try:
            loop.run(slow())
        except CancelledError as error:
            raised.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    assert begun.wait(PATIENCE)
    loop.close()
    thread.join(PATIENCE)
    assert cleaned.is_set()
    assert len(raised) == 1
    loop.run(asyncio.sleep(0))
    loop.close()
    loop.close()


def test_an_awaited_connector_is_found_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: SectionsOf
) -> None:
    """`--handlers module:connector`, and a coroutine function by itself (issue, "DMS handlers")."""
    (tmp_path / "async_dms.py").write_text(
        "from edoc_connector.config import Settings\nfrom edoc_connector.connector import AsyncConnector\n"
        f"connector = AsyncConnector(Settings.of({values('G22')!r}))\n"
        "@connector.on_receipt\nasync def register(receipt): pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert len(import_handlers("async_dms:connector").receipts) == 1
    assert len(import_handlers("async_dms:register").receipts) == 1
