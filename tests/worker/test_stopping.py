"""A stop that something will not wait for: the process ends within its time all the same."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.connector import handlers as handlers_module
from edoc_connector.connector.handlers import HandlerLoop
from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

if TYPE_CHECKING:
    from tests.worker.conftest import Office, SectionsOf

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
