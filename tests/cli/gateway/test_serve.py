"""The command gateway."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.mockhub import Fault
from edoc_connector.testing import RunningHub

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc
    from tests.conftest import StartProgram


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_everything_is_closed(
    offices: dict[str, Path], edoc: Edoc, mock_hub: RunningHub, start_program: StartProgram, number: signal.Signals
) -> None:
    """The worker beside it has its time, gives back what it holds, and says so; a second signal changes nothing."""
    with offices["H29.05"].open("a", encoding="utf-8") as configuration:
        configuration.write("[worker]\nstop_within = 1.0\n")
    mock_hub.faults.add(Fault(kind="delay", seconds=10.0, count=None))
    assert edoc("send", "document.json", "--queue", "-c", offices["H29.05"]).code == 0
    command = [sys.executable, "-m", "edoc_connector", "gateway", "--worker", "--listen", "127.0.0.1:0"]
    gateway = start_program([*command, "-c", str(offices["H29.05"])], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert gateway.stdout is not None
    assert "gateway ready" in next(iter(gateway.stdout))
    gateway.send_signal(number)
    gateway.send_signal(number)
    _, log = gateway.communicate(timeout=60)
    assert gateway.returncode == 0
    assert "not everything for H29.05 was finished in time" in log
