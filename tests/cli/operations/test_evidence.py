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
    assert (good.code, "all is as it was packed" in good.out, "NOBODY signed" in good.out) == (4, True, True)
    assert json.loads(edoc("evidence", "--verify", "../x.zip", "--json").out)["document_id"] == ID
    with zipfile.ZipFile("../x.zip", "a") as pack:
        pack.writestr("more.txt", "x")
    bad = edoc("evidence", "--verify", "../x.zip")
    assert (bad.code, "more.txt" in bad.out, "có 1 lỗi" in bad.out) == (1, True, True)


@pytest.mark.parametrize("arguments", [[], [ID], ["--verify", "nowhere.zip"]])
def test_evidence_says_what_to_give(office: Path, edoc: Edoc, arguments: list[str]) -> None:
    """One line, in both languages (issue, "edoc evidence")."""
    ran = edoc("evidence", *arguments)
    assert (ran.code, ran.err.count("\n")) == (1, 2)


PACK = Path(__file__).parents[2] / "data" / "packs" / "form-2.zip"
ROOTS = PACK.with_name("roots.pem")
TRUST = ("--trust", str(ROOTS))


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (TRUST, 0, "2 entries of 43 in the log"),
        ((), 4, "whom to trust was not said"),
        ((*TRUST, "--organisation", "H29.05=code:H29.05"), 0, "signed by Sở Nội vụ"),
        ((*TRUST, "--organisation", "H29.05=tax:0400260612"), 1, "somebody else than the agency"),
        ((*TRUST, "--checkpoints", "."), 1, "no kept checkpoint of this log"),
    ],
)
def test_whose_head_it_is_ends_the_check(
    office: Path, edoc: Edoc, options: tuple[str, ...], code: int, said: str
) -> None:
    """The exit code says whether the agency signed, and the words say why not (issue, "3.")."""
    ran = edoc("evidence", "--verify", str(PACK), *options)
    assert (ran.code, said in ran.out) == (code, True), ran.out


@pytest.mark.parametrize("option", [("--organisation", "H29.05"), ("--checkpoints", "nowhere")])
def test_a_wrong_option_is_said(office: Path, edoc: Edoc, option: tuple[str, str]) -> None:
    """One line, in both languages, and what to write instead."""
    ran = edoc("evidence", "--verify", str(PACK), *option)
    assert (ran.code, ran.err.count("\n")) == (1, 2)


def test_old_entries_are_archived_and_put_back(office: Path, edoc: Edoc, send: Callable[[], Ran]) -> None:
    """Counted first, moved with --yes; checked, and put back (issue, "edoc evidence archive --before")."""
    assert send().code == 0
    refused = edoc("evidence", "archive", "--before", "2100-01-01")
    assert (refused.code, "archives" in refused.err) == (1, True)
    with (office / "edoc.toml").open("a", encoding="utf-8") as config:
        config.write('\n[evidence]\narchives = "old"\n')
    assert "would be moved" in edoc("evidence", "archive", "--before", "2100-01-01").out
    done = edoc("evidence", "archive", "--before", "2100-01-01", "--yes", "--minutes", "m.txt", "--by", "Lan")
    (file,) = (office / "old").iterdir()
    assert (done.code, str(file.name) in done.out) == (0, True)
    assert "Lan" in (office / "m.txt").read_text(encoding="utf-8")
    assert edoc("evidence", "--verify", str(file)).code == 4
    assert edoc("evidence", "pack", ID, "--out", "x.zip").code == 0
    assert "entries put back" in edoc("evidence", "archive", "--restore", str(file)).out
    assert edoc("fsck").code == 0
    for wrong in ([], ["--before", "yesterday"], ["--before", "2100-01-01", "--restore", "x"]):
        ran = edoc("evidence", "archive", *wrong)
        assert (ran.code, ran.err.count("\n")) == (1, 2)
    assert "archive" in edoc("evidence", "--help").out
