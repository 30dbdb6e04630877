"""Run the benchmarks:  python -m benchmarks [--quick] [--only NAME]... [--json FILE] [--docs]

Each module runs in a process of its own; one that fails or takes too long is shown as failed and the others go on.
``--docs`` writes what was measured to docs/performance.json and makes the tables and plots of docs/performance.md from
it; modules that were not run keep what stands there. ``--render`` makes tables and plots from the file as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the modules import one another by their own names, as scripts do

from harness import Figure, show  # noqa: E402
from machine import machine  # noqa: E402
from report import PAGES, Module, Results, load, render, save  # noqa: E402

MODULES = {
    "startup": "Start-up",
    "client": "Hub client without a store",
    "receiving": "Connector: receiving",
    "connector": "Connector: sending, and rows in the store",
    "gateway": "Gateway under load",
    "workers": "Workers on one PostgreSQL",
    "packets": "Packets: build, sign, read, verify, extract",
}
TOTAL = {False: 25 * 60.0, True: 5 * 60.0}
"""Seconds after which everything ends, without and with ``--quick``; a quiet machine needs less than half."""
SHARE = {False: 90.0, True: 20.0}
"""Of that, what is kept for each module that is still to come."""


def main() -> int:
    """Run what is asked for; the exit code is 1 where something failed."""
    options = _options()
    if options.figures:
        _figures_to(options.figures[0], Path(options.figures[1]), quick=options.quick)
        return 0
    if options.render:
        render(load())
        return 0
    results = Results(machine=machine(), modules=_measured(options.only or list(MODULES), quick=options.quick))
    if options.json:
        save(results, options.json)
    if options.docs:
        kept = load(or_else=results)
        results.modules = {**kept.modules, **{k: v for k, v in results.modules.items() if not v.failed}}
        save(results)
        render(results)
        print(f"written: {', '.join(page.name for page in PAGES)}, their figures and plots")
    return int(any(one.failed for one in results.modules.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller and fewer; to see that all of it runs")
    parser.add_argument("--only", metavar="NAME", action="append", choices=MODULES, help=", ".join(MODULES))
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there")
    parser.add_argument(
        "--docs", action="store_true", help="bring docs/performance.md and docs/performance.vi.md up to date"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing; make the page from the stored figures")
    parser.add_argument("--figures", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measured(names: list[str], *, quick: bool) -> dict[str, Module]:
    end = time.monotonic() + TOTAL[quick]
    modules: dict[str, Module] = {}
    for number, name in enumerate(names, start=1):
        limit = max(SHARE[quick], end - time.monotonic() - SHARE[quick] * (len(names) - number))
        print(f"… {name}", file=sys.stderr, flush=True)
        modules[name] = one = _run(name, limit, quick=quick)
        if one.failed:
            print(f"{MODULES[name]}: failed after {one.seconds:.0f} s: {one.failed}\n")
        else:
            show(f"{MODULES[name]} ({one.seconds:.0f} s)", one.figures)
    return modules


def _run(name: str, limit: float, *, quick: bool) -> Module:
    """Run one module in a process and a session of its own, which end together."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edoc-bench-") as folder:
        out = Path(folder) / "figures.json"
        command = [sys.executable, "-m", "benchmarks", "--figures", name, str(out), *(["--quick"] if quick else [])]
        process = subprocess.Popen(command, cwd=HERE.parent, start_new_session=True, stdout=2)
        try:
            code = process.wait(limit)
            failed = "" if code == 0 and out.exists() else f"exit code {code}"
        except subprocess.TimeoutExpired:
            failed = f"took longer than {limit:.0f} s"
        finally:
            _end(process)
        figures = [] if failed else [Figure(**one) for one in json.loads(out.read_text())]
    seconds = time.monotonic() - started
    return Module(figures=figures, seconds=seconds, quick=quick, failed=failed, date=f"{datetime.now(UTC):%Y-%m-%d}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a module with all that it started, and left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _figures_to(name: str, out: Path, *, quick: bool) -> None:
    """In the module's own process: measure, and leave the figures in a file."""
    module = __import__(name)
    out.write_text(json.dumps([asdict(one) for one in module.figures(quick)]))


if __name__ == "__main__":
    sys.exit(main())
