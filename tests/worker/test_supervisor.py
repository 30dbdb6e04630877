"""Several worker processes: kept running, told to stop together, never left behind (worker, "Several processes")."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from edoc_connector.store import ReceiptState
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.worker import Supervisor

if TYPE_CHECKING:
    from tests.conftest import StartProgram
    from tests.worker.conftest import Office, SectionsOf

PATIENCE = 120.0
BACKEND = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # its processes share one file
NOTES_ITS_START = "import os, sys\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
UNTIL_INPUT_ENDS = NOTES_ITS_START + "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsys.stdin.read()\n"
HANDLERS = """
import os
from pathlib import Path

def register(receipt):
    with Path(__file__).with_name("register").open("a") as file:
        file.write(f"{receipt.id} {os.getpid()}\\n")
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def supervising(program: str, notes: Path, *, number: int = 2, stop_within: float = 60.0) -> Iterator[dict[str, Any]]:
    """Supervise a program of some lines, and stop it at the end of the block; ``finished`` says what `run` returned."""
    command = [sys.executable, "-c", program, str(notes)]
    supervisor = Supervisor([command] * number, stop_within=stop_within, first_rest=0.01)
    result: dict[str, Any] = {}
    thread = threading.Thread(target=lambda: result.update(finished=supervisor.run()))
    thread.start()
    try:
        yield result
    finally:
        supervisor.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


def read_ids(notes: Path) -> list[int]:
    """Read the process ids of everything that was started."""
    return [int(line) for line in notes.read_text().split()] if notes.exists() else []


