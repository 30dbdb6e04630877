"""The command evidence."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing import sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc, Ran


ID = sample_document().id


def test_evidence_is_packed_and_checked_elsewhere(
    office: Path, edoc: Edoc, send: Callable[[], Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--verify needs neither configuration nor store, and names what fails (issue, "edoc evidence")."""
    assert send().code == 0
    assert edoc("evidence", ID, "--out", "x.zip").code == 0
    monkeypatch.delenv("EDOC_CONFIG")
    (office / "elsewhere").mkdir()
    monkeypatch.chdir(office / "elsewhere")
    good = edoc("evidence", "--verify", "../x.zip")
    assert (good.code, "all is as it was packed" in good.out, "nobody signed" in good.out) == (0, True, True)
    assert json.loads(edoc("evidence", "--verify", "../x.zip", "--json").out)["document_id"] == ID
    with zipfile.ZipFile("../x.zip", "a") as pack:
        pack.writestr("more.txt", "x")
    bad = edoc("evidence", "--verify", "../x.zip")
    assert (bad.code, "more.txt" in bad.out, "có 1 lỗi" in bad.out) == (1, True, True)


@pytest.mark.parametrize("arguments", [[], [ID], ["--verify", "nowhere.zip"]])
def test_evidence_says_what_to_give(office: Path, edoc: Edoc, arguments: list[str]) -> None:
    """One line, in both languages (issue, "edoc evidence")."""
    ran = edoc("evidence", *arguments)
    assert (ran.code, " / " in ran.err) == (1, True)
