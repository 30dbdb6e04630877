"""A watcher that ends at any step, or is killed at any moment: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.folder.office import OURS, Office, describe, wait_until

from edoc_connector.folder import incoming, outgoing, shared_files, statuses
from edoc_connector.testing import sample_pdf

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.folder.conftest import OpenOffice

KILLS = int(os.environ.get("EDOC_TEST_FOLDER_KILLS", "4"))
STRIDE = int(os.environ.get("EDOC_TEST_FOLDER_STRIDE", "5"))
STEPS = ("move", "write_file", "write_json", "make_folder", "remove")


class Killed(BaseException):
    """The end of a program, as far as a test can play it in its own process."""


class Killer:
    """Ends the program before or after the n-th step on the share."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.left = number
        self.after = after

    def wrap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """The step, before or after which the program may end."""

        def run(*arguments: Any, **options: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            result = step(*arguments, **options)
            if self.left == 0:
                raise Killed
            return result

        return run


def play(office: Office) -> None:
    """What a watcher does for two items and a received document, with the worker beside it."""
    office.look()
    office.exchange()
    office.look()


def test_a_watcher_that_ends_at_any_step(open_office: OpenOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each step on the share the program ends; the next one finishes everything, and does nothing twice."""
    office = open_office(settle=0.0)
    seen: Counter[str] = Counter()
    expected = 0
    for number in range(1, 300, STRIDE):
        office.put_document(str(number), department="A")
        office.put(f"c{number}.pdf", sample_pdf(["x"]))
        values = describe(str(number + 1000), files=[f"c{number}.pdf"])
        office.put(f"c{number}.json", [values, describe(str(number + 2000), subject="", files=[f"c{number}.pdf"])])
        received = office.partner.send(to=OURS, number=str(number))
        expected += 1
        killer = Killer(number, after=number % 2 == 0)
        with monkeypatch.context() as steps:
            for module in (outgoing, incoming, statuses):
                for name in STEPS:
                    if hasattr(module, name):
                        steps.setattr(module, name, killer.wrap(getattr(shared_files, name)))
            with suppress(Killed):
                play(office)
        office.restart()
        play(office)
        play(office)
        seen.update(one["document_id"] for one in office.read_received())
        assert seen[received] == 1, number
        for path in (office.root / "in").iterdir():  # the other software takes it away
            shutil.rmtree(path)
        if killer.left > 0:
            break
    else:
        raise AssertionError("there were more steps than were tried")
    assert number > 20
    assert len(list(office.connector.iter_deliveries())) == 2 * expected
    assert len(office.partner.list_received()) == 2 * expected
    assert len(list((office.root / "error").rglob("*.error.txt"))) == expected
    assert set(seen.values()) == {1}
    told = [(one["document_id"], one["number"]) for one in [*office.read_statuses("A"), *office.read_statuses()]]
    assert len(told) == len(set(told))
    assert {one for one, _ in told} == {one.id for one in office.connector.iter_deliveries()}
    assert not list(office.watcher.layout.work.iterdir())


def test_a_watcher_that_is_killed_at_any_moment(
    open_office: OpenOffice, start_program: StartProgram, tmp_path: Path
) -> None:
    """`edoc watch-folder` is killed again and again, by the system; the hub has each document once, the folder too."""
    office = open_office(settle=0.0)
    settings = office.settings
    office.close()
    configuration = tmp_path / "edoc.toml"
    configuration.write_text(
        f'[agency]\nid = "{OURS}"\nname = "Sở Nội vụ"\n[hub]\nendpoint = "{settings.hub.endpoint}"\n'  # type: ignore[attr-defined]
        f'system_id = "{OURS}"\nsecret = "file:{settings.folder}/secret"\n[store]\nurl = "{settings.store_url()}"\n'
        f'spool = "{settings.spool()}"\n[limits]\nlease = 2.0\ngrace = 0.0\nbackoff = 0.1\n[worker]\npoll = 0.2\n'
        f'idle = 0.05\njitter = 0.0\n[watch_folder]\npath = "{office.root}"\nsettle = 0.0\ninterval = 0.05\n'
        "lock_after = 1.0\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "edoc_connector", "watch-folder", "-c", str(configuration)]
    chance, taken = random.Random(17), Counter[str]()
    sent, received = [], []

    def take_away() -> None:
        for facts in (office.root / "in").glob("*/document.json"):
            taken[json.loads(facts.read_text(encoding="utf-8"))["document_id"]] += 1
            shutil.rmtree(facts.parent)

    for number in range(1, KILLS + 1):
        with (tmp_path / "log").open("a", encoding="utf-8") as log:
            watcher = start_program(command, stdout=log, stderr=log)
        for part in range(3):
            sent.append(office.put_document(f"{number}0{part}"))
            received.append(office.partner.send(to=OURS, number=f"{number}0{part}"))
        wait_until(lambda: bool(office.list_archived()))
        time.sleep(chance.uniform(0.0, 1.0))
        watcher.send_signal(signal.SIGKILL)
        watcher.wait(timeout=30)
        take_away()
    with (tmp_path / "log").open("a", encoding="utf-8") as log:
        watcher = start_program(command, stdout=log, stderr=log)

    def is_done() -> bool:
        take_away()
        at_hub = [packet.message.id for packet in office.partner.list_received()]
        return set(at_hub) >= set(sent) and set(taken) >= set(received)

    wait_until(is_done)
    watcher.send_signal(signal.SIGTERM)
    assert watcher.wait(timeout=60) == 0, (tmp_path / "log").read_text(encoding="utf-8")
    take_away()
    at_hub = Counter(packet.message.id for packet in office.partner.list_received())
    assert at_hub == Counter(sent)
    assert taken == Counter(received)
    told = [(one["document_id"], one["number"]) for one in office.read_statuses()]
    assert len(told) == len(set(told))
    assert not office.find_errors()
