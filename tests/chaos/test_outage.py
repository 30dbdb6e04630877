"""The short form of an outage of the hub; `python tests/chaos/outage.py` is the long one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def test_an_outage_is_cheap_and_ends_by_itself() -> None:
    """The processor rests, and the queue is drained after the return without operator (issue, "Must show")."""
    environment = os.environ | {"EDOC_OUTAGE_QUEUED": "20", "EDOC_OUTAGE_HOURS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("outage.py"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("20 at the hub\n")
    percent, drained = re.findall(r"([\d.]+) %|drained after (\d+) s", done.stdout)
    assert float(percent[0]) < 1.0
    assert int(drained[1]) < 600