def is_running(process_id: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def test_they_stop_when_their_input_ends(tmp_path: Path) -> None:
    """A stop closes the input of each, and waits: who finishes in time makes it a good end."""
    notes = tmp_path / "notes"
    with supervising(UNTIL_INPUT_ENDS, notes, number=3) as result:
        wait_until(lambda: len(read_ids(notes)) == 3)
    assert result == {"finished": True}
    assert not any(is_running(process_id) for process_id in read_ids(notes))


def test_who_ends_by_itself_is_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each time after a longer rest, with its exit code in the log."""
    notes = tmp_path / "notes"
    with supervising(NOTES_ITS_START + "sys.exit(3)", notes, number=1):
        wait_until(lambda: len(read_ids(notes)) >= 3)
    ends = [record.getMessage() for record in caplog.records if "ended by itself with exit code 3" in record.message]
    rests = [float(message.split(" in ")[1].split()[0]) for message in ends]
    assert rests[:2] == [0.01, 0.02]


def test_who_is_killed_is_started_again_and_the_end_is_good(tmp_path: Path) -> None:
    """The end of its last run counts, not that of one before."""
    notes = tmp_path / "notes"
    with supervising(UNTIL_INPUT_ENDS, notes) as result:
        wait_until(lambda: len(read_ids(notes)) == 2)
        os.kill(read_ids(notes)[0], signal.SIGKILL)
        wait_until(lambda: len(read_ids(notes)) == 3)
    assert result == {"finished": True}


def test_who_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is ended, and that is no good end."""
    monkeypatch.setattr("edoc_connector.worker.supervisor._CLOSING_SECONDS", 0.1)
    notes = tmp_path / "notes"
    stubborn = NOTES_ITS_START.replace("open(", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open(")
    with supervising(stubborn + "import time; time.sleep(600)", notes, number=1, stop_within=0.1) as result:
        wait_until(lambda: bool(read_ids(notes)))
    assert result == {"finished": False}
    assert not is_running(read_ids(notes)[0])


def test_a_program_that_cannot_be_started_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the end is no good one."""
    supervisor = Supervisor([[str(tmp_path / "none")]], stop_within=1.0, first_rest=0.01)
    ends: list[bool] = []
    thread = threading.Thread(target=lambda: ends.append(supervisor.run()))
    thread.start()
    wait_until(lambda: sum("cannot be started" in record.getMessage() for record in list(caplog.records)) >= 2)
    supervisor.stop()
    thread.join(PATIENCE)
    assert ends == [False]


@pytest.fixture
def configured(values: SectionsOf, tmp_path: Path) -> Path:
    """A folder with the configuration of G22 and its handlers."""
    (tmp_path / "dms.py").write_text(HANDLERS)
    sections = values("G22", worker={"concurrency": 1, "poll": 0.2, "idle": 0.05, "stop_within": 60.0})
    sections["limits"]["lease"] = 2.0  # so long nobody takes over what a killed process held
    lines = []
    for name, section in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
    (tmp_path / "edoc.toml").write_text("\n".join(lines))
    return tmp_path


def find_children(process_id: int) -> set[int]:
    """Find the processes that a process started and that have not ended."""
    found = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(process_id)], capture_output=True, text=True)
    lines = [line.split() for line in found.stdout.splitlines()]
    return {int(number) for number, state in lines if not state.startswith("Z")}


def find_free_ports() -> int:
    """Find a port that is free, and so is the next one."""
    while True:
        with closing(socket.create_server(("127.0.0.1", 0))) as first:
            port = first.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except OSError:
                continue
            return int(port)


@BACKEND
def test_ctrl_c_while_they_start_is_a_good_end(configured: Path, start_program: StartProgram) -> None:
    """A terminal sends it to all that belong to the command: none of the processes is hit in the middle of a module."""
    command = [sys.executable, "-m", "edoc_connector", "worker", "--processes", "2"]
    program = start_program(
        command, cwd=configured, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert program.stdout is not None
    assert "2 processes work" in next(iter(program.stdout))
    wait_until(lambda: len(find_children(program.pid)) == 2)
    os.killpg(program.pid, signal.SIGINT)
    _, log = program.communicate(timeout=PATIENCE)
    assert "KeyboardInterrupt" not in log
    assert program.returncode == 0


@BACKEND
def test_two_processes_share_the_work_and_survive_one_that_is_killed(
    configured: Path, office: Office, hub: RunningHub, start_program: StartProgram
) -> None:
    """Each document is handled once; a killed process has its successor; each has its port; SIGTERM ends all with 0."""
    sender, port = office("H29.05"), find_free_ports()
    command = [sys.executable, "-m", "edoc_connector", "worker", "--processes", "2", "--handlers", "dms:register"]
    program = start_program([*command, "--listen", str(port)], cwd=configured)
    register = configured / "register"

    def is_ready(number: int) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{number}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    wait_until(lambda: is_ready(port) and is_ready(port + 1))
    first = find_children(program.pid)
    assert len(first) == 2
    for number in range(1, 9):
        sender.send(sample_document(number=str(number)))
    wait_until(lambda: register.exists() and register.read_text().count("\n") >= 4)
    killed = min(first)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: len(find_children(program.pid) - {killed}) == 2)
    for number in range(9, 13):
        sender.send(sample_document(number=str(number)))
    receiver = office("G22")
    wait_until(lambda: len(receiver.receipts(state=ReceiptState.CONFIRMED)) == 12)
    wait_until(lambda: is_ready(port) and is_ready(port + 1))
    last = find_children(program.pid)
    program.send_signal(signal.SIGTERM)
    assert program.wait(PATIENCE) == 0
    assert not any(is_running(process_id) for process_id in last)
    handled = Counter(line.split()[0] for line in register.read_text().splitlines())
    assert len(handled) == 12
    assert sum(handled.values()) <= 13  # the killed process may have been at one of them


@BACKEND
def test_none_is_left_behind_when_the_parent_is_killed(
    configured: Path, hub: RunningHub, start_program: StartProgram
) -> None:
    """The system closes the pipes of a process that is killed, and its children stop."""
    program = start_program([sys.executable, "-m", "edoc_connector", "worker", "--processes", "2"], cwd=configured)
    wait_until(lambda: len(find_children(program.pid)) == 2)
    children = find_children(program.pid)
    program.kill()
    wait_until(lambda: not any(is_running(process_id) for process_id in children))


@BACKEND
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--once"], ("--once works in one process", "--once chỉ chạy một tiến trình")),
        (["--listen", "65535"], ("65535 is the last there is", "65535 là cổng cuối cùng")),
        (["--handlers", "dms:none"], ("the handlers 'dms:none' cannot be used", "Không dùng được hàm xử lý")),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_started(
    options: list[str], words: tuple[str, str], configured: Path
) -> None:
    """One typed error in both languages, and no process is started that would fail again and again."""
    command = [sys.executable, "-m", "edoc_connector", "worker", "--processes", "2", *options]
    ran = subprocess.run(command, cwd=configured, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert ran.returncode == 1
    assert all(each in ran.stderr for each in words)
    assert "processes work" not in ran.stdout


@BACKEND
def test_a_port_that_is_taken_is_told_before_anything_is_started(configured: Path) -> None:
    """Each process has a port of its own, and all of them must be free."""
    port = find_free_ports()
    with closing(socket.create_server(("127.0.0.1", port + 1))):
        command = [sys.executable, "-m", "edoc_connector", "worker", "--processes", "2", "--listen", str(port)]
        ran = subprocess.run(command, cwd=configured, capture_output=True, encoding="utf-8", timeout=PATIENCE)
    assert ran.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port + 1}" in ran.stderr
