"""The minutes of an acceptance run."""

from __future__ import annotations

import io
import os
import re
import subprocess
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import etree

from edoc_connector._core import Text
from edoc_connector.joining import (
    SCENARIOS,
    LineOutcome,
    LineResult,
    Minutes,
    format_docx,
    format_junit,
    format_pdf,
    write_minutes,
)

ABOUT = {
    "agency": "H29.05", "agency_name": "Sở Nội vụ", "partner": "G22", "partner_name": "Văn phòng Chính phủ",
    "partner_kind": "remote", "hub": "https://truc-thu-nghiem.example.gov.vn", "dialect": "vxp", "environment": "test",
    "version": "1.0",
}  # fmt: skip


def _write(*outcomes: LineOutcome, kind: str = "remote") -> Minutes:
    """Write minutes of lines that came to these outcomes, over and over."""
    results = tuple(
        LineResult(
            scenario=scenario,
            outcome=outcomes[number % len(outcomes)],
            text=Text("why", "Lý do ở đây"),
            evidence=("SHA-256 " + "0123456789abcdef" * 4, "docId 7"),
            at="2026-11-29T08:00:00+00:00",
        )
        for number, scenario in enumerate(SCENARIOS)
    )
    begun = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    return write_minutes(ABOUT | {"partner_kind": kind}, results, day=date(2026, 11, 29), begun_at=begun)


def _require(package: str) -> None:
    """Skip a test without a package of the extra; where everything must be there, fail."""
    if not os.environ.get("CI"):
        pytest.importorskip(package)


def test_every_line_stands_in_the_minutes() -> None:
    """Each with its rule, result and evidence, in the groups of the scenarios (acceptance, Steps 6)."""
    minutes = _write(LineOutcome.PASS)
    rows = [row for _, rows in minutes.groups for row in rows]
    assert [row[0] for row in rows] == [scenario.id for scenario in SCENARIOS]
    assert all(row[1] and row[2] and row[3] == "Đạt" and "docId 7" in row[4] for row in rows)
    assert dict(minutes.facts)["Thời gian bắt đầu"] == "08:30 ngày 20/11/2026"
    assert minutes.place_and_day.endswith("ngày 29 tháng 11 năm 2026")


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ((LineOutcome.PASS, LineOutcome.NOT_POSSIBLE), "kết nối đạt yêu cầu"),
        ((LineOutcome.PASS, LineOutcome.WAITING), "kiểm thử chưa hoàn thành"),
        ((LineOutcome.WAITING, LineOutcome.FAIL), "chưa đạt yêu cầu"),
    ],
)
def test_the_conclusion_is_that_of_the_lines(outcomes: tuple[LineOutcome, ...], words: str) -> None:
    """A failure, or a line that is open, is never signed as a success."""
    assert words in _write(*outcomes).conclusion


def test_what_others_wrote_breaks_no_document() -> None:
    """Controls, half surrogates and line ends in a partner's name or a hub's words are spelt out; both forms open."""
    _require("docx")
    _require("fpdf")
    from docx import Document

    odd = "Văn\x00 phòng\x1b[31m\ud800\ufffe\nChính phủ"
    result = LineResult(
        scenario=SCENARIOS[0], outcome=LineOutcome.FAIL, text=Text(odd, odd), evidence=(odd,), at="2026-11-29T08:00:00Z"
    )
    begun = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)
    minutes = write_minutes(ABOUT | {"partner_name": odd}, [result], day=date(2026, 11, 29), begun_at=begun)
    document = Document(io.BytesIO(format_docx(minutes)))
    assert any(r"Văn\x00 phòng\x1b[31m\ud800\ufffe\nChính phủ" in one.text for one in document.paragraphs)
    assert format_pdf(minutes).startswith(b"%PDF-")
    junit = etree.fromstring(format_junit([result], name="edoc"))
    assert "Chính phủ" in junit.xpath("string(//failure)")


def test_who_signs() -> None:
    """The partner too, unless it is a second agency of ours."""
    assert len(_write(LineOutcome.PASS).signers) == 3
    assert len(_write(LineOutcome.PASS, kind="own").signers) == 2


def test_the_docx_holds_the_minutes() -> None:
    """All texts are in it, in the font of administrative documents."""
    _require("docx")
    minutes = _write(LineOutcome.PASS, LineOutcome.FAIL)
    with zipfile.ZipFile(io.BytesIO(format_docx(minutes))) as archive:
        text = archive.read("word/document.xml").decode()
        styles = archive.read("word/styles.xml").decode()
    for words in (minutes.title, "Độc lập - Tự do - Hạnh phúc", minutes.conclusion, *minutes.signers, "Không đạt"):
        assert words in text
    assert all(row[1] in text for _, rows in minutes.groups for row in rows)
    assert "Times New Roman" in styles


def test_the_columns_of_the_docx_are_as_wide_as_what_stands_in_them() -> None:
    """Word and LibreOffice lay it out alike: narrow for the ids, wide for evidence; no row is broken, pages count."""
    _require("docx")
    with zipfile.ZipFile(io.BytesIO(format_docx(_write(LineOutcome.PASS)))) as archive:
        text = archive.read("word/document.xml").decode()
        footers = "".join(archive.read(name).decode() for name in archive.namelist() if "footer" in name)
    grid = [int(width) for width in re.findall(r'<w:gridCol w:w="(\d+)"', text)][:5]
    assert grid[0] < grid[3] < grid[2] < grid[1] < grid[4]
    assert text.count("w:cantSplit") == text.count("<w:tr>") - 1  # the table of signatures has one row
    assert 'w:instr="PAGE"' in footers


def test_the_pdf_holds_the_minutes(tmp_path: Path) -> None:
    """Its text can be searched, diacritics and all; its letters are embedded, and none is missing."""
    _require("fpdf")
    minutes = _write(LineOutcome.PASS, LineOutcome.WAITING)
    (tmp_path / "minutes.pdf").write_bytes(format_pdf(minutes))
    try:
        text = subprocess.run(
            ["pdftotext", "-layout", tmp_path / "minutes.pdf", "-"], capture_output=True, check=True, timeout=60
        ).stdout.decode()
        fonts = subprocess.run(
            ["pdffonts", tmp_path / "minutes.pdf"], capture_output=True, check=True, timeout=60
        ).stdout.decode()
    except FileNotFoundError:
        pytest.skip("poppler-utils is not installed")
    for words in (
        minutes.title,
        "Độc lập - Tự do - Hạnh phúc",
        "Văn phòng Chính phủ",
        "ĐẠI DIỆN ĐỐI TÁC",
        "Chờ đối tác",
    ):
        assert words in text
    assert all(scenario.id in text for scenario in SCENARIOS)
    assert all(line.split()[-5:-3] == ["yes", "yes"] for line in fonts.splitlines()[2:])
