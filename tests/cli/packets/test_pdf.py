"""The commands on PDF files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edoc_connector.testing import agency_keys, sample_pdf

if TYPE_CHECKING:
    from tests.cli.conftest import Edoc


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A PDF file without signatures."""
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["Cong van"]))
    return tmp_path / "a.pdf"


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URI of the agency's key; its password is in the environment, its root authority in ca.pem."""
    keys = agency_keys("Sở Nội vụ", organ_id="H29.05")
    keys.write_root(tmp_path / "ca.pem")
    monkeypatch.setenv("KEY_PASSWORD", "bí mật")
    return keys.write_p12(tmp_path / "agency.p12", password="bí mật")


def test_sign_and_verify(edoc: Edoc, plain: Path, key: str, tmp_path: Path) -> None:
    """A signed file is written, verifies with exit code 0, and the table names signer, time and status."""
    out = tmp_path / "b.pdf"
    ran = edoc("pdf", "sign", plain, "--key", key, "--key-password", "env:KEY_PASSWORD", "--code", "1/A", "--out", out)
    assert ran.code == 0
    assert "written" in ran.out
    assert "đã ghi" in ran.out
    ran = edoc("pdf", "verify", out, "--trust", tmp_path / "ca.pem")
    assert ran.code == 0
    assert "VALID (PDF-OK)" in ran.out
    assert "Sở Nội vụ" in ran.out
    assert "Chữ ký bao phủ toàn bộ văn bản" in ran.out


def test_verify_as_json(edoc: Edoc, plain: Path, key: str, tmp_path: Path) -> None:
    """JSON has every signature with its status and words in both languages."""
    edoc("pdf", "sign", plain, "--key", key, "--key-password", "env:KEY_PASSWORD", "--no-stamp", "--out", plain)
    ran = edoc("pdf", "verify", plain, "--json")
    said = json.loads(ran.out)
    (signature,) = said["signatures"]
    assert (ran.code, said["status"], said["reason"]) == (4, "VALID", "PDF-OK")
    assert (signature["signer"], signature["trusted"], signature["whole_document"]) == ("Sở Nội vụ", None, True)
    assert [one["code"] for one in signature["findings"]] == ["SIG-NOT-JUDGED"]


def test_exit_codes(edoc: Edoc, plain: Path, key: str, tmp_path: Path) -> None:
    """3 for unsigned and not a PDF, 1 for changed, 2 for not there, 4 for a signer that was not judged."""
    assert edoc("pdf", "verify", plain).code == 3
    (tmp_path / "x.pdf").write_bytes(b"x")
    assert edoc("pdf", "verify", tmp_path / "x.pdf").code == 3
    assert edoc("pdf", "verify", tmp_path / "none.pdf").code == 2
    edoc("pdf", "sign", plain, "--key", key, "--key-password", "env:KEY_PASSWORD", "--out", plain)
    assert edoc("pdf", "verify", plain).code == 4
    plain.write_bytes(plain.read_bytes().replace(b"(Cong van)", b"(Cong voi)"))
    ran = edoc("pdf", "verify", plain)
    assert ran.code == 1
    assert "INVALID (PDF-DIGEST)" in ran.out


def test_errors_are_one_line(edoc: Edoc, plain: Path, key: str, tmp_path: Path) -> None:
    """A wrong password and a file that is no PDF: a line in each language, and no file."""
    ran = edoc("pdf", "sign", plain, "--key", key, "--out", tmp_path / "b.pdf")
    assert (ran.code, ran.err.count("\n")) == (1, 2)
    (tmp_path / "x.pdf").write_bytes(b"x")
    options = ("--key", key, "--key-password", "env:KEY_PASSWORD", "--out", tmp_path / "b.pdf")
    ran = edoc("pdf", "sign", tmp_path / "x.pdf", *options)
    assert (ran.code, ran.err.count("\n")) == (1, 2)
    assert "not a PDF file" in ran.err
    assert "không phải là tệp PDF" in ran.err
    assert not (tmp_path / "b.pdf").exists()


def test_help(edoc: Edoc) -> None:
    """The group is listed with texts in both languages."""
    assert "Sign PDF files" in edoc("--help").out
    assert "Ký số tệp PDF" in edoc("pdf", "--help").out


def test_a_pdf_file_that_is_not_there_is_no_verdict(edoc: Edoc, tmp_path: Path) -> None:
    """Exit 2, as for a packet that cannot be read."""
    assert edoc("pdf", "verify", tmp_path / "gone.pdf").code == 2
