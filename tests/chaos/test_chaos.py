"""The short form of the chaos test; `python tests/chaos/chaos.py` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("store", ["sqlite"])
def test_nothing_is_lost_and_nothing_doubled(store: str) -> None:
    """Processes killed at random and at steps between two writes, a hub that fails (issue, "Must show")."""
    command = [sys.executable, str(Path(__file__).with_name("chaos.py")), "--store", store]
    command += ["--documents", "10", "--seconds", "12", "--patience", "240"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
