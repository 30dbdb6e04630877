"""What agencies cost that have nothing to do.

    python benchmarks/idle.py [AGENCIES]... [--postgres] [--seconds N] [--poll N]

A worker, in a process of its own, serves so many agencies of one store, each with its usual poll and checks once a
minute; a hub of raw sockets answers that nothing waits. Once the hub was polled for each agency, the processor time
is taken for a while, then what the process has open. A PostgreSQL takes 100 connections, as it does unless told
otherwise. Polls are as many as there are agencies, whatever is shared: with `--poll 3600` there are none while the
worker is looked at, and what is left is everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from edoc_connector.config import Settings
from edoc_connector.testing.keys import agency_keys
from edoc_connector.testing.postgres import PostgresServer
from edoc_connector.worker import Worker

MANY = 300
CONNECTIONS = 100
_NOTHING = b'{"status":"OK","ErrorCode":"0","ErrorDesc":"","data":[]}'
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE = 300.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a worker for some agencies came to.

    Attributes:
        opened: Seconds from its start until every connector was open.
        opening: Processor seconds of that.
        polled: Seconds from its start until the hub was polled for each agency.
        cpu: Processor seconds of that.
        share: Of a processor, with nothing to do.
        descriptors: Open files and sockets.
        threads: Threads.
        memory: MiB.
        connections: Connections to the database server; 0 for a file.
    """

    opened: float
    opening: float
    polled: float
    cpu: float
    share: float
    descriptors: int
    threads: int
    memory: float
    connections: int


def measure(count: int, *, seconds: float, postgres: bool, poll: float) -> Run:
    """Run a worker for so many agencies, and look at it for a while."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edoc-idle-")))
        url = f"sqlite:///{folder / 'edoc.db'}"
        if postgres:
            url = stack.enter_context(PostgresServer(max_connections=CONNECTIONS)).create_database("store")
        hub = stack.enter_context(_QuietHub())
        _prepare(count, folder, url, hub.url, poll)
        command = [sys.executable, __file__, "--serve", str(folder)]
        environment = os.environ | {"TMPDIR": str(folder)}
        began = time.monotonic()
        process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        )
        stack.callback(process.terminate)
        if process.stdout is None or process.stdout.readline() != b"open\n":
            raise RuntimeError("the worker ended")
        opened, opening = time.monotonic() - began, _read_cpu(process.pid)
        hub.wait_for(count)
        polled, cpu = time.monotonic() - began, _read_cpu(process.pid)
        time.sleep(min(10.0, seconds))  # the first checks read every file, the later ones do not
        before, since = _read_cpu(process.pid), time.monotonic()
        time.sleep(seconds)
        share = (_read_cpu(process.pid) - before) / (time.monotonic() - since)
        place = Path(f"/proc/{process.pid}")
        return Run(
            opened=opened,
            opening=opening,
            polled=polled,
            cpu=cpu,
            share=share,
            descriptors=len(list((place / "fd").iterdir())),
            threads=len(list((place / "task").iterdir())),
            memory=int((place / "status").read_text().partition("VmRSS:")[2].split()[0]) / 1024,
            connections=_count_connections(url) if postgres else 0,
        )


def _read_cpu(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _count_connections(url: str) -> int:
    parsed = make_url(url)
    host, name = str(parsed.query["host"]), parsed.database
    with psycopg.connect(host=host, user="postgres", dbname="postgres") as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        row = connection.execute(query, (name,)).fetchone()
    return 0 if row is None else int(row[0])


class _QuietHub:
    """A hub of raw sockets that has nothing for anybody, and counts who asked. Use it as a context manager."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._callers: set[bytes] = set()
        self._changed = threading.Condition()

    def __enter__(self) -> _QuietHub:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def wait_for(self, count: int) -> None:
        """Wait until so many agencies asked."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._callers) >= count, _PATIENCE):
                raise RuntimeError(f"{len(self._callers)} of {count} agencies were polled")

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        kept = b""
        with sock:
            while True:
                while (end := kept.find(b"\r\n\r\n")) < 0:
                    if not (piece := sock.recv(65536)):
                        return
                    kept += piece
                head, kept = kept[:end].lower(), b""
                caller = head.partition(b"systemid:")[2].split(b"\r\n", 1)[0].strip()
                with self._changed:
                    self._callers.add(caller)
                    self._changed.notify_all()
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_NOTHING) + _NOTHING)


def _prepare(count: int, folder: Path, url: str, hub: str, poll: float) -> None:
    """Write the keys of so many agencies, and the settings of all."""
    (folder / "secret").write_text("secret")
    (folder / "secret").chmod(0o600)
    settings = []
    for number in range(count):
        code = f"H29.{number:03}"
        key = agency_keys(code, organ_id=code, kind="p256").write_pem(folder / f"{code}.pem")
        settings.append(
            {
                "agency": {"id": code, "name": code},
                "hub": {"endpoint": hub, "system_id": code, "secret": "file:secret"},
                "signing": {"key": key},
                "receive": {"policy": "any"},
                "store": {"url": url, "spool": "spool"},
                "worker": {"poll": poll},
            }
        )
    (folder / "settings.json").write_text(json.dumps(settings))


def _serve(folder: Path) -> None:
    """Work for the agencies of a folder until the standard input ends."""
    sections = json.loads((folder / "settings.json").read_text())
    worker = Worker([Settings.of(one, folder=folder) for one in sections])
    print("open", flush=True)
    threading.Thread(target=_stop_at_end, args=(worker.stop,), daemon=True).start()
    with worker:
        worker.run()


def _stop_at_end(stop: Callable[[], None]) -> None:
    sys.stdin.read()
    stop()


def main() -> None:
    """Print a line for each number of agencies."""
    if sys.argv[1:2] == ["--serve"]:
        _serve(Path(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("agencies", type=int, nargs="*", default=[1, MANY])
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL instead of a file")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the idle worker is looked at")
    parser.add_argument("--poll", type=float, default=60.0, help="seconds between two polls for an agency")
    options = parser.parse_args()
    for count in options.agencies:
        run = measure(count, seconds=options.seconds, postgres=options.postgres, poll=options.poll)
        print(count, run, flush=True)


if __name__ == "__main__":
    main()
