"""The visible stamp: its text, its place, and its Vietnamese letters (Decree 30/2020/NĐ-CP)."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import unicodedata
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from edoc_connector.errors import SigningError
from edoc_connector.pdf import Stamp, verify_pdf
from edoc_connector.pdf.appearance import Page
from edoc_connector.signing import VerificationStatus

AT = datetime(2026, 11, 20, 17, 5, 9, tzinfo=UTC)
LETTERS = "Uỷ ban nhân dân phường Vỹ Dạ, kỹ thuật đẫy đà, ưỡn ẹo, Ẵ Ờ Ự Ỷ Đ"
PAGES = {
    "upright": b"/MediaBox [0 0 595 842]",
    "turned right": b"/MediaBox [0 0 595 842] /Rotate 90",
    "upside down": b"/MediaBox [0 0 595 842] /Rotate 180",
    "turned left": b"/MediaBox [0 0 842 595] /Rotate -90",
    "cropped": b"/MediaBox [0 0 1000 1000] /CropBox [100 50 695 892]",
    "other corner first": b"/MediaBox [595 842 0 0]",
}
SHOWN = {"turned right": (842, 0), "cropped": (695, 108)}
"""Right and top edge of what is shown, as poppler counts, from the top left; (595, 0) for the others."""


@pytest.fixture(scope="session")
def poppler() -> None:
    """Poppler's programs, which read and draw PDF files."""
    if shutil.which("pdftotext") is None and "CI" not in os.environ:
        pytest.skip("not installed: pdftotext (Debian: poppler-utils)")


def test_what_it_says() -> None:
    """Who signed, number and symbol where given, and the time: date, clock, Vietnam's zone as in ISO 8601."""
    assert Stamp().lines("Sở  Nội vụ", AT) == ("Ký bởi: Sở Nội vụ", "Thời gian ký: 21.11.2026 00:05:09 +07:00")
    stamp = Stamp(name="Nguyễn Văn A", code="7816/SNV-VP")
    assert stamp.lines("x", AT)[:2] == ("Ký bởi: Nguyễn Văn A", "Số: 7816/SNV-VP")


def test_letters_of_two_signs() -> None:
    """A name typed as letter and mark (NFD) is drawn with the letters the font has (NFC)."""
    (line, _) = Stamp(name=unicodedata.normalize("NFD", LETTERS)).lines("", AT)
    assert line == f"Ký bởi: {LETTERS}"


@pytest.mark.usefixtures("poppler")
@pytest.mark.parametrize("page", PAGES)
def test_it_stands_top_right(page: str, sign: Any, pdfs: Any, tmp_path: Path) -> None:
    """Poppler finds every letter upright in the top right corner, however the page is turned."""
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(sign(pdfs.letter(PAGES[page]), stamp=Stamp(name=LETTERS, code="7816/SNV-VP"), at=AT))
    found = subprocess.run(["pdftotext", "-bbox", "-enc", "UTF-8", pdf, "-"], capture_output=True, check=True).stdout
    pattern = r'<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">([^<]*)</word>'
    words = [word for word in re.findall(pattern, found.decode()) if word[4] not in ("Cong", "van")]
    assert " ".join(word[4] for word in words) == (
        f"Ký bởi: {LETTERS} Số: 7816/SNV-VP Thời gian ký: 21.11.2026 00:05:09 +07:00"
    )
    edge, upper = SHOWN.get(page, (595, 0))
    for left, top, right, bottom, _ in words:
        assert edge - 42 - 245 <= float(left) < float(right) <= edge - 42 + 1
        assert upper + 10 < float(top) < float(bottom) < upper + 70


