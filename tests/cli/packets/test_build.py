"""The command build."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector import edxml
from edoc_connector.testing import agency_keys, sample_document

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


def test_build_takes_what_inspect_gives(unsigned: Path, edoc: Edoc, tmp_path: Path) -> None:
    """The JSON is the model's own: what one command shows the other writes."""
    said = json.loads(edoc("inspect", "--json", unsigned, "--extract", tmp_path / "files").out)
    (tmp_path / "document.json").write_text(json.dumps(said["message"]), encoding="utf-8")
    built = tmp_path / "again.edxml"
    attached = said["attachments"][0]["path"]
    assert edoc("build", tmp_path / "document.json", "--attach", attached, "--out", built).code == 0
    assert edxml.read(built).message == edxml.read(unsigned).message


def test_build_signs_and_seals(edoc: Edoc, tmp_path: Path) -> None:
    """With a key the packet verifies; its password comes by reference."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    uri = keys.write_p12(tmp_path / "key.p12", password="a password")
    (tmp_path / "password").write_text("a password\n")
    (tmp_path / "document.json").write_text(sample_document().model_dump_json(), encoding="utf-8")
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    arguments = ["build", tmp_path / "document.json", "--attach", tmp_path / "a.pdf", "--out", tmp_path / "a.edxml"]
    assert edoc(*arguments, "--key", uri, "--key-password", f"file:{tmp_path / 'password'}").code == 0
    keys.write_root(tmp_path / "ca.pem")
    assert edoc("verify", tmp_path / "a.edxml", "--trust", tmp_path / "ca.pem").code == 0
    assert [a.name for a in edxml.read(tmp_path / "a.edxml").attachments] == ["a.pdf", edxml.SEAL_NAME]
    refused = edoc(*arguments, "--key", uri, "--key-password", "a password")
    assert refused.code == 1
    assert "a password" not in refused.err


def test_build_names_every_problem(edoc: Edoc, tmp_path: Path) -> None:
    """A document that breaks rules is not written; the error lists them all, in both languages."""
    document = sample_document(subject="x" * 501, number="123456789012")
    (tmp_path / "document.json").write_text(document.model_dump_json(), encoding="utf-8")
    ran = edoc("build", tmp_path / "document.json", "--out", tmp_path / "a.edxml")
    assert ran.code == 1
    assert "subject" in ran.err
    assert "number" in ran.err
    assert "tối đa" in ran.err
    assert not (tmp_path / "a.edxml").exists()


@pytest.mark.parametrize("text", ["{", '{"subject": 1}', "[]"])
def test_build_refuses_json_that_is_no_document(text: str, edoc: Edoc, tmp_path: Path) -> None:
    """One line says which fields are wrong or missing."""
    (tmp_path / "document.json").write_text(text)
    ran = edoc("build", tmp_path / "document.json", "--out", tmp_path / "a.edxml")
    assert ran.code == 1
    assert ran.err.count("\n") == 2


def test_build_writes_a_status_too(edoc: Edoc, tmp_path: Path) -> None:
    """The JSON of a status packet is told by its fields."""
    status = edxml.StatusMessage(
        sender=edxml.Organization(id="G22", name="Văn phòng Chính phủ"),
        response_for=edxml.ResponseFor(organ_id="H29.05", code="7816/SNV-VP", document_id="x"),
        code=edxml.StatusCode.ACCEPTED,
        timestamp=datetime.now(UTC),
    )
    (tmp_path / "status.json").write_text(status.model_dump_json(), encoding="utf-8")
    assert edoc("build", tmp_path / "status.json", "--out", tmp_path / "s.edxml").code == 0
    assert edxml.read(tmp_path / "s.edxml").kind == "status"


@pytest.mark.parametrize(("content", "word"), [(b"{", "JSON"), (b"\xff\xfe{", "UTF-8"), (None, "không tồn tại")])
def test_a_json_file_that_cannot_be_read(edoc: Edoc, tmp_path: Path, content: bytes | None, word: str) -> None:
    """One line, in both languages."""
    if content is not None:
        (tmp_path / "d.json").write_bytes(content)
    ran = edoc("build", tmp_path / "d.json", "--out", tmp_path / "x.edxml")
    assert (ran.code, ran.err.count("\n")) == (1, 2)
    assert word in ran.err
