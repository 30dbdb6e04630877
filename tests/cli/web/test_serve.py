"""The command web."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc
    from tests.conftest import StartProgram


@pytest.mark.parametrize(
    ("listen", "words"), [("0.0.0.0:0", "TLS"), ("127.0.0.1:x", "[HOST:]PORT"), ("desk.local:0", "TLS")]
)
def test_it_does_not_start_where_passwords_could_be_read(
    offices: dict[str, Path], edoc: Edoc, listen: str, words: str
) -> None:
    """Beyond this machine it needs TLS, or a proxy that has it; the error says which settings."""
    ran = edoc("web", "--listen", listen, "-c", offices["H29.05"])
    assert (ran.code, words in ran.err) == (1, True)


def test_a_signal_ends_it_once_everything_is_closed(offices: dict[str, Path], start_program: StartProgram) -> None:
    """SIGTERM stops the worker beside it too, and closes the store: a good end, and not that of the signal."""
    command = [sys.executable, "-m", "edoc_connector", "web", "--listen", "127.0.0.1:0", "-c", str(offices["H29.05"])]
    desk = start_program(command, stdout=subprocess.PIPE)
    assert desk.stdout is not None
    assert "desk ready" in next(iter(desk.stdout))
    desk.send_signal(signal.SIGTERM)
    assert desk.wait(timeout=60) == 0
