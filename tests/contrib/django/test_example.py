"""The examples are what their pages say, and lose nothing under gunicorn (in other software, point 3)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tenacity import retry, retry_if_exception_type, stop_after_attempt

from edoc_connector.testing import MockOffice, RunningHub

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/django_dms"
LETTERS, DOCUMENTS = 4, 3

SETTINGS = """
from office.settings import *

DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", "NAME": {name!r}, "HOST": {host!r},
    "USER": "postgres", "CONN_MAX_AGE": 60}}}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EDOC["hub"]["endpoint"] = {endpoint!r}
EDOC["store"] = {{"url": {url!r}}}
EDOC["limits"] = {{"lease": 3.0, "grace": 0.0, "backoff": 0.1}}
EDOC["worker"] = {{"poll": 1.0, "idle": 0.2}}
"""


def _blocks(page: str) -> dict[str, str]:
    """The files that a page shows: their texts, by the name in the first line."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return dict(re.findall(r"^`([\w/]+\.\w+)`[^\n]*:\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def test_the_pages_code_is_the_examples() -> None:
    """What three pages show is what runs here, or in `nox -s tryton`: each whole file, and the end of the settings."""
    shown = _blocks("django.md")
    assert set(shown) == {"office/settings.py", "dms/models.py", "dms/admin.py"}
    for name, text in shown.items():
        held = (EXAMPLE / name).read_text(encoding="utf-8")
        assert held.endswith(text) if name == "office/settings.py" else held == text
    for page, folder, names in (
        ("fastapi.md", "fastapi_dms", {"edoc.toml", "main.py"}),
        ("other-systems.md", "tryton", {"edoc.toml", "take_in.py", "trytond.conf"}),
    ):
        shown = _blocks(page)
        assert set(shown) == names
        for name, text in shown.items():
            assert (ROOT / "examples" / folder / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("files", [["django_dms/dms/models.py", "django_dms/dms/admin.py"], ["fastapi_dms/main.py"]])
def test_a_dms_has_sixty_lines_of_its_own(files: list[str]) -> None:
    """Lines with code in them, imports among them."""
    lines = [line for name in files for line in (ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()]
    assert sum(bool(line.strip()) for line in lines) <= 60


@pytest.fixture
def environment(mock_hub: RunningHub, postgres_url: str, tmp_path: Path) -> dict[str, str]:
    """The project in a folder of its own, on one PostgreSQL database with the connector's store."""
    shutil.copytree(EXAMPLE, tmp_path / "dms", ignore=shutil.ignore_patterns("__pycache__", "migrations", "*.sqlite3"))
    mock_hub.add_agency("H29.05", "secret-H29.05", "Sở Nội vụ")
    secret = tmp_path / "dms" / "hub.secret"
    secret.touch(0o600)
    secret.write_text("secret-H29.05")
    url = httpx.URL(postgres_url)
    values = {"name": url.path[1:], "host": url.params["host"], "endpoint": mock_hub.url, "url": postgres_url}
    (tmp_path / "dms" / "on_postgresql.py").write_text(SETTINGS.format(**values), encoding="utf-8")
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "on_postgresql",
        "DJANGO_SUPERUSER_PASSWORD": "pw",
        "PYTHONUNBUFFERED": "1",
    }
    script = (
        "import django; django.setup(); from django.core.management import call_command as c\n"
        "c('makemigrations', 'dms', verbosity=0); c('migrate', verbosity=0)\n"
        "c('createsuperuser', interactive=False, username='an', email='an@example.vn')\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path / "dms", env=environment, check=True, timeout=120)
    return environment


@contextmanager
def _run(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "output.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder / "dms", env=environment, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def _wait_until(holds: Callable[[], bool], folder: Path) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail((folder / "output.log").read_text())


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/admin/login/", timeout=5).is_success
    except httpx.TransportError:
        return False


_again = retry(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_attempt(5), reraise=True)
"""What a browser does where the process that served it was killed."""


@_again
def _press(client: httpx.Client, page: str, address: str, **form: Any) -> httpx.Response:
    """Send a form of a page."""
    client.get(page)
    form["data"] = form.get("data", {}) | {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
    return client.post(address, **form)


@_again
def _read(client: httpx.Client, page: str) -> str:
    """Read a page."""
    return client.get(page).text


def _send_letter(address: str, number: int) -> None:
    """Write a letter in the admin, and press its button."""
    with httpx.Client(base_url=address, timeout=30, headers={"Referer": address}) as client:
        login = "/admin/login/"
        assert _press(client, login, login, data={"username": "an", "password": "pw"}).status_code == 302
        fields = {"number": str(number), "subject": "Thử", "issued_on": "2026-11-20", "recipient": "G22"}
        add = "/admin/dms/letter/add/"
        file = {"file": ("cong-van.pdf", b"%PDF-1.4\n%%EOF\n")}
        assert _press(client, add, add, data=fields | {"_continue": "1"}, files=file).status_code == 302
        rows = re.findall(r'letter/(\d+)/change/">(\d+)<', _read(client, "/admin/dms/letter/"))
        (row, *_) = [key for key, shown in rows if int(shown) == number]
        page = f"/admin/dms/letter/{row}/change/"
        assert _press(client, page, f"/admin/dms/letter/{row}/edoc/send/").status_code == 302


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_gunicorn_and_a_killed_worker_lose_nothing(
    environment: dict[str, str],
    mock_hub: RunningHub,
    edoc_office: Callable[..., MockOffice],
    postgres_url: str,
    tmp_path: Path,
) -> None:
    """Three processes of gunicorn and `edoc_worker` on PostgreSQL, one of each killed: each document once."""
    g22 = edoc_office("G22")
    came = [g22.send(number=str(number)) for number in range(1, DOCUMENTS + 1)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    serve = ["-m", "gunicorn", "--preload", "--workers", "3", "--bind", address, "office.wsgi:application"]
    site = f"http://{address}"
    with ExitStack() as stack:
        server = stack.enter_context(_run(serve, environment, tmp_path))
        first = stack.enter_context(_run(["manage.py", "edoc_worker"], environment, tmp_path))
        _wait_until(lambda: _answers(site), tmp_path)
        with ThreadPoolExecutor(3) as clerks:
            sent = [clerks.submit(_send_letter, site, number) for number in range(1, LETTERS + 1)]
            _wait_until(lambda: len(mock_hub.packets()) > DOCUMENTS, tmp_path)
            first.kill()
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
            if children.is_file():
                os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
            stack.enter_context(_run(["manage.py", "edoc_worker"], environment, tmp_path))
            for one in sent:
                one.result()
        _wait_until(lambda: len(g22.list_received()) >= LETTERS, tmp_path)
        _wait_until(lambda: all(g22.list_statuses(one) for one in came), tmp_path)
    assert Counter(packet.message.code for packet in g22.list_received() if hasattr(packet.message, "code")) == {
        f"{number}/SNV-VP": 1 for number in range(1, LETTERS + 1)
    }
    assert [g22.list_statuses(one) for one in came] == [["01"]] * DOCUMENTS
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT edoc_id FROM dms_incoming").fetchall()
    assert sorted(row[0] for row in rows) == sorted(came)
