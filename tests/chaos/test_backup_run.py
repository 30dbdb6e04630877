"""The short form of the run with a backup; `python tests/chaos/backup_run.py` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = os.environ.get("EDOC_TEST_BACKUP", "10")


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_row_35_a_backup_while_documents_flow_restored_elsewhere(store: str) -> None:
    """Killed after its backup, restored on another machine: 0 lost, 0 doubled after reconcile (faults, row 35)."""
    command = [sys.executable, str(Path(__file__).with_name("backup_run.py")), "--store", store, "--documents", COUNT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
