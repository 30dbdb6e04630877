"""What starting costs: importing the package and its first names, the help of the command, and one document sent.

    python benchmarks/startup.py

CPU seconds of whole processes, the best of many, taken in turn. The document is sent by `examples/send_document.py`,
signed, sealed and durable, to a server of raw sockets.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from harness import Figure, show

from edoc_connector.testing.keys import agency_keys

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
_GOAL_SEND = 3.0
_HERE = Path(__file__)
_SEND = "open, send one document, close"
_SETTINGS = """
[agency]
id = "H29.05"
name = "Sở Nội vụ"

[hub]
endpoint = "{url}"
system_id = "H29.05"
secret = "file:secret"

[signing]
key = "{key}"

[receive]
policy = "any"
"""


def figures(quick: bool = False) -> list[Figure]:
    """CPU time of fresh processes.

    Args:
        quick: once instead of the best of 10.
    """
    best = dict.fromkeys(_PROGRAMS, float("inf"))
    sending = float("inf")
    with _prepare_sending() as programs:
        for number in range((1 if quick else 10) + 1):
            seconds = {name: _cpu(arguments) for name, arguments in _PROGRAMS.items()}
            sent = _cpu(next(programs))
            if number:  # the first round compiles, fills the cache and makes the store
                best = {name: min(best[name], value) for name, value in seconds.items()}
                sending = min(sending, sent)
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
        Figure(
            work=_SEND,
            value=sending * 1000,
            unit="ms CPU",
            ratio=sending / best["peers"],
            to="httpx, lxml, pydantic",
            goal=_GOAL_SEND,
        ),
    ]


@contextmanager
def _prepare_sending() -> Iterator[Iterator[tuple[str, ...]]]:
    """Serve a hub and write an agency's settings; gives the programs that send, each another document."""
    command = [sys.executable, str(_HERE.with_name("sink.py"))]
    with (
        tempfile.TemporaryDirectory(prefix="edoc-startup-") as name,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hub,
    ):
        if hub.stdin is None or hub.stdout is None:
            raise RuntimeError("the server has no pipes")
        folder, url = Path(name), f"http://127.0.0.1:{hub.stdout.readline().strip()}"
        (folder / "secret").write_text("secret")
        (folder / "secret").chmod(0o600)
        (folder / "letter.pdf").write_bytes(b"%PDF-1.7")
        key = agency_keys("H29.05", organ_id="H29.05").write_pem(folder / "key.pem")
        (folder / "edoc.toml").write_text(_SETTINGS.format(url=url, key=key), encoding="utf-8")
        program = str(_HERE.parents[1] / "examples" / "send_document.py")
        settings, letter = str(folder / "edoc.toml"), str(folder / "letter.pdf")
        try:
            yield ((program, settings, "G22", "Văn phòng", str(number), letter) for number in count(1))
        finally:
            hub.stdin.close()


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
