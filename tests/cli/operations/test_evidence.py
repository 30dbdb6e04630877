"""The commands for the person in charge: evidence, explain, reconcile, settle, prune, fsck."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.mockhub.faults import Fault
from edoc_connector.testing import RunningHub, sample_document

Edoc = Callable[..., Any]
ID = sample_document().id


@pytest.fixture
def config(mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of an agency, and a document to send in document.json."""
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


def send(edoc: Edoc) -> Any:
    """Send the document."""
    return edoc("send", "document.json", "--attach", "a.pdf")


def test_evidence_is_packed_and_checked_elsewhere(config: Path, edoc: Edoc, monkeypatch: pytest.MonkeyPatch) -> None:
    """--verify needs neither configuration nor store, and names what fails (issue, "edoc evidence")."""
    assert send(edoc).code == 0
    assert edoc("evidence", ID, "--out", "x.zip").code == 0
    monkeypatch.delenv("EDOC_CONFIG")
    (config / "elsewhere").mkdir()
    monkeypatch.chdir(config / "elsewhere")
    good = edoc("evidence", "--verify", "../x.zip")
    assert (good.code, "all is as it was packed" in good.out, "nobody signed" in good.out) == (0, True, True)
    assert json.loads(edoc("evidence", "--verify", "../x.zip", "--json").out)["document_id"] == ID
    with zipfile.ZipFile("../x.zip", "a") as pack:
        pack.writestr("more.txt", "x")
    bad = edoc("evidence", "--verify", "../x.zip")
    assert (bad.code, "more.txt" in bad.out, "có 1 lỗi" in bad.out) == (1, True, True)


@pytest.mark.parametrize("arguments", [[], [ID], ["--verify", "nowhere.zip"]])
def test_evidence_says_what_to_give(config: Path, edoc: Edoc, arguments: list[str]) -> None:
    """One line, in both languages (issue, "edoc evidence")."""
    ran = edoc("evidence", *arguments)
    assert (ran.code, " / " in ran.err) == (1, True)


def test_a_story_is_told_in_both_languages(config: Path, edoc: Edoc) -> None:
    """For people, and as JSON (issue, "edoc explain")."""
    send(edoc)
    told = edoc("explain", ID).out
    assert "the hub took it: docId" in told
    assert "trục đã nhận: docId" in told
    story = json.loads(edoc("explain", ID, "--json").out)
    assert story["next"] == [{"en": "G22 has not reported 01 (arrived).", "vi": "G22 chưa báo 01 (đã đến)."}]
    assert edoc("explain", "x").code == 1


def test_unknown_outcomes_are_settled(config: Path, edoc: Edoc, mock_hub: RunningHub) -> None:
    """The hub is asked; what it will not tell a person settles (issue, "edoc reconcile")."""
    mock_hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    assert send(edoc).code == 1
    told = mock_hub.hub.config
    mock_hub.hub.config = told.__class__(data=told.data, recent_sent=False)
    asked = edoc("reconcile")
    assert (asked.code, "a person must decide" in asked.out, "cần người" in asked.out) == (1, True, True)
    assert edoc("settle", ID, "--not-arrived").code == 0
    mock_hub.hub.config = told
    assert send(edoc).code == 0
    assert "0 settled, 0 waiting, 0 for a person" in edoc("reconcile").out
    assert edoc("settle", ID, "--arrived").code == 1


def test_reconcile_prints_what_was_settled_and_what_waits(config: Path, edoc: Edoc, mock_hub: RunningHub) -> None:
    """Exit code 0: nobody has to do anything (issue, "edoc reconcile")."""
    mock_hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc"))
    send(edoc)
    waits = edoc("reconcile")
    assert (waits.code, "waits until" in waits.out, ID in waits.out) == (0, True, True)
    mock_hub.faults.add(Fault(kind="drop-after-accepting", path="/sendEdoc"))
    (config / "document.json").write_text(
        sample_document(number="2", attachments=()).model_dump_json(), encoding="utf-8"
    )
    send(edoc)
    assert "settled: " + sample_document(number="2").id in edoc("reconcile").out


def test_old_packets_are_removed_when_told_to(config: Path, edoc: Edoc) -> None:
    """Dry by default (issue, "edoc prune")."""
    send(edoc)
    assert "would be removed" in edoc("prune", "--older-than", "0d").out
    assert "0 packets" in edoc("prune", "--older-than", "365d").out
    assert "1 packets" in edoc("prune", "--older-than", "0h", "--yes").out
    assert list((config / "spool").glob("??/*")) == []
    assert edoc("prune", "--older-than", "soon").code == 1


def test_the_spool_is_checked(config: Path, edoc: Edoc) -> None:
    """Exit code 1 as long as something is wrong (issue, "edoc fsck")."""
    send(edoc)
    assert edoc("fsck", "--deep").code == 0
    (packet,) = (config / "spool").glob("??/*")
    packet.write_bytes(b"x")
    ran = edoc("fsck", "--deep")
    assert (ran.code, "altered" in ran.out, "bản sao lưu" in ran.out) == (1, True, True)
    assert edoc("fsck", "--deep", "--repair").code == 1
