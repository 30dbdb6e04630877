"""The command mockhub."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc
    from tests.conftest import StartProgram


EDOC = [sys.executable, "-m", "edoc_connector"]


def test_mockhub_runs_until_it_is_told_to_stop(tmp_path: Path, start_program: StartProgram) -> None:
    """`edoc mockhub` announces its address, shows its page, and ends cleanly on SIGTERM."""
    command = [*EDOC, "mockhub", "--port", "0", "--data", str(tmp_path / "hub"), "--agency", "H29.05:env:S:Sở Nội vụ"]
    environment = {**os.environ, "S": "secret", "PYTHONIOENCODING": "utf-8"}
    hub = start_program(command, env=environment, stdout=subprocess.PIPE)
    assert hub.stdout is not None
    url = next(word for word in hub.stdout.readline().split() if word.startswith("http://"))
    page = httpx.get(url, trust_env=False).text
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(timeout=20) in (0, -signal.SIGTERM)
    assert "Sở Nội vụ" in page
    assert "secret" not in page


def test_mockhub_speaks_tls_and_follows_a_plan(tmp_path: Path, start_program: StartProgram) -> None:
    """With `--tls` it prints the file of its authority, which clients trust; with `--faults` it fails as planned."""
    plan = tmp_path / "plan.toml"
    plan.write_text('[[fault]]\nkind = "error"\nstatus = 503\npath = "/getAgenciesList"\n')
    command = [*EDOC, "mockhub", "--port", "0", "--data", str(tmp_path / "hub"), "--agency", "H29.05:s", "--tls"]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "EDOC_LANG": "en"}
    hub = start_program([*command, "--faults", str(plan)], env=environment, stdout=subprocess.PIPE)
    assert hub.stdout is not None
    url = next(word for word in hub.stdout.readline().split() if word.startswith("https://"))
    authority = tmp_path / "hub/tls/ca.pem"
    assert str(authority) in hub.stdout.readline()
    with httpx.Client(verify=ssl.create_default_context(cafile=authority), trust_env=False) as client:
        assert client.post(f"{url}/getAgenciesList").status_code == 503
    hub.send_signal(signal.SIGTERM)
    assert hub.wait(timeout=20) in (0, -signal.SIGTERM)


def test_mockhub_refuses_an_agency_without_a_secret(edoc: Edoc, tmp_path: Path) -> None:
    """The error says which form to write."""
    ran = edoc("mockhub", "--data", tmp_path, "--agency", "H29.05")
    assert ran.code == 1
    assert "CODE:SECRET" in ran.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--host", "0.0.0.0"], 1, "--password env:NAME"),
        (["--host", "0.0.0.0", "--password", "open"], 2, "--password: write env:NAME"),
        (["--password", "env:NOT_SET_ANYWHERE"], 1, "NOT_SET_ANYWHERE"),
        (["--lgsp-login", "qlvb"], 2, "--lgsp-login is NAME:REF"),
        (["--lgsp-login", "qlvb:open"], 2, "--lgsp-login: write env:NAME"),
        (["--lgsp-login", "qlvb:env:NOT_SET_ANYWHERE"], 1, "NOT_SET_ANYWHERE"),
    ],
)
def test_words_and_screens_the_mock_hub_wants_a_password_for_others(
    edoc: Edoc, tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    """Beyond loopback it does not start without a password, which no command line shows ("Words and screens")."""
    ran = edoc("mockhub", "--data", tmp_path / "h", "--agency", "H29.05:s", "--port", "0", *options)
    assert ran.code == code
    assert said in ran.err
    assert "open" not in ran.err


def test_the_extra_is_named_where_it_is_missing(edoc: Edoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the command says how to install it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    ran = edoc("mockhub", "--data", tmp_path, "--agency", "H29.05:s")
    assert ran.code == 1
    assert "edoc-connector[mockhub]" in ran.err
