"""A receiving office whose files may not grow for a while:  python full_disk.py FOLDER < settings.json

What a full disk does to a process, done by the kernel to this one only and without any right: writes that would make a
file longer than RLIMIT_FSIZE fail. Each step prints a line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edoc_connector.config import Settings
from edoc_connector.connector import Connector
from edoc_connector.errors import EdocError


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """Writes beyond this fail while the block runs."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def receive(connector: Connector) -> None:
    """Handle every packet that waits."""
    for receipt in connector.receive():
        with receipt:
            pass


def tell(connector: Connector, folder: Path, what: str, **more: object) -> None:
    """Print where the receipts stand, and what half files there are."""
    states = [str(one.state) for one in connector.receipts()]
    left = len(list((folder / "spool" / "tmp").iterdir()))
    print(json.dumps({"what": what, **more, "states": states, "left": left}), flush=True)


def refused(connector: Connector, folder: Path, what: str, call: Callable[[], None]) -> None:
    """Tell how a call failed."""
    try:
        call()
    except EdocError as error:
        tell(connector, folder, what, error=type(error).__name__, message=error.message, vi=error.vi)


def main() -> None:
    """Run out of space for the packet, then for the database, then have space again."""
    folder = Path(sys.argv[1])
    settings = Settings.of(json.load(sys.stdin), folder=folder)
    with Connector(settings) as connector:
        with no_file_longer_than(600_000):
            refused(connector, folder, "spool", lambda: receive(connector))
        with no_file_longer_than(0):
            refused(connector, folder, "database", lambda: receive(connector))
        receive(connector)
        tell(connector, folder, "space again")


if __name__ == "__main__":
    main()
