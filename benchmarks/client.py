"""The hub client without a store, beside bare httpx on the same bytes and the same server.

    python benchmarks/client.py [--quick | --profile]

The server is `sink.py`, a process of its own that does next to nothing, so that what is measured is the client: a mock
hub would take most of the time of both. Small packets are sent one after the other over one kept connection. Large
ones are fetched to a file, raw and as base64 in JSON; the floor is httpx writing the body to a file, for base64 with
decoding and SHA-256 in chunks.
"""

from __future__ import annotations

import asyncio
import cProfile
import hashlib
import json
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pybase64
from harness import Figure, alternately, peak, show
from sink import HEAD

import edoc_connector as edoc
from edoc_connector.hubs import MessageType

SIZE = 100_000
GOAL = 0.6
_HERE = Path(__file__)


def figures(quick: bool = False) -> list[Figure]:
    """Small sends and large fetches.

    Args:
        quick: fewer, and smaller ones.
    """
    with tempfile.TemporaryDirectory(prefix="edoc-client-") as name:
        return [*_sending(Path(name), quick), *_fetching(Path(name), 10 if quick else 300, 1 if quick else 3)]


@contextmanager
def server(megabytes: int = 1) -> Iterator[str]:
    """The URL of a server that gives packets of that size."""
    command = [sys.executable, str(_HERE.with_name("sink.py")), str(megabytes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the server has no pipes")
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def _sending(folder: Path, quick: bool) -> list[Figure]:
    packet, data = folder / "packet.edxml", os.urandom(SIZE)
    packet.write_bytes(data)
    number = 20  # short turns, many of them: what else the machine does meets all alike
    with server() as url, httpx.Client() as bare, edoc.HubClient(_hub(url)) as client, asyncio.Runner() as loop:
        awaited = edoc.AsyncHubClient(_hub(url))
        steps = {
            "bare httpx": lambda: [bare.post(f"{url}/sendEdoc", content=data) for _ in range(number)],
            "HubClient": lambda: [_send(client, packet) for _ in range(number)],
            "AsyncHubClient": lambda: loop.run(_send_awaited(awaited, packet, number)),
        }
        best = alternately(steps, 20 if quick else 100)
        loop.run(awaited.aclose())
    made: list[Figure] = []
    for clock, unit in enumerate(("/s", "/s of CPU")):
        base = best["bare httpx"][clock]
        for name, seconds in best.items():
            made.append(
                Figure(
                    work=f"send 100 KB, one after the other: {name}",
                    value=number / seconds[clock],
                    unit=unit,
                    ratio=None if name == "bare httpx" else base / seconds[clock],
                    to="bare httpx",
                    goal=GOAL if name == "HubClient" else None,
                    better="higher",
                )
            )
    return made


def _hub(url: str, **more: str) -> edoc.Vxp:
    return edoc.Vxp(endpoint=url, system_id="H29.05", secret="a secret", **more)  # type: ignore[arg-type]


def _send(client: edoc.HubClient, packet: Path) -> None:
    client.send(packet, message_type=MessageType.EDOC, sender="H29.05")


async def _send_awaited(client: edoc.AsyncHubClient, packet: Path, number: int) -> None:
    for _ in range(number):
        await client.send(packet, message_type=MessageType.EDOC, sender="H29.05")


# --- Large packets, each fetch in a process of its own, which tells seconds and its peak memory. ---


def _fetch_nothing(url: str, _: Path) -> None:
    """Everything is imported and connected: what memory is measured against."""
    with edoc.HubClient(_hub(url)) as client:
        _send(client, _HERE)


def _fetch_raw_floor(url: str, to: Path) -> None:
    with httpx.stream("GET", f"{url}/downloadEdoc") as answer, to.open("wb") as file:
        for piece in answer.iter_raw():
            file.write(piece)
        os.fsync(file.fileno())


def _fetch_json_floor(url: str, to: Path) -> None:
    digest, rest, head = hashlib.sha256(), b"", len(HEAD)
    with httpx.stream("POST", f"{url}/getEdoc") as answer, to.open("wb") as file:
        for piece in answer.iter_raw(1 << 18):
            rest, head = rest + piece[head:], 0
            even = (len(rest) - 2) // 4 * 4  # what ends the JSON stays behind
            content = pybase64.b64decode(rest[:even])
            rest = rest[even:]
            digest.update(content)
            file.write(content)
        os.fsync(file.fileno())


def _fetch_raw(url: str, to: Path) -> None:
    with edoc.HubClient(_hub(url)) as client:
        client.fetch("1", to)


def _fetch_json(url: str, to: Path) -> None:
    with edoc.HubClient(_hub(url, fetch_with="getEdoc")) as client:
        client.fetch("1", to)


_FETCHES: dict[str, Callable[[str, Path], None]] = {
    "nothing": _fetch_nothing,
    "raw floor": _fetch_raw_floor,
    "raw": _fetch_raw,
    "JSON floor": _fetch_json_floor,
    "JSON": _fetch_json,
}


def _fetching(folder: Path, megabytes: int, rounds: int) -> list[Figure]:
    best: dict[str, tuple[float, float]] = {}
    with server(megabytes) as url:
        for _ in range(rounds):
            for name in _FETCHES:
                command = [sys.executable, str(_HERE), "--fetch", name, url, str(folder / "fetched")]
                seconds, memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                best[name] = min(best.get(name, (seconds, memory)), (seconds, memory))
    named = {
        "raw": ("downloadEdoc", "httpx to a file"),
        "JSON": ("getEdoc, base64 in JSON", "httpx, base64, SHA-256, file"),
    }
    made: list[Figure] = []
    for name, (call, floor_is) in named.items():
        (floor, _), (seconds, memory) = best[f"{name} floor"], best[name]
        work = f"fetch {megabytes} MB to a file: {call}"
        made.append(Figure(work=work, value=seconds, unit="s", ratio=seconds / floor, to=floor_is))
        above = memory - best["nothing"][1]
        made.append(Figure(work=f"{work}, memory above one small call", value=above, unit="MiB", goal=64))
    return made


def _run_fetch(name: str, url: str, to: Path) -> None:
    started = time.perf_counter()
    _FETCHES[name](url, to)
    seconds = time.perf_counter() - started
    print(json.dumps([seconds, peak()]))


def _profile(folder: Path) -> None:
    packet = folder / "packet.edxml"
    packet.write_bytes(os.urandom(SIZE))
    with server() as url, edoc.HubClient(_hub(url)) as client:
        _send(client, packet)
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(500):
            _send(client, packet)
        profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(40)


def main() -> None:
    """Print the figures, or where the time of small sends goes."""
    if "--profile" in sys.argv:
        with tempfile.TemporaryDirectory() as name:
            _profile(Path(name))
    else:
        show("Hub client", figures("--quick" in sys.argv))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fetch"]:
        _run_fetch(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main()
