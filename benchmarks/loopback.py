"""A mock hub in a process of its own, with agencies to send and to receive, and what each process costs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edoc_connector.config import Settings
from edoc_connector.mockhub.config import AgencySpec, MockHubConfig
from edoc_connector.mockhub.server import serve
from edoc_connector.testing.keys import agency_keys

SENDER, RECEIVER, FILED = "H29.05", "G22", "H30"  # the third receives into a store that is full
_TICKS = os.sysconf("SC_CLK_TCK")


class HubProcess:
    """A mock hub in a process of its own; `SENDER`, `RECEIVER` and `FILED` are registered there.

    Args:
        folder: where it keeps its data.

    Attributes:
        url: its endpoint.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None:
            raise RuntimeError("no pipe")
        self.url = self._process.stdout.readline().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has used, its threads' in all (``/proc/PID/stat``, fields 14 and 15)."""
        if self._process is None:
            raise RuntimeError("not running")
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What some work cost.

    Attributes:
        wall: Seconds that passed.
        ours: Seconds of processor time in this process.
        hub: Seconds of processor time in the hub's.
    """

    wall: float
    ours: float
    hub: float

    @property
    def net(self) -> float:
        """Seconds without the hub's own share, as if its processor time had been spread over all processors.

        On two processors the hub takes one second of ours away for every two of its own at the least; nothing more is
        taken off, though a hub that keeps one processor busy leaves us the other only.
        """
        return self.wall - self.hub / (os.cpu_count() or 1)


def cost(hub: HubProcess, work: Callable[[], object]) -> Cost:
    """Do some work and say what it cost."""
    hub_before, ours_before, began = hub.cpu, _cpu(), time.perf_counter()
    work()
    return Cost(wall=time.perf_counter() - began, ours=_cpu() - ours_before, hub=hub.cpu - hub_before)


def settings_of(code: str, folder: Path, hub: HubProcess, **sections: dict[str, Any]) -> Settings:
    """Settings of one agency: usual ones, SQLite, signed and sealed.

    Args:
        code: `SENDER`, `RECEIVER` or `FILED`.
        folder: the agency's files; made where it is missing.
        hub: whom it talks to.
        sections: further settings, laid over these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = agency_keys(code, organ_id=code)
    root = agency_keys(SENDER, organ_id=SENDER)  # whose documents are received
    (folder / "secret").write_text(f"secret-{code}")
    values: dict[str, dict[str, Any]] = {
        "agency": {"id": code, "name": code},
        "hub": {"endpoint": hub.url, "system_id": code, "secret": "file:secret"},
        "signing": {"key": keys.write_pem(folder / "key.pem")},
        "receive": {"policy": "trusted", "trust": [str(root.write_root(folder / "root.pem"))]},
    }
    for name, section in sections.items():
        values[name] = values.get(name, {}) | section
    return Settings.of(values, folder=folder)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _main(folder: Path) -> None:
    agencies = tuple(AgencySpec(code=code, secret=f"secret-{code}", name=code) for code in (SENDER, RECEIVER, FILED))
    serve(MockHubConfig(data=folder, agencies=agencies), port=0, on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
