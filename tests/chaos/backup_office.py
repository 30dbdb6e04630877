"""The offices of the backup run: an agency each, and a worker as a process that answers everything with 01 and 03."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from edoc_connector.cli.app import app

sys.path.insert(0, str(Path(__file__).parent))
from child import Register  # type: ignore[import-not-found]  # found by the line above, as the worker finds it

if TYPE_CHECKING:
    from edoc_connector.connector import Receipt

PARTIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}
MACHINE, PARTNER = PARTIES


def enter(received: Receipt) -> None:
    """Enter a document in the register of the worker's folder unless it is there, note the call, and accept it."""
    register, key = Register(Path("register.db")), (received.agency, received.sender, received.id, received.kind)
    register.ask("INSERT INTO calls (agency, sender, id, kind) VALUES (?, ?, ?, ?)", *key)
    register.ask(
        "INSERT INTO documents (agency, sender, id, kind) SELECT ?, ?, ?, ? WHERE NOT EXISTS"
        " (SELECT 1 FROM documents WHERE agency = ? AND sender = ? AND id = ? AND kind = ?)",
        *key, *key,
    )  # fmt: skip
    received.accept()


@contextlib.contextmanager
def start_worker(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker as an operator does, once it works; it is asked to end afterwards."""
    command = [sys.executable, "-m", "edoc_connector", "worker", "--handlers", "backup_office:enter"]
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    environment |= {"EDOC_WORKER__POLL": "1.0", "EDOC_WORKER__IDLE": "0.5"}  # most of its life it waits for the others
    with (
        (folder / "worker.log").open("ab") as log,
        (folder / "worker.log").open("rb") as seen,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as worker,
    ):
        try:
            wait_until(lambda: b"working for" in seen.read(), 120, "the worker works")
            yield worker
        finally:
            worker.terminate()


def run_command(folder: Path, *words: str) -> str:
    """Run a command as an operator does, but in this process, which takes less time; returns what it says."""
    done = CliRunner().invoke(app, [*words, "--config", str(folder / "edoc.toml")])
    print(f"$ edoc {' '.join(words)}\n{done.output}", flush=True)
    if done.exit_code > 1 or not isinstance(done.exception, SystemExit | None):  # 1: something is left to do
        raise RuntimeError(f"edoc {words[0]} failed") from done.exception
    return done.stdout


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.5)


def move_machine(old: Path, new: Path, database: str) -> None:
    """Set up another machine: configuration, keys, and the application's own register, which was on neither."""
    new.mkdir()
    for path in old.iterdir():
        if path.is_file() and not path.name.startswith("edoc.db") and path.suffix != ".log":
            shutil.copy2(path, new / path.name)
    lines = (new / "edoc.toml").read_text().replace(str(old), str(new)).splitlines()
    lines = [f'url = "{database}"' if line.startswith("url = ") else line for line in lines]
    (new / "edoc.toml").write_text("\n".join(lines))
