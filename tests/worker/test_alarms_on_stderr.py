"""What a worker in trouble says on stderr, as it is started without any option: a process of its own."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.edxml import Attachment
from edoc_connector.mockhub import Fault
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import authority

if TYPE_CHECKING:
    from tests.worker.conftest import Office, SectionsOf

pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)

PATIENCE = 120.0
TOO_LONG = 600_000  # bytes that no file of a process may have, whose disk is full


class RunningWorker:
    """`edoc worker` as a process, and what it has said on stderr."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, *patterns: str) -> None:
        """Wait until each pattern is in a line."""
        deadline = time.monotonic() + PATIENCE
        while not all(any(re.search(pattern, line) for line in self.lines) for pattern in patterns):
            assert time.monotonic() < deadline, self.lines
            assert self.process.poll() is None, self.lines
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a supervisor does; everything it said is there afterwards."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self.lines
        self._reader.join(PATIENCE)


Start = Callable[..., RunningWorker]


@pytest.fixture
def start(values: SectionsOf, tmp_path: Path) -> Iterator[Start]:
    """Starts `edoc worker` for an agency, without -v; variables of the environment may be given."""
    started: list[RunningWorker] = []

    def run(agency: str, *, before: Callable[[], object] | None = None, **sections: dict[str, Any]) -> RunningWorker:
        file = tmp_path / f"{agency}.toml"
        file.write_text(
            "\n".join(
                f"[{name}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in section.items())
                for name, section in values(agency, **sections).items()
            )
        )
        command = [sys.executable, "-m", "edoc_connector", "worker", "-c", str(file)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ, preexec_fn=before
        )
        started.append(RunningWorker(process))
        return started[-1]

    yield run
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(PATIENCE)
        one._reader.join(PATIENCE)
        assert one.process.stderr is not None
        one.process.stderr.close()


@contextmanager
def said_without_secrets(worker: RunningWorker) -> Iterator[None]:
    """Stop the worker at the end, and look that no line holds a secret or what a document says."""
    yield
    worker.stop()
    text = "\n".join(worker.lines)
    assert "secret-" not in text
    assert sample_document().subject not in text


def test_point_7_a_hub_that_refuses_is_told_of_once(start: Start, hub: RunningHub) -> None:
    """A flood of refused polls is a line with a count, and an alarm with its cure (alarms, point 7; faults, row 8)."""
    hub.faults.add(Fault(kind="error", status=503, count=None))
    worker = start("G22", worker={"poll": 0.1, "idle": 0.02, "concurrency": 1}, checks={"interval": 0.2})
    with said_without_secrets(worker):
        worker.wait_for("poll of G22: ", r"ERROR G22: CHK-POLL: .* polls in a row have failed \(503\).*edoc receive")
        time.sleep(1.0)
        hub.faults.clear()
        worker.wait_for("WARNING G22: CHK-POLL: cleared: the hub answers polls")
    polls = [line for line in worker.lines if "poll of G22: " in line]
    assert len(polls) == 2, polls
    assert re.search(r"\(and \d+ like it within 60 s\)$", polls[1])
    assert sum("CHK-POLL" in line for line in worker.lines) == 2


def test_point_7_a_packet_that_is_set_aside(start: Start, office: Office, hub: RunningHub) -> None:
    """It is said that one waits for a person (alarms, point 7; faults, row 21)."""
    hub.offer(b"no packet at all", sender="H29.05", to="G22")
    worker = start("G22", checks={"interval": 0.2})
    with said_without_secrets(worker):
        worker.wait_for("WARNING G22: CHK-QUARANTINED: 1 packets were set aside, and wait for a person")


def test_point_7_a_certificate_that_has_ended(start: Start, office: Office, hub: RunningHub, tmp_path: Path) -> None:
    """It is said that nothing is signed until there is a new one (alarms, point 7; faults, row 25)."""
    now = datetime.now(UTC)
    keys = authority().agency(
        "Sở Nội vụ",
        organ_id="H29.05",
        kind="p256",
        not_before=now - timedelta(days=9),
        not_after=now - timedelta(days=2),
    )
    worker = start("H29.05", signing={"key": keys.write_pem(tmp_path / "ended.pem")}, checks={"interval": 0.2})
    with said_without_secrets(worker):
        worker.wait_for(r"ERROR H29\.05: CHK-CERTIFICATE-ENDED: our certificate ended on \d{4}-\d\d-\d\d")


def _fill_disk() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (TOO_LONG, TOO_LONG))


def test_point_7_a_disk_that_is_full(start: Start, office: Office, hub: RunningHub) -> None:
    """The kernel refuses the packet's bytes: it is said, once, and the packet waits (alarms, point 7; row 23)."""
    large = Attachment.from_bytes(b"%PDF-1.4 " + os.urandom(TOO_LONG), name="a.pdf")
    office("H29.05").send(sample_document(attachments=(large,)))
    worker = start("G22", before=_fill_disk, limits={"backoff": 5.0}, checks={"interval": 0.2})
    with said_without_secrets(worker):
        worker.wait_for("ERROR work with the hub pauses for G22, everything stays queued: ", "CHK-HUB-PAUSED: ")


def test_point_7_json_by_a_setting(start: Start, office: Office, hub: RunningHub) -> None:
    """With `[logs] format` each line is an object with the check's code and agency in fields of their own."""
    hub.faults.add(Fault(kind="error", status=503, count=None))
    sections = {"receive": {"policy": "any"}, "logs": {"format": "json"}}
    worker = start("G22", checks={"interval": 0.2}, **sections)
    with said_without_secrets(worker):
        worker.wait_for('"check": "CHK-POLL"')
    found = [json.loads(line) for line in worker.lines]
    assert any("[receive] policy is any" in one["message"] for one in found)
    (raised,) = (one for one in found if one.get("check") == "CHK-POLL")
    assert (raised["level"], raised["agency"], raised["change"]) == ("error", "G22", "raised")
    assert raised["logger"] == "edoc_connector.checks"
