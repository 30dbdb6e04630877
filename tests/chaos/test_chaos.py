"""The short form of the chaos run, and the small hub's own rules; `python tests/chaos/chaos.py` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fault_plan import CALLS, FAULTS, draw  # type: ignore[import-not-found]  # found by the line above

STORE, ENGINE = os.environ.get("EDOC_CHAOS_STORE", "sqlite"), os.environ.get("EDOC_CHAOS_ENGINE", "own")
SMALL = {"EDOC_CHAOS_DOCUMENTS": "6", "EDOC_CHAOS_SECONDS": "30", "EDOC_CHAOS_WORKERS": "1"}


def test_nothing_is_lost_doubled_or_stuck() -> None:
    """Killed, stopped and lied to, the hub's ledger and our stores say the same in the end (faults, rows 1 to 36)."""
    command = [sys.executable, str(Path(__file__).with_name("chaos.py")), "--store", STORE, "--engine", ENGINE]
    done = subprocess.run(
        [*command, "--strength", "2"], capture_output=True, text=True, env={**SMALL, **os.environ}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plan_meets_every_kind_of_fault() -> None:
    """Each fault of the plan comes about, and the n-th call of a kind meets the same one in each run of a seed."""
    drawn = [draw(1, call, number, 1.0) for call in CALLS for number in range(3000)]
    counts = Counter(fault.kind for fault in drawn if fault is not None)
    assert set(counts) == {fault.kind for fault in FAULTS}
    assert drawn[:500] == [draw(1, CALLS[0], number, 1.0) for number in range(500)]
    assert not any(draw(1, call, number, 0.0) for call in CALLS for number in range(100))


def test_the_hub_shares_no_line_with_what_it_tries() -> None:
    """The hub of the run is not the mock hub, and imports nothing of the library (own small hub)."""
    for name in ("hub.py", "fault_plan.py"):
        assert "edoc_connector" not in Path(__file__).with_name(name).read_text(encoding="utf-8")
