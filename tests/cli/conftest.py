"""Fixtures of the command's tests."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from edoc_connector import errors
from edoc_connector.cli import main
from edoc_connector.testing import RunningHub, sample_document, sample_pdf

PARTIES = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """Lines on stderr, but for warnings of the policy, which the configurations here leave open."""
        of_policy = ("warning: [receive] policy is", "cảnh báo: [receive] policy là")
        return [line for line in self.err.splitlines() if not line.startswith(of_policy)]


Edoc = Callable[..., Ran]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a command sets up for its own process, logging, does not last in this one."""
    root, ours = logging.getLogger(), logging.getLogger("edoc_connector")
    handlers, levels = list(root.handlers), [(one, one.level) for one in (root, ours)]
    yield
    root.handlers[:] = [one for one in root.handlers if one in handlers]
    for one, level in levels:
        one.setLevel(level)


@pytest.fixture
def language_as_before() -> Iterator[None]:
    """The language that a command chooses does not last in this process."""
    before = errors.get_language()
    yield
    errors.set_language(cast("errors.Language", before))


@pytest.fixture
def edoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Edoc:
    """Run `edoc` with arguments, in this process, and give its exit code and output."""

    def run(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["edoc", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return Ran(int(stop.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def offices(mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The configurations of two agencies, and a document to send in document.json with a.pdf."""
    monkeypatch.setenv("EDOC_TEST_SECRET", "throwaway")
    monkeypatch.chdir(tmp_path)
    configurations = {}
    for code, name in PARTIES.items():
        mock_hub.add_agency(code, "throwaway", name)
        (tmp_path / code).mkdir()
        configurations[code] = tmp_path / code / "edoc.toml"
        configurations[code].write_text(
            f'[agency]\nid = "{code}"\nname = "{name}"\n[hub]\nendpoint = "{mock_hub.url}"\nsystem_id = "{code}"\n'
            'secret = "env:EDOC_TEST_SECRET"\n[http]\nattempts = 1\n',
            encoding="utf-8",
        )
    (tmp_path / "document.json").write_text(sample_document().model_dump_json(), encoding="utf-8")
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["7816"]))
    return configurations


@pytest.fixture
def sent(offices: dict[str, Path], edoc: Edoc) -> str:
    """A document that was sent; its DocumentId."""
    ran = edoc("send", "document.json", "--attach", "a.pdf", "-c", offices["H29.05"], "--json")
    assert ran.code == 0, ran.err
    return str(json.loads(ran.out)["document_id"])


@pytest.fixture
def office(mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an agency whose edoc.toml is found without `--config`, and a document to send in document.json."""
    monkeypatch.setenv("EDOC_TEST_SECRET", "throwaway-secret")
    monkeypatch.setenv("EDOC_CONFIG", str(tmp_path / "edoc.toml"))
    monkeypatch.chdir(tmp_path)
    for code in ("H29.05", "G22"):
        mock_hub.add_agency(code, "throwaway-secret", code)
    (tmp_path / "edoc.toml").write_text(
        f'[agency]\nid = "H29.05"\nname = "Sở Nội vụ"\n[hub]\nendpoint = "{mock_hub.url}"\nsystem_id = "H29.05"\n'
        'secret = "env:EDOC_TEST_SECRET"\n[http]\nattempts = 1\n',
        encoding="utf-8",
    )
    (tmp_path / "document.json").write_text(sample_document(attachments=()).model_dump_json(), encoding="utf-8")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4 x")
    return tmp_path


@pytest.fixture
def send(office: Path, edoc: Edoc) -> Callable[[], Ran]:
    """Send the document of the office."""
    return lambda: edoc("send", "document.json", "--attach", "a.pdf")
