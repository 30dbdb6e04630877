"""The option --agency, on a configuration with several agencies."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing import RunningHub, sample_document, sample_pdf

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


AGENCY = """
[agencies.{name}.agency]
id = "{code}"
name = "{name}"
[agencies.{name}.hub]
endpoint = "{url}"
system_id = "{code}"
secret = "env:EDOC_TEST_SECRET"
[agencies.{name}.store]
url = "sqlite:///{name}.db"
spool = "spool-{name}"
"""
NEEDS_ONE = (
    ("send", "document.json"),
    ("receive",),
    ("status", "x", "03"),
    ("deliveries",),
    ("show", "x"),
    ("explain", "x"),
    ("evidence", "x", "--out", "x.zip"),
    ("reconcile",),
    ("settle", "x", "--arrived"),
    ("prune", "--older-than", "365d"),
    ("fsck",),
    ("keys",),
)


@pytest.fixture
def both(mock_hub: RunningHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One configuration for the sender and the receiver, in the working directory."""
    monkeypatch.setenv("EDOC_TEST_SECRET", "throwaway")
    monkeypatch.chdir(tmp_path)
    text = ""
    for code, name in (("H29.05", "first"), ("G22", "second")):
        mock_hub.add_agency(code, "throwaway", name)
        text += AGENCY.format(code=code, name=name, url=mock_hub.url)
    (tmp_path / "edoc.toml").write_text(text)
    (tmp_path / "document.json").write_text(sample_document().model_dump_json(), encoding="utf-8")
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["7816"]))
    return tmp_path


@pytest.mark.parametrize("arguments", NEEDS_ONE, ids=lambda arguments: arguments[0])
def test_a_command_asks_which_agency(both: Path, edoc: Edoc, arguments: tuple[str, ...]) -> None:
    """Without the option the error lists the agencies, in both languages; with one that is not there too (issue)."""
    ran = edoc(*arguments)
    assert ran.code == 1
    assert "has several agencies: H29.05, G22. Choose one of them: --agency ID" in ran.err
    assert "có nhiều đơn vị: H29.05, G22" in ran.err
    other = edoc(*arguments, "--agency", "H30")
    assert other.code == 1
    assert "has no agency H30" in other.err


def test_each_command_works_for_the_agency_named(both: Path, edoc: Edoc) -> None:
    """By its code, or by its name in the file: a document there and its status back (issue, "one or many agencies")."""
    ours, theirs = ("--agency", "H29.05"), ("--agency", "second")
    sent = edoc("send", "document.json", "--attach", "a.pdf", "--json", *ours)
    document = json.loads(sent.out)["document_id"]
    assert [one["document_id"] for one in json.loads(edoc("receive", "--json", *theirs).out)] == [document]
    assert edoc("status", document, "03", *theirs).code == 0
    assert edoc("receive", "--json", *ours).code == 0
    (delivery,) = json.loads(edoc("deliveries", "--json", *ours).out)["items"]
    assert delivery["recipients"][0]["status"] == "03"
    assert json.loads(edoc("deliveries", "--json", *theirs).out)["items"] == []
    for arguments in (("show", document), ("explain", document), ("reconcile",), ("fsck",), ("keys",)):
        assert edoc(*arguments, *ours).code == 0
    assert edoc("evidence", document, "--out", "x.zip", *theirs).code == 0
    assert edoc("prune", "--older-than", "1d", *ours).code == 0


def test_every_database_is_upgraded(both: Path, edoc: Edoc) -> None:
    """`edoc db upgrade` does all of them, or the one that is named."""
    assert edoc("db", "upgrade", "--agency", "G22").code == 0
    assert (both / "second.db").exists()
    assert not (both / "first.db").exists()
    assert edoc("db", "upgrade").code == 0
    with sqlite3.connect(both / "first.db") as database:
        assert database.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)
    database.close()


def test_one_agency_needs_no_choice(both: Path, edoc: Edoc, mock_hub: RunningHub) -> None:
    """Also where it stands under [agencies.NAME]; another one is refused."""
    text = AGENCY.format(code="G22", name="only", url=mock_hub.url)
    (both / "edoc.toml").write_text(text)
    assert edoc("deliveries").code == 0
    (both / "edoc.toml").write_text(text.replace("agencies.only.", ""))
    assert edoc("deliveries", "--agency", "G22").code == 0
    refused = edoc("deliveries", "--agency", "H29.05")
    assert refused.code == 1
    assert "it has G22" in refused.err


def test_the_engine_needs_postgresql(both: Path, edoc: Edoc) -> None:
    """`edoc worker --engine procrastinate` on SQLite says what to set, in both languages (issue, "Worker")."""
    ran = edoc("worker", "--engine", "procrastinate", "--agency", "G22")
    assert ran.code == 1
    assert "needs PostgreSQL" in ran.err
    assert "cần PostgreSQL" in ran.err
