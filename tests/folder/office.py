"""An agency with a watched folder at a mock hub, and what other software does there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.folder import FolderWatcher
from edoc_connector.testing import sample_document, sample_pdf
from edoc_connector.testing.office import MockOffice
from edoc_connector.worker import AgencyJobs

OURS, THEIRS = "H29.05", "G22"
SETTLE = 10.0


@dataclass
class Clock:
    """A steady clock that stands until it is moved."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Office:
    """An agency of ours with a watched folder, and what other software does there.

    Args:
        settings: of the agency.
        root: the folder.
        partner: the other agency.
        clock: that of the watcher.
    """

    settings: Settings
    root: Path
    partner: MockOffice
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.connector = Connector(self.settings)
        self.watcher = FolderWatcher(self.connector, clock=self.clock)

    def close(self) -> None:
        """End the watcher and its connector."""
        self.watcher.close()
        self.connector.close()

    def restart(self) -> None:
        """End the watcher as a process ends, and start another."""
        self.connector.close()
        self.__post_init__()

    def look(self, *, wait: float = SETTLE) -> None:
        """Look, let files settle, look again."""
        assert self.watcher.look()
        self.clock.now += wait
        assert self.watcher.look()

    def exchange(self) -> None:
        """Do what a worker does: poll, download, send and report."""
        jobs = AgencyJobs(self.connector)
        jobs.recover()
        jobs.poll(only_due=False)
        for work in (jobs.fetch, jobs.transmit, jobs.report):
            while work():
                pass

    def put(self, name: str, content: Any, *, department: str = "") -> Path:
        """Put a file into the folder of what is to be sent: JSON of a value, a text, or bytes."""
        folder = self.root / "out" / department
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def put_document(self, number: str = "7816", *, department: str = "", **changes: Any) -> str:
        """Put a document as JSON with a PDF of the same name; gives its DocumentId."""
        values = describe(number, **changes)
        self.put(f"{number}.pdf", sample_pdf([number]), department=department)
        self.put(f"{number}.json", values, department=department)
        day = str(values["issued_on"]).replace("-", "/")
        return str(values.get("id", f"{OURS},{day},{number}/SNV-VP"))

    def find_errors(self) -> dict[str, str]:
        """Find the texts of everything that was set aside, by the name of the file."""
        found = (self.root / "error").rglob("*.error.txt")
        return {path.name: path.read_text(encoding="utf-8") for path in found}

    def list_archived(self) -> list[str]:
        """List the names of the files that were archived."""
        found = (self.root / "archive").rglob("*")
        return sorted(path.name for path in found if path.is_file() and not path.name.startswith("."))

    def read_statuses(self, department: str = "") -> list[dict[str, Any]]:
        """Read the statuses that appeared, in order."""
        found = sorted((self.root / "status" / department).glob("*.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in found]

    def read_received(self, department: str = "") -> list[dict[str, Any]]:
        """Read the descriptions of the documents that appeared, in order."""
        found = sorted((self.root / "in" / department).glob("*/document.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def describe(number: str = "7816", **changes: Any) -> dict[str, Any]:
    """Describe a document as other software would."""
    day = sample_document().issued_on
    assert day is not None
    return {
        "number": number,
        "notation": "SNV-VP",
        "issued_on": day.isoformat(),
        "type_name": "Công văn",
        "subject": f"V/v thử nghiệm {number}",
        "signer": "Nguyễn Văn A",
        "signer_position": "Giám đốc",
        "place": "Hà Nội",
        "recipients": [f"{THEIRS}=Văn phòng Chính phủ"],
    } | changes


def wait_until(holds: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Wait until something holds, for so long at most."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never held"
        time.sleep(0.05)
