"""The command watch-folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.testing import sample_pdf

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_without_a_folder_the_error_says_what_to_write(edoc: Edoc, office: Path) -> None:
    """A configuration without a folder ends the command with the setting to write."""
    ran = edoc("watch-folder", "--once")
    assert ran.code == 1
    assert "[watch_folder] path" in ran.err


def test_once_sends_what_is_there(edoc: Edoc, office: Path) -> None:
    """With --once an item goes to the hub in one run, and its status says so."""
    (office / "share" / "out").mkdir(parents=True)
    with (office / "edoc.toml").open("a", encoding="utf-8") as configuration:
        configuration.write('[watch_folder]\npath = "share"\nsettle = 0.0\n')
    document = json.loads((office / "document.json").read_text(encoding="utf-8"))
    fields = {name: value for name, value in document.items() if name != "attachments" and value is not None}
    (office / "share" / "out" / "a.json").write_text(json.dumps(fields), encoding="utf-8")
    (office / "share" / "out" / "a.pdf").write_bytes(sample_pdf(["a"]))
    ran = edoc("watch-folder", "--once")
    assert ran.code == 0, ran.err
    states = [
        json.loads(path.read_text(encoding="utf-8"))["state"] for path in sorted((office / "share/status").iterdir())
    ]
    assert states[-1] == "sent"


def test_a_folder_that_is_watched_already_is_left(edoc: Edoc, office: Path) -> None:
    """Where another program has the lock the command says so by its exit code."""
    share = office / "share"
    (share / ".edoc").mkdir(parents=True)
    holder = json.dumps({"machine": "elsewhere", "process": 1, "token": "x", "beat": 0})
    (share / ".edoc" / "watcher.lock").write_text(holder, encoding="utf-8")
    with (office / "edoc.toml").open("a", encoding="utf-8") as configuration:
        configuration.write('[watch_folder]\npath = "share"\nsettle = 0.0\nworker = false\n')
    assert edoc("watch-folder", "--once").code == 1
