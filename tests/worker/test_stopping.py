"""A stop that something will not wait for: the process ends within its time all the same."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import handlers as handlers_module
from edoc_connector.connector.handlers import HandlerLoop
from edoc_connector.errors import StoreError
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Worker

if TYPE_CHECKING:
    from tests.worker.conftest import Office, Running, SectionsOf, SettingsOf

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

PATIENCE = 60.0

# What never ends, in the application and at the hub.
STUCK = {
    "a coroutine that blocks": """
async def register(receipt):
    os.write(1, b"stuck\\n")
    threading.Event().wait()
""",
    "a function": """
def register(receipt):
    os.write(1, b"stuck\\n")
    threading.Event().wait()
""",
    "a hub": """
def confirm(self, *args):
    os.write(1, b"stuck\\n")
    threading.Event().wait()

HubClient.confirm = confirm

def register(receipt):
    pass
""",
}


@pytest.mark.parametrize("what", STUCK)
def test_the_command_ends_whatever_is_stuck(
    what: str, values: SectionsOf, tmp_path: Path, office: Office, hub: RunningHub
) -> None:
    """Exit code 1 after `stop_within`; what was let go of is done by whoever comes next (worker, "SIGTERM")."""
    imports = "import os\nimport threading\nfrom edoc_connector.client import HubClient\n"
    (tmp_path / "dms.py").write_text(imports + STUCK[what])
    sections = values("G22", worker={"concurrency": 1, "stop_within": 0.2})
    lines = [f"[{name}]\n" + _lines(section) for name, section in sections.items()]
    (tmp_path / "edoc.toml").write_text("\n".join(lines))
    sender = office("H29.05")
    for number in ("1", "2", "3"):
        sender.send(sample_document(number=number))
    command = [sys.executable, "-m", "edoc_connector", "worker", "--handlers", "dms:register"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("stuck" in line for line in iter(process.stdout.readline, ""))
            process.terminate()
            assert process.wait(PATIENCE) == 1
        finally:
            process.kill()
    receiver = office("G22")
    for receipt in receiver.receive():
        with receipt:
            pass
    receiver.flush()
    assert {one.state for one in receiver.receipts()} == {ReceiptState.CONFIRMED}
    assert len(receiver.receipts()) == 3


def _lines(section: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in section.items())


def test_a_loop_that_is_blocked_is_left_behind(backend: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of one's own that closes its handlers goes on, too (worker, "Your code")."""
    monkeypatch.setattr(handlers_module, "CLOSE_TIMEOUT_SECONDS", 0.05)
    loop = HandlerLoop()
    begun, may_end = threading.Event(), threading.Event()

    async def blocking() -> None:
        begun.set()
        may_end.wait(PATIENCE)

    thread = threading.Thread(target=lambda: loop.run(blocking()))
    thread.start()
    assert begun.wait(PATIENCE)
    loop.close()
    assert thread.is_alive()
    may_end.set()
    thread.join(PATIENCE)
    for other in threading.enumerate():
        if other.name == "edoc-handlers":
            other.join(PATIENCE)


def _delete_store(tmp_path: Path, agency: str) -> None:
    for path in (tmp_path / agency).glob("edoc.db*"):
        path.unlink()


def test_row_35_a_worker_whose_store_was_deleted_ends(
    settings: SettingsOf, hub: RunningHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends and says so once, for only a start finds a store that was put back or restored (faults, row 35)."""
    with Worker([settings("G22")]) as worker:
        timer = threading.Timer(0.5, _delete_store, (tmp_path, "G22"))
        timer.start()
        assert not worker.run()
        timer.join()
    critical = [record.getMessage() for record in caplog.records if record.levelno == logging.CRITICAL]
    assert critical == ["the worker ends: no agency has its store any more"]


def test_row_35_one_agency_without_its_store_does_not_stop_the_others(
    settings: SettingsOf, office: Office, running: Running, hub: RunningHub, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The others go on, and the lost one is left alone, even where its file comes back (faults, row 35)."""
    office("H29.05").send(sample_document())
    packet = hub.packets()[0].path.read_bytes()
    with Worker([settings("G22"), settings("H29.05")]) as worker, running(worker):
        _until(lambda: office("G22").receipts())
        kept = (tmp_path / "H29.05" / "edoc.db").rename(tmp_path / "H29.05" / "kept.db")
        _until(lambda: worker.agency_jobs[1].store.is_lost)
        kept.rename(tmp_path / "H29.05" / "edoc.db")
        hub.offer(packet, sender="H29.05", to="G22")
        _until(lambda: len(office("G22").receipts()) == 2)
        with pytest.raises(StoreError, match=r"was (deleted or moved|replaced)"):
            worker.agency_jobs[1].read_schedule()
        assert not worker.stopped
    told = [record for record in caplog.records if "the store of H29.05" in record.getMessage()]
    assert 1 <= len(told) <= 2 * worker.settings.concurrency


def _until(is_true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
