"""Webhooks to a receiver that is killed again and again: each event at least once, and each document in its order."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edoc_connector.gateway import add_webhook

if TYPE_CHECKING:
    from tests.gateway.conftest import Running

DOCUMENTS = int(os.environ.get("EDOC_TEST_WEBHOOKS", "10"))
KILLS = 10 if DOCUMENTS >= 100 else 4
SECRET = "whsec_" + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PROGRAM = Path(__file__).parents[1] / "webhook_receiver.py"


def test_every_event_arrives_in_the_order_of_its_document(gateway: Running, tmp_path: Path) -> None:
    """A receiver that is killed at any moment loses nothing, knows what comes twice, and sees a document in order."""
    told, secret = tmp_path / "told.jsonl", tmp_path / "webhook.secret"
    secret.write_text(SECRET)
    port = find_free_port()
    add_webhook(gateway.office, f"http://127.0.0.1:{port}/edoc", secrets=[f"file:{secret}"], events=None)
    with killed_again_and_again(port, told):
        for number in range(DOCUMENTS):
            answer = gateway.client.post(gateway.base + "/documents", json=gateway.compose(str(7000 + number)))
            assert answer.status_code == 201, answer.text
            for receipt in gateway.partner.receive():
                with receipt:
                    receipt.accept()
        exchange_all(gateway)
    wanted = list_changes(gateway)
    assert len(wanted) >= 4 * DOCUMENTS
    with receiving(port, told):
        wait_until(lambda: {line[2] for line in read_lines(told)} >= set(wanted))
    lines = read_lines(told)
    assert {line[2] for line in lines} == set(wanted)
    assert len({line[0] for line in lines}) == len(wanted)  # the same event always under the same id
    assert_in_order(lines)


def assert_in_order(lines: list[list[Any]]) -> None:
    """Require that what is told of a document first comes in the order in which it happened."""
    seen: dict[str, list[int]] = {}
    for _, document_id, number, _ in lines:
        numbers = seen.setdefault(document_id, [])
        if number not in numbers:
            assert not numbers or number > numbers[-1], document_id
            numbers.append(number)


def exchange_all(gateway: Running) -> None:
    """Wait until every document was accepted."""

    def accepted(page: dict[str, Any]) -> bool:
        for receipt in gateway.partner.receive():
            with receipt:
                receipt.accept()
        return all(one["recipients"][0]["status"] == "03" for one in page["items"])

    gateway.wait_for("/deliveries?limit=1000", accepted)


def list_changes(gateway: Running) -> list[int]:
    """The numbers of all events, by the feed."""
    found: list[int] = []
    after = "0"
    while True:
        page = gateway.client.get(gateway.base + "/changes", params={"after": after, "limit": 1000}).json()
        found += [item["id"] for item in page["items"]]
        if not page["more"]:
            return found
        after = page["next"]


def read_lines(told: Path) -> list[list[Any]]:
    """What was told; a line that a kill cut short was not answered either."""
    text = told.read_text() if told.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("]")]


@contextmanager
def receiving(port: int, told: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the receiver, and kill it."""
    with subprocess.Popen([sys.executable, str(PROGRAM), str(port), str(told), SECRET]) as program:
        try:
            wait_until(lambda: is_listening(port))
            yield program
        finally:
            program.kill()


@contextmanager
def killed_again_and_again(port: int, told: Path) -> Iterator[None]:
    """Run the receiver, killed at random moments, beside the block; as often as is wanted."""
    done = threading.Event()

    def live_and_die() -> None:
        kills = 0
        while kills < KILLS or not done.is_set():
            with receiving(port, told):
                time.sleep(random.uniform(0.05, 0.6))
            kills += 1

    thread = threading.Thread(target=live_and_die)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def find_free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody answers there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def wait_until(holds: Any) -> None:
    """Wait until something holds."""
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)