@pytest.mark.usefixtures("poppler")
def test_letters_are_drawn(sign: Any, pdfs: Any, tmp_path: Path) -> None:
    """The corner has ink where the stamp is, and each Vietnamese letter has a shape of its own in the embedded font."""
    pdf = tmp_path / "a.pdf"
    pdf.write_bytes(sign(pdfs.letter(), stamp=Stamp(name="ự ữ ử ừ ứ")))
    subprocess.run(["pdftoppm", "-r", "72", "-gray", pdf, tmp_path / "page"], check=True)
    (picture,) = tmp_path.glob("page*.pgm")
    _, size, _, pixels = picture.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    dark = [divmod(place, width) for place, grey in enumerate(pixels) if grey < 128]
    corner = [(y, x) for y, x in dark if y < 60 and x > width / 2]
    assert len(corner) > 100
    assert not [1 for y, x in dark if y < 60 and x <= width / 2]
    assert height == 842
    fonts = subprocess.run(["pdffonts", pdf], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\+NotoSerif\S*\s+CID TrueType\s+Identity-H\s+yes yes yes", fonts)


def _boxes(pdf: bytes) -> list[Any]:
    page = PdfFileReader(io.BytesIO(pdf)).root["/Pages"]["/Kids"][0]
    return [tuple(map(float, annotation.get_object()["/Rect"])) for annotation in page["/Annots"]]


@pytest.mark.parametrize(
    "page", [*list(PAGES)[:2], *(pytest.param(name, marks=pytest.mark.nightly) for name in list(PAGES)[2:])]
)
def test_stamps_do_not_hide_each_other(page: str, sign: Any, pdfs: Any, trusting: Any) -> None:
    """The second stamp stands below the first, the third below that; all signatures hold."""
    pdf = pdfs.letter(PAGES[page])
    for _ in range(3):
        pdf = sign(pdf)
    shown = Page.from_dictionary(PdfFileReader(io.BytesIO(pdf)).root["/Pages"]["/Kids"][0])
    first, second, third = (shown.to_shown(box) for box in _boxes(pdf))
    assert first[1] > second[3] > second[1] > third[3]
    assert verify_pdf(pdf, trusting).status is VerificationStatus.VALID


def test_other_things_in_the_corner_stay_where_they_are(sign: Any, pdfs: Any) -> None:
    """A signature field far from the corner, one without size and a comment do not move the stamp."""
    widget = b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /Rect [%s] >>"
    letter = pdfs.letter(
        b"/MediaBox [0 0 595 842] /Annots [5 0 R 6 0 R 7 0 R]",
        b"/AcroForm << /Fields [5 0 R 6 0 R] >>",
        o5=widget % (b"a", b"20 700 200 842"),
        o6=widget % (b"b", b"0 0 0 0"),
        o7=b"<< /Type /Annot /Subtype /Text /Rect [500 800 595 842] >>",
    )
    assert _boxes(sign(letter, at=AT))[-1] == _boxes(sign(pdfs.letter(), at=AT))[0]


def test_without_a_stamp(signed: bytes) -> None:
    """No stamp: the signature is there and nothing is seen."""
    assert _boxes(signed) == [(0.0, 0.0, 0.0, 0.0)]


def test_a_font_of_the_callers(sign: Any, tmp_path: Path) -> None:
    """The decree's Times New Roman, or any other font, by its file."""
    font = tmp_path / "own.ttf"
    font.write_bytes((files("fontpkg_noto_serif") / "files" / "NotoSerif-Italic[wdth,wght].ttf").read_bytes())
    assert b"NotoSerif-Italic" in sign(stamp=Stamp(font=font))


@pytest.mark.parametrize("content", [None, b"no font", b""])
def test_a_font_that_is_none(content: bytes | None, sign: Any, tmp_path: Path) -> None:
    """A typed error names the file."""
    font = tmp_path / "own.ttf"
    if content is not None:
        font.write_bytes(content)
    with pytest.raises(SigningError, match=r"own\.ttf cannot be used"):
        sign(stamp=Stamp(font=font))


def test_a_page_without_a_box() -> None:
    """What a page leaves out is inherited, through a tree that may be a ring, or else A4."""
    page: dict[str, Any] = {}
    page["/Parent"] = page
    assert Page.from_dictionary(page).size == (595, 842)
    assert Page.from_dictionary({"/Parent": {"/MediaBox": [0, 0, 10, 20], "/Rotate": 90}}).size == (20, 10)
    assert Page.from_dictionary({"/Rotate": 45}).rotation == 0
