"""What starting costs: importing the package and its first names, and the help of the command.

    python benchmarks/startup.py

CPU seconds of whole processes, the best of many, taken in turn.
"""

from __future__ import annotations

import os
import subprocess
import sys

from harness import Figure, show

_PEERS = "import httpx, lxml.etree, pydantic"
_PROGRAMS: dict[str, tuple[str, ...]] = {
    "bare": ("-c", "pass"),
    "peers": ("-c", _PEERS),
    "package": ("-c", "import edoc_connector"),
    "HubClient": ("-c", "import edoc_connector; edoc_connector.HubClient"),
    "Document": ("-c", "import edoc_connector; edoc_connector.Document"),
    "Connector": ("-c", "import edoc_connector; edoc_connector.Connector"),
    "help": ("-m", "edoc_connector", "--help"),
}
_GOAL = 1.3


def figures(quick: bool = False) -> list[Figure]:
    """CPU time of fresh processes.

    Args:
        quick: once instead of the best of 10.
    """
    best = dict.fromkeys(_PROGRAMS, float("inf"))
    for number in range((1 if quick else 10) + 1):
        for name, arguments in _PROGRAMS.items():
            seconds = _cpu(arguments)
            if number:  # the first round compiles and fills the cache
                best[name] = min(best[name], seconds)
    said = {
        "package": "import edoc_connector",
        "HubClient": "import, and first use of HubClient",
        "Document": "import, and first use of Document",
        "Connector": "import, and first use of Connector",
        "help": "edoc --help",
    }
    return [
        Figure(work="python, nothing imported", value=best["bare"] * 1000, unit="ms CPU"),
        Figure(work="import httpx, lxml and pydantic", value=best["peers"] * 1000, unit="ms CPU"),
        *(
            Figure(
                work=work,
                value=best[name] * 1000,
                unit="ms CPU",
                ratio=best[name] / best["peers"],
                to="httpx, lxml, pydantic",
                goal=_GOAL if name == "package" else None,
            )
            for name, work in said.items()
        ),
    ]


def _cpu(arguments: tuple[str, ...]) -> float:
    """CPU seconds of one Python process, user and system."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} failed")
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the figures."""
    show("Start-up", figures("--quick" in sys.argv))


if __name__ == "__main__":
    main()
