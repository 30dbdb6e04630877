"""The command worker, working once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.mockhub import Fault
from edoc_connector.testing import RunningHub

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc
    from tests.conftest import StartProgram

HANDLERS = """
from pathlib import Path
from edoc_connector.connector import Handlers

handlers = Handlers()

@handlers.on_receipt
def register(receipt):
    with Path(__file__).with_name("register").open("a") as file:
        file.write(receipt.id + "\\n")
"""


def test_working_once(offices: dict[str, Path], sent: str, edoc: Edoc, tmp_path: Path) -> None:
    """It polls whenever the next poll is due, confirms, answers, and ends with 0; the next one has nothing to do."""
    for _ in range(2):
        ran = edoc("worker", "--once", "-c", offices["G22"])
        assert ran.code == 0, ran.err
    assert edoc("worker", "--once", "-c", offices["H29.05"]).code == 0
    assert sent in edoc("receipts", "-c", offices["G22"], "--json").out


def test_what_failed_is_in_the_exit_code(
    offices: dict[str, Path], sent: str, edoc: Edoc, mock_hub: RunningHub, tmp_path: Path
) -> None:
    """1 where the hub was not reached, and where the application failed; each in both languages."""
    mock_hub.faults.add(Fault(kind="error", status=503, count=None))
    ran = edoc("worker", "--once", "-c", offices["G22"])
    assert ran.code == 1
    assert "the hub was not reached" in ran.err
    assert "chưa kết nối được trục" in ran.err
    mock_hub.faults.clear()
    (tmp_path / "failing.py").write_text("def handle(receipt):\n    raise ValueError('the DMS is full')\n")
    sys.path.insert(0, str(tmp_path))
    try:
        ran = edoc("worker", "--once", "--handlers", "failing:handle", "-c", offices["G22"])
    finally:
        sys.path.remove(str(tmp_path))
    assert ran.code == 1
    assert "the application failed on a packet" in ran.err
    assert "the hub was not reached" not in ran.err


def test_two_at_once(offices: dict[str, Path], edoc: Edoc, tmp_path: Path, start_program: StartProgram) -> None:
    """Two that cron started at the same moment share the work: each document is in the register once."""
    document = (tmp_path / "document.json").read_text()
    for number in range(1, 7):
        (tmp_path / "document.json").write_text(document.replace("7816", str(number)))
        assert edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"]).code == 0
    (tmp_path / "dms.py").write_text(HANDLERS.replace("\\\\n", "\\n"))
    command = [sys.executable, "-m", "edoc_connector", "worker", "--once", "--handlers", "dms:handlers"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    running = [
        start_program([*command, "-c", str(offices["G22"])], env=environment, stderr=subprocess.PIPE) for _ in range(2)
    ]
    for one in running:
        _, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
    register = Counter((tmp_path / "register").read_text().split())
    assert len(register) == 6
    assert set(register.values()) == {1}
