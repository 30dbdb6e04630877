"""The site, built once for the tests of this folder, and the modules that build it."""

from __future__ import annotations

import fcntl
import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def translations(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/site/translations.py."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    return import_module("translations")


@pytest.fixture
def catalogues(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/site/catalogues.py."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "site"))
    return import_module("catalogues")


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the site as it is now; a run of `nox -s docs` before this one is gone on from."""
    if find_spec("sphinx") is None and ("CI" not in os.environ or "EDOC_TEST_LOWEST" in os.environ):
        pytest.skip("sphinx (extra docs) is not installed")
    folder = ROOT / "build" / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(ROOT / "docs" / "site" / "build.py"), str(folder)]
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(uuid4())
    with (folder / ".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of pytest build one site, and the first of a run does it
        lock.seek(0)
        if lock.read() != run:
            done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600, check=False)
            assert done.returncode == 0, done.stderr
            lock.truncate(0)
            lock.write(run)
    return folder


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: each request would be a line on stderr."""


@pytest.fixture(scope="session")
def site_url(site: Path) -> Iterator[str]:
    """The site on a web server of this machine."""
    handler = functools.partial(_QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
