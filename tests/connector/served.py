"""An application that opens its connectors when it is imported, as servers load it before they fork.

``EDOC_TEST_SENDER`` and ``EDOC_TEST_RECEIVER`` name the configurations. gunicorn serves `application`; Celery runs the
tasks of `tasks`, with a broker and results in the folder ``EDOC_TEST_BROKER``; ``python served.py`` forks by itself.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from edoc_connector import Connector
from edoc_connector.errors import EdocError
from edoc_connector.testing import sample_document

sender = Connector.open(Path(os.environ["EDOC_TEST_SENDER"]))
receiver = Connector.open(Path(os.environ["EDOC_TEST_RECEIVER"]))
PARENT_DOCUMENT = sender.send(sample_document(number="1000")).id  # sockets, and connections to the stores, are open


def send(number: str) -> dict[str, Any]:
    """Send a document."""
    return _answer(lambda: [sender.send(sample_document(number=number)).id])


def receive() -> dict[str, Any]:
    """Handle everything that waits."""
    return _answer(_handle_all)


def _handle_all() -> list[str]:
    handled = []
    for receipt in receiver.receive():
        with receipt:
            handled.append(receipt.document.id)
    return handled


def _answer(work: Callable[[], list[str]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"process": os.getpid(), "owner": sender.context.lease.owner}
    try:
        return answer | {"documents": work()}
    except EdocError as error:
        return answer | {"error": type(error).__name__, "message": error.message, "vi": error.vi}
    except BaseException:
        return answer | {"untyped": traceback.format_exc()}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve ``/send/NUMBER`` and ``/receive`` (WSGI)."""
    call, _, number = environ["PATH_INFO"].strip("/").partition("/")
    body = json.dumps(send(number) if call == "send" else receive()).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def make_tasks() -> Any:
    """Make the Celery application."""
    from celery import Celery

    broker = Path(os.environ["EDOC_TEST_BROKER"])
    for name in ("queue", "results"):
        (broker / name).mkdir(parents=True, exist_ok=True)
    made = Celery("served", broker="filesystem://", backend=f"file://{broker / 'results'}")
    made.conf.broker_transport_options = {f"data_folder_{way}": str(broker / "queue") for way in ("in", "out")} | {
        "control_folder": str(broker / "control")
    }
    made.conf.update(worker_prefetch_multiplier=1, task_serializer="json", broker_connection_retry_on_startup=True)
    made.task(name="send")(send)
    made.task(name="receive")(receive)
    return made


if "EDOC_TEST_BROKER" in os.environ:
    tasks = make_tasks()


def fork_and_run(work: Callable[[], dict[str, Any]], *, past_python: bool = False) -> dict[str, Any]:
    """Run work in a forked process, and give its answer; `past_python` forks as a server written in C does."""
    reading, writing = os.pipe()
    child = ctypes.PyDLL(None).fork() if past_python else os.fork()
    if child == 0:
        with os.fdopen(writing, "w") as file:
            json.dump(work(), file)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        answer: dict[str, Any] = json.load(file)
    os.waitpid(child, 0)
    return answer


def fork_in_the_middle_of_receive() -> dict[str, Any]:
    """Fork where a packet is in hand: the child may not touch it, and receives by itself."""
    loop = receiver.receive()
    receipt = next(loop)
    receipt.__enter__()

    def leave() -> list[str]:
        receipt.__exit__(None, None, None)
        return []

    def work() -> dict[str, Any]:
        left = _answer(leave)
        further = _answer(lambda: [next(loop).id])
        return {"left": left, "further": further, "own": receive()}

    child = fork_and_run(work)
    receipt.__exit__(None, None, None)
    rest = []
    for another in loop:
        with another:
            rest.append(another.document.id)
    return {"child": child, "parent": [receipt.id, *rest]}


def fork_in_the_middle_of_a_transaction() -> dict[str, Any]:
    """Fork while the store is in use, which SQLite does not bear."""
    with sender.context.store.snapshot():
        return {"child": fork_and_run(lambda: send("2"))}


def fork_and_let_the_parent_leave() -> dict[str, Any]:
    """Fork, close the parent's connector, and go on in the child."""
    parent_left, say_left = os.pipe()

    def work() -> dict[str, Any]:
        before = send("11")
        os.close(say_left)
        os.read(parent_left, 1)
        return {"before": before, "after": send("12")}

    def leave_soon() -> None:
        for _ in range(500):
            with sender.context.store.snapshot() as tx:
                if len(tx.deliveries.list_page("H29.05")) > 1:
                    break
            time.sleep(0.01)
        sender.close()
        os.close(say_left)

    leaving = threading.Timer(0.5, leave_soon)  # begun after the fork
    leaving.start()
    child = fork_and_run(work)
    leaving.join()
    with Connector.open(Path(os.environ["EDOC_TEST_SENDER"])) as another:
        return {"child": child, "stored": sorted(delivery.code for delivery in another.deliveries())}


SCENES: dict[str, Callable[[], dict[str, Any]]] = {
    "one after another": lambda: {
        "children": [fork_and_run(lambda number=number: send(str(number))) for number in (1, 2, 3)],  # type: ignore[misc]
        "parent": send("4"),
    },
    "receive": fork_in_the_middle_of_receive,
    "transaction": fork_in_the_middle_of_a_transaction,
    "the parent leaves": fork_and_let_the_parent_leave,
    "past python": lambda: {"child": fork_and_run(lambda: send("5"), past_python=True), "parent": send("6")},
}

if __name__ == "__main__":
    outcome = SCENES[sys.argv[1]]()
    print(json.dumps(outcome))
