"""The gateway under load:  python benchmarks/gateway.py

A gateway in a process of its own, without a worker; clients in threads of this one, over kept connections. What it
does is beside what the same process answers without doing anything (`/livez`), and beside the same work without HTTP:
`Connector.queue` in as many threads of this process, on a store of its own. Both are measured in the same run, in
turn, on the same processors.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from harness import Figure, alternately, show
from loopback import RECEIVER, SENDER, HubProcess, settings_of

from connector import document
from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.gateway import Gateway, add_key

CLIENTS = 8
SMALL, LARGE = 4_000, 20_000_000  # bytes of an attachment
GOAL = 0.3  # of what the connector does alone: the clients have a share of the same processors
GOAL_LARGE = 3.0
_numbers = count(1)


def figures(quick: bool = False) -> list[Figure]:
    """Measure.

    Args:
        quick: fewer calls.
    """
    calls, rounds = (40, 1) if quick else (200, 2)
    with tempfile.TemporaryDirectory(prefix="edoc-gateway-") as name, _serving(Path(name)) as (client, connector):
        return [*_rates(client, connector, calls, rounds), *_sizes(client, connector, rounds)]


def _rates(client: httpx.Client, connector: Connector, calls: int, rounds: int) -> list[Figure]:
    """Calls a second of many clients, and how long one of them waits."""
    times: list[float] = []
    best = alternately(
        {
            "livez": lambda: _load(lambda: client.get("/livez"), calls, []),
            "list": lambda: _load(lambda: client.get(f"{_base()}/deliveries?limit=50"), calls, []),
            "post": lambda: _load(lambda: _post(client), calls, times),
            "queue": lambda: _spread(lambda: connector.queue(document(SMALL)), calls),
        },
        rounds,
    )
    rates = {name: calls / seconds for name, (seconds, _) in best.items()}
    waits = quantiles(times, n=100)
    return [
        Figure(work=f"{CLIENTS} clients: /livez", value=rates["livez"], unit="/s"),
        Figure(
            work=f"{CLIENTS} clients: a page of 50 deliveries",
            value=rates["list"],
            unit="/s",
            ratio=rates["list"] / rates["livez"],
            to="/livez",
        ),
        Figure(work=f"{CLIENTS} threads: Connector.queue of 4 KB, no HTTP", value=rates["queue"], unit="/s"),
        Figure(
            work=f"{CLIENTS} clients: post a document of 4 KB, stored and signed",
            value=rates["post"],
            unit="/s",
            ratio=rates["post"] / rates["queue"],
            to="Connector.queue",
            goal=GOAL,
            better="higher",
        ),
        Figure(work="half of the clients' posts took less than", value=waits[49] * 1000, unit="ms"),
        Figure(work="95 of 100 posts took less than", value=waits[94] * 1000, unit="ms"),
    ]


def _sizes(client: httpx.Client, connector: Connector, rounds: int) -> list[Figure]:
    """A large form, one at a time."""
    best = alternately(
        {
            "form": lambda: _post_form(client, hashlib.shake_256(b"large").digest(LARGE)),
            "queue": lambda: connector.queue(document(LARGE)),
        },
        rounds,
    )
    return [
        Figure(work="Connector.queue of 20 MB, no HTTP", value=best["queue"][0], unit="s"),
        Figure(
            work="post a form of 20 MB, stored and signed",
            value=best["form"][0],
            unit="s",
            ratio=best["form"][0] / best["queue"][0],
            to="Connector.queue",
            goal=GOAL_LARGE,
        ),
    ]


def _load(call: Callable[[], httpx.Response], calls: int, times: list[float]) -> None:
    """Make so many calls from all clients; one that fails ends the measurement."""

    def measure() -> None:
        began = time.perf_counter()
        call().raise_for_status()
        times.append(time.perf_counter() - began)

    _spread(measure, calls)


def _spread(work: Callable[[], object], times: int) -> None:
    """Do something so many times, spread over as many threads as there are clients."""
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(lambda _: work(), range(times)))


def _base() -> str:
    return f"/v1/agencies/{SENDER}"


def _compose(files: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "recipients": [{"id": RECEIVER, "name": RECEIVER}],
        "number": str(next(_numbers)), "notation": "SNV-VP", "issued_on": "2026-11-20", "place": "Hà Nội",
        "type_name": "Công văn", "subject": "V/v đo tải",
        "signer": {"full_name": "Nguyễn Văn A", "position": "Giám đốc"},
        "attachments": files,
    }  # fmt: skip


def _post(client: httpx.Client) -> httpx.Response:
    content = base64.b64encode(hashlib.shake_256(b"small").digest(SMALL)).decode()
    return client.post(f"{_base()}/documents", json=_compose([{"name": "cong-van.bin", "content": content}]))


def _post_form(client: httpx.Client, data: bytes) -> None:
    parts: list[Any] = [("document", (None, json.dumps(_compose([])), "application/json"))]
    parts.append(("files", ("lon.bin", data, "application/octet-stream")))
    client.post(f"{_base()}/documents/form", files=parts).raise_for_status()


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[httpx.Client, Connector]]:
    """A gateway in a process, a client of it that threads share, and a connector with a store of its own."""
    with HubProcess(folder / "hub") as hub:
        command = [sys.executable, __file__, "--serve", str(folder / "served"), hub.url]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if process.stdout is None:
                raise RuntimeError("no pipe")
            token, url = (process.stdout.readline().strip() for _ in range(2))
            limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
            headers = {"Authorization": f"Bearer {token}"}
            with (
                httpx.Client(base_url=url, headers=headers, timeout=120, limits=limits) as client,
                Connector.open(settings_of(SENDER, folder / "alone", hub)) as connector,
            ):
                yield client, connector
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _serve(settings: Settings) -> None:
    with Connector.open(settings) as connector:
        print(add_key([(SENDER, connector.context.store)], name="load").token, flush=True)
    Gateway([settings], port=0).serve(lambda url: print(url, flush=True))


def main() -> None:
    """Print the figures, or serve."""
    if sys.argv[1:2] == ["--serve"]:
        hub = HubProcess(Path(sys.argv[2]))
        hub.url = sys.argv[3]
        limits = {"worker": False, "rate": 1_000_000, "burst": 100_000}
        _serve(settings_of(SENDER, Path(sys.argv[2]), hub, gateway=limits))
    else:
        show("Gateway", figures("--quick" in sys.argv))


if __name__ == "__main__":
    main()
