"""An application that wants to end the process from a handler, with sys.exit() in some helper for example."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from edoc_connector.connector import Handlers, Receipt
from edoc_connector.connector.handlers import HandlerLoop
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

if TYPE_CHECKING:
    from tests.worker.conftest import Office, Running, WorkerOf

PATIENCE = 60.0


def leave(_receipt: object) -> None:
    """A function that ends its thread."""
    sys.exit("no configuration")


async def leave_the_loop(_receipt: object) -> None:
    """A coroutine function that does."""
    await asyncio.sleep(0)
    sys.exit("no configuration")


@pytest.mark.parametrize("handler", [leave, leave_the_loop])
def test_a_handler_that_exits_fails_like_any_other(
    handler: Callable[[object], object], office: Office, worker: WorkerOf, hub: RunningHub, running: Running
) -> None:
    """Each packet is set aside after its tries with what was raised, and the threads go on (worker, "Your code")."""
    sender = office("H29.05")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    handlers, told = Handlers(), threading.Event()
    handlers.on_receipt(handler)
    working = worker("G22", handlers, worker={"concurrency": 2, "poll": 0.2, "idle": 0.05, "tries": 1})
    receiver = office("G22")
    with running(working):
        aside: list[Receipt] = []
        while len(aside) < 3 and not told.wait(0.1):
            aside = receiver.receipts(state=ReceiptState.QUARANTINED)
        assert working.is_ready()
        assert sum(thread.name.startswith("edoc-worker") for thread in threading.enumerate()) == 2
    assert {one.error for one in receiver.receipts()} == {"the application failed: SystemExit: no configuration"}
    assert "sys.exit" in str(receiver.receipts()[0].traceback)


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_status_handler_that_exits(office: Office, worker: WorkerOf, hub: RunningHub, running: Running) -> None:
    """Told no more after its tries, with what was raised in the timeline (worker, "Your code")."""
    sender = office("H29.05")
    sender.send(sample_document())
    for receipt in office("G22").receive():
        with receipt:
            pass
    handlers = Handlers()
    called = threading.Semaphore(0)

    @handlers.on_status
    def note(*_: object) -> None:
        called.release()
        sys.exit(3)

    working = worker("H29.05", handlers, worker={"concurrency": 1, "poll": 0.2, "idle": 0.05, "tries": 2})
    with running(working):
        assert called.acquire(timeout=PATIENCE)
        assert called.acquire(timeout=PATIENCE)
    assert sender.receipts()[0].error == "the application failed: SystemExit: 3"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_in_the_main_thread_it_ends_the_program(office: Office, worker: WorkerOf, hub: RunningHub) -> None:
    """`Worker.run_once` is a program's own: sys.exit() and Ctrl-C leave it, and the packet is offered again (issue)."""
    office("H29.05").send(sample_document())
    handlers = Handlers()
    handlers.on_receipt(leave)
    working = worker("G22", handlers)
    with pytest.raises(SystemExit):
        working.run_once(rounds=5)
    handlers.receipts.clear()
    handlers.on_receipt(lambda receipt: receipt.accept())
    working.run_once(rounds=5)
    assert office("G22").receipts()[0].status == "03"


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_a_thread_that_ends_by_itself_ends_the_worker(
    worker: WorkerOf, hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not go on looking alive with no thread left; whoever supervises it starts another (worker)."""
    working = worker("G22", worker={"concurrency": 1, "poll": 0.2, "idle": 0.05, "stop_within": 1.0})

    def dying(self: Worker) -> None:
        raise SystemExit

    monkeypatch.setattr(Worker, "_next_turn", dying)
    assert working.run() is False
    assert not working.is_ready()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_one_coroutine_that_exits_leaves_the_others_alone(backend: dict[str, str]) -> None:
    """They share the loop, which goes on (worker, "Your code")."""
    loop = HandlerLoop()
    begun, may_end, done = threading.Event(), threading.Event(), threading.Event()

    async def long() -> None:
        begun.set()
        while not may_end.is_set():
            await asyncio.sleep(0.01)
        done.set()

    thread = threading.Thread(target=lambda: loop.run(long()))
    thread.start()
    assert begun.wait(PATIENCE)
    with pytest.raises(SystemExit):
        loop.run(leave_the_loop(None))
    may_end.set()
    thread.join(PATIENCE)
    assert done.is_set()
    loop.close()
