"""Minutes as DOCX, to be completed and signed."""

from __future__ import annotations

import io
from typing import Any

from .minutes import COLUMNS, COUNTRY, SIGN_HERE, Minutes

_FONT = "Times New Roman"  # of administrative documents (Decree 30/2020/NĐ-CP, Annex I)
_WIDTHS = (1.4, 4.4, 3.2, 2.2, 5.8)  # cm, 17 together


def format_docx(minutes: Minutes) -> bytes:
    """Format minutes as DOCX, A4, in the layout of administrative documents.

    Args:
        minutes: what they say.

    Raises:
        ImportError: python-docx is not installed.
    """
    from docx import Document
    from docx.shared import Cm, Pt

    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin, section.right_margin = Cm(2.5), Cm(1.5)
    section.top_margin = section.bottom_margin = Cm(2)
    _set_font(document.styles["Normal"], Pt(12))
    _add_page_number(section.footer.paragraphs[0])
    _add_head(document, minutes)
    for label, value in minutes.facts:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(2)
        paragraph.add_run(f"{label}: ").bold = True
        paragraph.add_run(value)
    for title, rows in minutes.groups:
        _add_group(document, title, rows)
    document.add_paragraph()
    summary = document.add_paragraph(minutes.summary)
    summary.runs[0].bold = True
    conclusion = document.add_paragraph(minutes.conclusion)
    for paragraph in (summary, conclusion):  # a page with signatures alone would say nothing
        paragraph.paragraph_format.keep_with_next = True
    _add_signers(document, minutes)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _set_font(style: Any, size: Any) -> None:
    from docx.oxml.ns import qn

    style.font.name, style.font.size = _FONT, size
    for kind in ("w:eastAsia", "w:cs", "w:hAnsi"):
        style.element.rPr.rFonts.set(qn(kind), _FONT)


def _add_page_number(paragraph: Any) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Pt

    paragraph.alignment, paragraph.style.font.size = WD_ALIGN_PARAGRAPH.CENTER, Pt(9)
    paragraph.add_run("Trang ")
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    paragraph._p.append(field)


def _add_head(document: Any, minutes: Minutes) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    for text, size in ((COUNTRY[0], 13), (COUNTRY[1], 14)):
        paragraph = document.add_paragraph()
        paragraph.alignment, paragraph.paragraph_format.space_after = WD_ALIGN_PARAGRAPH.CENTER, Pt(0)
        run = paragraph.add_run(text)
        run.bold, run.font.size = True, Pt(size)
        run.underline = text == COUNTRY[1]
    day = document.add_paragraph()
    day.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    day.add_run(minutes.place_and_day).italic = True
    title = document.add_paragraph()
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    run = title.add_run(minutes.title)
    run.bold, run.font.size = True, Pt(15)


def _add_group(document: Any, title: str, rows: tuple[tuple[str, ...], ...]) -> None:
    from docx.shared import Cm, Pt

    head = document.add_paragraph()
    head.paragraph_format.space_before, head.paragraph_format.space_after = Pt(8), Pt(3)
    head.paragraph_format.keep_with_next = True
    head.add_run(title).bold = True
    table = document.add_table(rows=1, cols=len(COLUMNS), style="Table Grid")
    table.autofit = False
    for column, width in zip(table.columns, _WIDTHS, strict=True):  # LibreOffice goes by these, Word by the cells'
        column.width = Cm(width)
    _mark_row(table.rows[0], "w:tblHeader")
    for cells, texts in ((table.rows[0].cells, COLUMNS), *((table.add_row().cells, row) for row in rows)):
        for cell, text, width in zip(cells, texts, _WIDTHS, strict=True):
            cell.width = Cm(width)
            run = cell.paragraphs[0].add_run(text)
            run.font.size, run.bold = Pt(10), texts is COLUMNS or (text == "Không đạt")
    for row in table.rows:
        _mark_row(row, "w:cantSplit")


def _mark_row(row: Any, name: str) -> None:
    """Mark a row: as a head that each page repeats, or as one that no page breaks."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    mark = OxmlElement(name)
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)


def _add_signers(document: Any, minutes: Minutes) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Pt

    table = document.add_table(rows=1, cols=len(minutes.signers))
    for cell, signer in zip(table.rows[0].cells, minutes.signers, strict=True):
        paragraph = cell.paragraphs[0]
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
        run = paragraph.add_run(signer)
        run.bold, run.font.size = True, Pt(11)
        below = cell.add_paragraph()
        below.alignment = WD_ALIGN_PARAGRAPH.CENTER
        hint = below.add_run(SIGN_HERE + "\n\n\n\n")
        hint.italic, hint.font.size = True, Pt(10)
