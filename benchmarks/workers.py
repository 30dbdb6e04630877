"""How throughput grows with workers on one PostgreSQL:  python benchmarks/workers.py --documents 2000 --workers 1 2 4 8

A mock hub and a PostgreSQL server are started here. The documents wait at the hub; so many worker processes of one
agency download, check, hand over and confirm them, and the time until each one is confirmed is taken. Afterwards each
document must have been handled exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import create_engine, text

from edoc_connector.connector import Connector
from edoc_connector.mockhub.config import MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys
from edoc_connector.testing.postgres import PostgresServer

SENDER, RECEIVER = "H29.05", "G22"
HANDLERS = """
import os
def register(receipt):
    with open(f"handled-{os.getpid()}.txt", "a") as log:
        log.write(receipt.id + "\\n")
"""


def main() -> None:
    """Print one line per number of workers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, {options.documents} documents")
    print("workers  seconds  documents/s  handled twice  left")
    with PostgresServer() as server:
        for count in options.workers:
            with tempfile.TemporaryDirectory(prefix="edoc-workers-") as folder:
                seconds, twice, left = measured(server, Path(folder), options.documents, count)
            print(f"{count:7} {seconds:8.1f} {options.documents / seconds:12.1f} {twice:14} {left:5}", flush=True)


def measured(server: PostgresServer, folder: Path, documents: int, count: int) -> tuple[float, int, int]:
    """The seconds from the start of the workers, and how many documents were handled twice or not at all."""
    url = server.database()
    with RunningHub(MockHubConfig(data=folder / "hub")) as hub:
        places = {code: configured(folder, code, hub, url) for code in (SENDER, RECEIVER)}
        with Connector.open(places[SENDER] / "edoc.toml") as sender:
            sent = {sender.send(sample_document(number=str(number))).id for number in range(documents)}
        (places[RECEIVER] / "dms.py").write_text(HANDLERS)
        command = [sys.executable, "-m", "edoc_connector", "worker", "--handlers", "dms:register"]
        began = time.monotonic()
        workers = [
            subprocess.Popen(command, cwd=places[RECEIVER], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(count)
        ]
        seconds = waited(url, documents, began)
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait()
    handled = [line for log in places[RECEIVER].glob("handled-*.txt") for line in log.read_text().split("\n") if line]
    return seconds, len(handled) - len(set(handled)), len(sent - set(handled))


def configured(folder: Path, code: str, hub: RunningHub, url: str) -> Path:
    """An agency's folder."""
    place = folder / code
    place.mkdir()
    hub.add_agency(code, f"secret-{code}", code)
    keys = agency_keys(code, organ_id=code)
    (place / "secret").write_text(f"secret-{code}")
    sections = {
        "agency": {"id": code, "name": code},
        "hub": {"endpoint": hub.url, "system_id": code, "secret": "file:secret"},
        "signing": {"key": keys.write_pem(place / "key.pem")},
        "receive": {"policy": "trusted", "trust": [str(keys.write_root(place / "root.pem"))]},
        "store": {"url": url},
        "worker": {"poll": 5.0, "idle": 0.2, "concurrency": 2},
    }
    lines = [
        f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in one.items()) for name, one in sections.items()
    ]
    (place / "edoc.toml").write_text("\n".join(lines))
    return place


def waited(url: str, documents: int, began: float) -> float:
    """Wait until every document is confirmed."""
    engine = create_engine(url)
    query = text("SELECT count(*) FROM receipts WHERE state = 'confirmed' AND message_type = 'edoc'")
    while True:
        with engine.connect() as connection:
            done = connection.execute(query).scalar_one()
        if done >= documents:
            engine.dispose()
            return time.monotonic() - began
        time.sleep(0.2)


if __name__ == "__main__":
    main()
