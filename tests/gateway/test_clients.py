"""Clients in other languages, generated from the description where there is a generator, do the whole round."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.gateway import describe_interface, sign_message

if TYPE_CHECKING:
    from tests.gateway.conftest import Running

EXAMPLES = Path(__file__).parents[2] / "examples" / "gateway"


@contextmanager
def partner_at_work(gateway: Running) -> Iterator[None]:
    """Have the other agency send us a letter, and accept whatever comes to it, beside the block."""
    done = threading.Event()

    def work() -> None:
        gateway.partner.send(gateway.letter())
        while not done.wait(0.1):
            for receipt in gateway.partner.receive():
                with receipt:
                    receipt.accept()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def run(command: list[str], folder: Path, **variables: str) -> str:
    """Run a program; gives what it prints."""
    result = subprocess.run(
        command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=400, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def require(*programs: str) -> None:
    """Skip where a program is not there."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not on this machine")


def copy_example(name: str, tmp_path: Path) -> Path:
    """Copy an example, with the description of the interface beside it."""
    folder = shutil.copytree(EXAMPLES / name, tmp_path / name, ignore=shutil.ignore_patterns("node_modules", "client"))
    (folder / "openapi.json").write_text(json.dumps(describe_interface()))
    return folder


def do_round(gateway: Running, command: list[str], folder: Path) -> None:
    """Run a client, which has to do the whole round, and look at what came of it."""
    variables = {"EDOC_URL": gateway.url, "EDOC_KEY": gateway.token, "EDOC_AGENCY": "H29.05", "EDOC_PARTNER": "G22"}
    with partner_at_work(gateway):
        printed = run(command, folder, **variables)
    assert "round complete: V/v kết nối, liên thông văn bản" in printed
    received = gateway.office.connector.receipts(kind="new")
    assert [receipt.status for receipt in received] == ["03"]


def test_the_generated_client_of_typescript_does_the_round(gateway: Running, tmp_path: Path) -> None:
    """The client that a published generator makes of the description compiles, and does the whole round on Node."""
    require("node", "npm")
    folder = copy_example("node", tmp_path)
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True, check=False
    )
    if installed.returncode != 0:
        pytest.skip("npm cannot fetch the generator here")
    run(["npm", "run", "generate"], folder, OPENAPI="openapi.json")
    run(["npm", "run", "build"], folder)
    do_round(gateway, ["npm", "start"], folder)


def test_the_generated_client_of_java_does_the_round(gateway: Running, tmp_path: Path) -> None:
    """The client that openapi-generator makes of the description compiles, and does the whole round."""
    require("java", "javac")
    generator = pytest.importorskip("openapi_generator_cli", reason="openapi-generator is not installed")
    mime = Path("/usr/share/java/httpmime.jar")
    if not mime.is_file():
        pytest.skip("httpmime.jar (libhttpmime-java) is not on this machine")
    jar = Path(generator.__file__).with_name("openapi-generator.jar")
    folder = copy_example("java", tmp_path)
    run(["./build.sh", "openapi.json"], folder, GENERATOR=str(jar), HTTPMIME=str(mime))
    do_round(gateway, ["java", "-Dfile.encoding=UTF-8", "-cp", f"classes:{jar}:{mime}", "Round"], folder)


def test_php_does_the_round(gateway: Running, tmp_path: Path) -> None:
    """PHP does the whole round with nothing but PHP, and tells a genuine webhook from another."""
    require("php")
    folder = copy_example("php", tmp_path)
    do_round(gateway, ["php", "round.php"], folder)
    secret, body, at = b"k" * 24, b'{"type":"delivery.changed"}', int(time.time())
    signature = sign_message("msg_1", at, body, [b"x" * 24, secret])
    given = [base64.b64encode(secret).decode(), "msg_1", str(at), signature]
    code = "require 'webhook.php'; echo is_genuine($argv[1], $argv[2], $argv[3], $argv[4], $argv[5]) ? 'yes' : 'no';"
    assert run(["php", "-r", code, "--", *given, body.decode()], folder) == "yes"
    assert run(["php", "-r", code, "--", *given, body.decode() + " "], folder) == "no"


def test_csharp_does_the_round(gateway: Running, tmp_path: Path) -> None:
    """C# does the whole round with the base library alone."""
    require("dotnet")
    folder = copy_example("csharp", tmp_path)
    do_round(gateway, ["dotnet", "run"], folder)


def test_the_page_shows_the_program_in_csharp() -> None:
    """What docs/gateway.md shows of the client in C# stands in its program, line by line."""
    page = (EXAMPLES.parents[1] / "docs" / "gateway.md").read_text(encoding="utf-8")
    shown = page.partition("```csharp\n")[2].partition("```")[0]
    assert shown.strip()
    assert shown in (EXAMPLES / "csharp" / "Round.cs").read_text(encoding="utf-8")
