"""Minutes as PDF, to be printed or signed as they are."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .minutes import COLUMNS, COUNTRY, SIGN_HERE, Minutes

_WIDTHS = (11, 46, 33, 20, 60)  # mm, 170 together
_FAMILY = "Minutes"
_STYLES = (("", 400), ("B", 700))
_LEFT, _RIGHT, _TOP = 25, 15, 20
_SIGNERS_HEIGHT = 45


def format_pdf(minutes: Minutes) -> bytes:
    """Format minutes as PDF, A4, with the letters embedded.

    Args:
        minutes: what they say.

    Raises:
        ImportError: fpdf2, or the package of the font, is not installed.
    """
    from fpdf import FPDF

    class Pages(FPDF):
        def footer(self) -> None:
            self.set_y(-15)
            self.set_font(_FAMILY, size=9)
            self.cell(0, 8, f"Trang {self.page_no()}/{{nb}}", align="C")

    pdf = Pages(format="A4")
    pdf.set_title("Biên bản kiểm thử kết nối")
    pdf.set_lang("vi")
    _add_fonts(pdf, _collect_letters(minutes))
    pdf.set_margins(_LEFT, _TOP, _RIGHT)
    pdf.set_auto_page_break(True, margin=20)
    pdf.add_page()
    _write_head(pdf, minutes)
    for title, rows in minutes.groups:
        _write_group(pdf, title, rows)
    _write_end(pdf, minutes)
    return bytes(pdf.output())


def _collect_letters(minutes: Minutes) -> str:
    """Collect the letters that the pages need: cutting weights out of the whole font takes long."""
    return "".join(sorted({*repr(minutes), *"".join(COUNTRY + COLUMNS), *SIGN_HERE, *"Trang {nb}/0123456789"}))


def _add_fonts(pdf: Any, letters: str) -> None:
    with TemporaryDirectory() as folder:  # fpdf2 takes fonts as files only
        for style, weight in _STYLES:
            path = Path(folder) / f"{weight}.ttf"
            path.write_bytes(_instantiate(weight, letters))
            pdf.add_font(_FAMILY, style=style, fname=path)


def _instantiate(weight: int, letters: str) -> bytes:
    """Cut one weight of some letters out of the variable font."""
    from fontTools.subset import Subsetter  # type: ignore[import-untyped]  # it ships no types, here and below
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
    from fontTools.varLib.instancer import instantiateVariableFont  # type: ignore[import-untyped]

    source = files("fontpkg_noto_serif") / "files" / "NotoSerif[wdth,wght].ttf"
    font = TTFont(BytesIO(source.read_bytes()))
    subsetter = Subsetter()
    subsetter.populate(text=letters)
    subsetter.subset(font)
    font = instantiateVariableFont(font, {"wght": weight, "wdth": 100})
    out = BytesIO()
    font.save(out)
    return out.getvalue()


def _write_line(pdf: Any, text: str, *, size: float, style: str = "", align: str = "L", height: float = 6) -> None:
    pdf.set_font(_FAMILY, style=style, size=size)
    pdf.multi_cell(0, height, text, align=align, new_x="LMARGIN", new_y="NEXT")


def _write_head(pdf: Any, minutes: Minutes) -> None:
    _write_line(pdf, COUNTRY[0], size=12, style="B", align="C")
    _write_line(pdf, COUNTRY[1], size=12, style="B", align="C")
    middle, width = _LEFT + (210 - _LEFT - _RIGHT) / 2, 46
    pdf.line(middle - width / 2, pdf.get_y() + 0.5, middle + width / 2, pdf.get_y() + 0.5)
    pdf.ln(4)
    _write_line(pdf, minutes.place_and_day, size=11, align="R")
    pdf.ln(3)
    _write_line(pdf, minutes.title, size=15, style="B", align="C", height=8)
    pdf.ln(3)
    for label, value in minutes.facts:
        pdf.set_font(_FAMILY, style="B", size=11)
        pdf.cell(44, 6, f"{label}:")
        pdf.set_font(_FAMILY, size=11)
        pdf.multi_cell(0, 6, value, new_x="LMARGIN", new_y="NEXT", align="L")


def _write_group(pdf: Any, title: str, rows: tuple[tuple[str, ...], ...]) -> None:
    from fpdf.fonts import FontFace

    if pdf.will_page_break(30):
        pdf.add_page()
    pdf.ln(3)
    _write_line(pdf, title, size=11, style="B")
    pdf.set_font(_FAMILY, size=8.5)
    head = FontFace(emphasis="B", fill_color=(235, 235, 235))
    with pdf.table(
        col_widths=_WIDTHS,
        width=sum(_WIDTHS),
        align="LEFT",
        text_align="LEFT",
        line_height=4.2,
        headings_style=head,
        padding=1,
        v_align="T",
    ) as table:
        for texts in (COLUMNS, *rows):
            row = table.row()
            for text in texts:
                row.cell(text, style=FontFace(emphasis="B") if text == "Không đạt" else None)


def _write_end(pdf: Any, minutes: Minutes) -> None:
    pdf.ln(4)
    _write_line(pdf, minutes.summary, size=11, style="B")
    _write_line(pdf, minutes.conclusion, size=11)
    if pdf.will_page_break(_SIGNERS_HEIGHT):
        pdf.add_page()
    pdf.ln(5)
    width, top = 170 / len(minutes.signers), pdf.get_y()
    for number, signer in enumerate(minutes.signers):
        pdf.set_xy(_LEFT + number * width, top)
        pdf.set_font(_FAMILY, style="B", size=9)
        pdf.multi_cell(width, 5, signer, align="C", new_x="LEFT", new_y="NEXT")
        pdf.set_font(_FAMILY, size=8)
        pdf.multi_cell(width, 4, SIGN_HERE, align="C")
    pdf.set_y(top + _SIGNERS_HEIGHT - 5)
