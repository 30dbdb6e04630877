"""The commands archive, hold, release-hold and holds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc, Ran

ID = sample_document().id


def test_a_document_is_held_and_released(office: Path, edoc: Edoc, send: Callable[[], Ran]) -> None:
    """What is held is not removed; each command says what it did in both languages (issue, "a legal hold")."""
    send()
    held = edoc("hold", ID, "--reason", "Tòa án yêu cầu", "--by", "Lê Thị C")
    assert (held.code, "is held" in held.out, "được giữ" in held.out) == (0, True, True)
    listed = edoc("holds").out
    assert all(words in listed for words in (ID, "Lê Thị C", "Tòa án yêu cầu", "1 held"))
    assert "0 packets" in edoc("prune", "--older-than", "0d", "--yes").out
    assert list(office.glob("bien-ban-*")) == []
    assert edoc("release-hold", ID).code == 0
    assert "0 held" in edoc("holds").out
    assert "1 packets" in edoc("prune", "--older-than", "0d", "--yes").out
    assert len(list(office.glob("bien-ban-*"))) == 1
    again = edoc("release-hold", ID)
    assert (again.code, "no legal hold" in again.err, "không bị giữ" in again.err) == (1, True, True)


def test_a_document_is_written_for_the_archives(office: Path, edoc: Edoc, send: Callable[[], Ran]) -> None:
    """A package is written once, and nothing is replaced (issue, "an archive package")."""
    send()
    assert edoc("archive", ID, "--out", "a.zip").code == 0
    with zipfile.ZipFile("a.zip") as archive:
        assert any(name.endswith("data/metadata.xml") for name in archive.namelist())
    assert edoc("archive", ID, "--out", "a.zip").code == 1
