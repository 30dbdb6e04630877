"""Sample documents."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from subprocess import run

import pytest

from edoc_connector import edxml
from edoc_connector.testing import sample_document, sample_pdf


def test_the_sample_document_breaks_no_rule(tmp_path: Path) -> None:
    """It is written without a problem and read without a finding."""
    document = sample_document()
    assert edxml.problems(document, at=datetime.now(UTC)) == ()
    edxml.write(document, tmp_path / "sample.edxml", at=datetime.now(UTC))
    assert edxml.read(tmp_path / "sample.edxml").findings == ()


def test_changes_replace_fields() -> None:
    """A caller sets what matters to the test at hand."""
    assert sample_document(number="12").id.endswith(",12/SNV-VP")


def test_the_pdf_has_a_right_cross_reference_table() -> None:
    """Every offset in the table points at its object (ISO 32000-1, 7.5.4)."""
    pdf = sample_pdf(["one (1)", "two \\ 2"])
    start = int(pdf.rsplit(b"startxref\n", 1)[1].split()[0])
    assert pdf[start:].startswith(b"xref\n0 6\n")
    entries = pdf[start:].split(b"\n")[3:8]
    for number, entry in enumerate(entries, 1):
        assert pdf[int(entry[:10]) :].startswith(b"%d 0 obj" % number)


@pytest.mark.skipif(which("pdftotext") is None, reason="poppler is not installed")
def test_a_pdf_reader_shows_the_lines(tmp_path: Path) -> None:
    """Another program reads the text back."""
    (tmp_path / "a.pdf").write_bytes(sample_pdf(["one (1)", "two \\ 2"]))
    shown = run(["pdftotext", tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["one", "(1)", "two", "\\", "2"]
