"""Every block of code in the pages runs, or says in blocks.toml why it cannot; settings in pages are settings."""

from __future__ import annotations

import ast
import os
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import edoc_connector as edoc
from edoc_connector import edxml, signing
from edoc_connector.cli.app import app
from edoc_connector.connector import Handlers
from edoc_connector.testing import RunningHub, agency_keys, sample_document, sample_pdf

ROOT = Path(__file__).parents[2]
TRIED: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("blocks.toml").read_text(encoding="utf-8"))
# doctor: somebody has to look (5), or something fails (1): no worker runs in this office; evidence: nobody signed (4)
CHANGES = "mã cũ;tên;đến ngày;mã mới\nH29.15;UBND quận 5;30/06/2025;H29.101\n"
EXIT_CODES = {"doctor": (0, 1, 5), "evidence": (0, 4), "keys": (0, 1)}


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    page: str
    language: str
    text: str

    @property
    def way(self) -> str | None:
        """How blocks.toml says that it is tried."""
        return next((way for begin, way in TRIED.get(self.page, {}).items() if self.text.startswith(begin)), None)


def _read_blocks() -> Iterator[Block]:
    pages = [
        ROOT / "README.md",
        *sorted(page for page in (ROOT / "docs").glob("*.md") if not page.name.endswith(".vi.md")),
    ]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for language, block in re.findall(r"^```(python|sh|toml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            yield Block(str(page.relative_to(ROOT)), language, block)


BLOCKS = list(_read_blocks())
CODE = [block for block in BLOCKS if block.language != "toml" or block.way]
SETTINGS = [block for block in BLOCKS if block not in CODE]
RUN = [block for block in CODE if block.way == "run"]


def _name(block: Block) -> str:
    return f"{block.page} {block.text.splitlines()[0][:30]}"


@pytest.mark.parametrize("block", CODE, ids=_name)
def test_it_is_said_how_each_block_is_tried(block: Block) -> None:
    """A new block in a page has a line in blocks.toml."""
    assert block.way is not None, f"{block.page} has a block that blocks.toml does not know"
    assert re.match(r"run$|test tests/\S+$|check \S", block.way)


def test_nothing_is_said_of_blocks_that_are_gone() -> None:
    """Each line of blocks.toml has its block, and each test and file it names is there."""
    for page, ways in TRIED.items():
        for begin, way in ways.items():
            assert any(block.page == page and block.text.startswith(begin) for block in CODE), (page, begin)
            assert all((ROOT / file).exists() for file in re.findall(r"(?:tests|examples)/[\w/.-]*\w", way)), way
            if way.startswith("test "):
                file, _, name = way.removeprefix("test ").partition("::")
                assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("block", [block for block in CODE if (block.way or "").startswith("check")], ids=_name)
def test_what_cannot_run_is_right_in_form(block: Block) -> None:
    """Python compiles; each command of ours has the arguments and options that are written."""
    if block.language == "toml":
        assert tomllib.loads(block.text)
        return
    if block.language == "python":
        compile(block.text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for command in _commands(block.text):
        _parse(command)


def _commands(text: str) -> Iterator[list[str]]:
    """The commands `edoc …` of a block, as words."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        if words[:1] == ["edoc"]:
            yield [word for word in words[1:] if word != "&"]


def _parse(words: list[str]) -> None:
    """Read a command's words as the program would, without doing anything."""
    command: Any = get_command(app)
    context = None
    while words and hasattr(command, "commands"):
        context = command.context_class(command, parent=context, info_name=words[0])
        command, words = command.commands[words[0]], words[1:]
    if not hasattr(command, "commands"):
        command.make_context(command.name, list(words), parent=context)


@dataclass
class Office:
    """An agency at a mock hub with a document sent, accepted, and one that waits for us."""

    connector: edoc.Connector
    names: dict[str, Any]


@pytest.fixture
def office(
    mock_hub: RunningHub, edoc_settings: Callable[..., edoc.Settings], edoc_office: Callable[..., Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Office]:  # fmt: skip
    """What the pages speak of: `connector`, `document`, `dms`, files with the names that they use."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    settings = edoc_settings("H29.05", name="Sở Nội vụ")
    folder = settings.folder
    keys.write_p12(folder / "agency.p12", password="throwaway")
    (folder / "ca").mkdir()
    keys.write_root(folder / "ca/root.pem")
    (folder / "phu-luc.pdf").write_bytes(sample_pdf(["PHU LUC"]))
    (folder / "sap-xep.csv").write_text(
        "mã cũ;tên;đến ngày;mã mới\nH29.15;UBND quận 5;30/06/2025;H29.101\n", encoding="utf-8"
    )
    (folder / "edoc.toml").write_text(_write_settings(mock_hub), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KEY_PASSWORD", "throwaway")
    mock_hub.add_agency("000.00.06.H29", "secret", "Sở Tài chính")
    g22 = edoc_office("G22", name="Văn phòng Chính phủ")
    with edoc.Connector.open("edoc.toml") as connector:
        connector.sync_agencies()
        document = sample_document()
        connector.send(document)
        g22.accept(document.id)
        g22.send(number="12", subject="Kế hoạch năm 2027")
        list(connector.receive())
        yield Office(connector, _names(connector, document, folder))


def _write_settings(hub: RunningHub) -> str:
    return f"""
[agency]
id = "H29.05"
name = "Sở Nội vụ"

[hub]
endpoint = "{hub.url}"
system_id = "H29.05"
secret = "file:secret"

[signing]
key = "p12:agency.p12"
secret = "env:KEY_PASSWORD"

[limits]
grace = 0.0
backoff = 0.0
"""


def _names(connector: edoc.Connector, document: edoc.Document, folder: Path) -> dict[str, Any]:
    packet = edxml.read(next((folder / "spool").rglob("*.edxml")).read_bytes())
    return {
        "connector": connector, "document": document, "documents": [document], "edoc": edoc, "edxml": edxml,
        "signing": signing, "os": os,
        "first_of_january": datetime(2026, 1, 1, tzinfo=UTC),
        "last_week": datetime.now(UTC) - timedelta(days=7), "folder": folder, "number": 1, "secret": "secret-H29.05",
        "VerifyPolicy": edoc.VerifyPolicy, "packet": packet, "handlers": Handlers(),
        "my_secrets": lambda ref: "throwaway",
        "registry": SimpleNamespace(show_to_clerk=lambda receipt: None), "dms": SimpleNamespace(),
        "receipt": SimpleNamespace(attachments=[edoc.Attachment.from_bytes(sample_pdf(["X"]), name="x.pdf")]),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # pages leave a packet's file to the end of it
@pytest.mark.parametrize("block", RUN, ids=_name)
def test_it_runs(block: Block, office: Office, mock_hub: RunningHub) -> None:
    """The block runs as it stands in the page, but for the address of the hub."""
    if block.language == "python":
        text = block.text.replace("https://hub.example.gov.vn", mock_hub.url)
        text = text.replace('agency.p12"', 'agency.p12?secret=env:KEY_PASSWORD"')
        if "packet.edxml" in text and "edxml.write" not in text:
            edxml.write(office.names["document"], "packet.edxml", at=datetime.now(UTC))
        exec(compile(text, block.page, "exec"), office.names)
        return
    commands = list(_commands(block.text))
    assert commands
    for words in commands:
        result = CliRunner().invoke(app, words, env={"EDOC_CONFIG": "edoc.toml"})
        assert result.exit_code in EXIT_CODES.get(words[0], (0,)), (words, result.output, result.exception)


@pytest.mark.parametrize("block", SETTINGS, ids=_name)
def test_settings_in_pages_are_settings(block: Block, tmp_path: Path) -> None:
    """Each name in a block of TOML exists, and takes the value that is shown; what a page leaves out is given."""
    values = tomllib.loads(block.text)
    if "agencies" in values:
        (tmp_path / "edoc.toml").write_text(block.text, encoding="utf-8")
        assert len(edoc.Settings.fleet(tmp_path / "edoc.toml")) == len(values["agencies"])
        return
    base: dict[str, Any] = {"agency": {"id": "H29.05", "name": "Sở Nội vụ"}}
    hub = {"endpoint": "https://hub.example.gov.vn", "system_id": "H29.05", "secret": "env:SECRET"}
    merged = base | values
    if "hubs" not in values or "hub" in values:
        merged["hub"] = hub | values.get("hub", {})
    settings = edoc.Settings.of(merged, folder=tmp_path)
    assert settings.agency.id == "H29.05"
