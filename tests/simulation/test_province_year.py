"""The short form of a province's year; `python tests/simulation/province_year.py` is the long one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_a_small_year_loses_nothing() -> None:
    """Codes end, agencies move to another hub: 0 lost, 0 doubled, every status on its document (hubs, "Must show")."""
    script = Path(__file__).with_name("province_year.py")
    command = [sys.executable, str(script), "--agencies", "6", "--codes", "300", "--documents", "12", "--months", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.search(r"(\d+) by heirs, (\d+) answers, (\d+) refused .* (\d+) codes ended; 0 wrong", done.stdout)
    assert told is not None, done.stdout
    assert all(int(number) > 0 for number in told.groups())
