"""Drawing a stamp: its font, its lines and the place for it on the page. Needs pyHanko and its font packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont, TTLibError  # type: ignore[import-untyped]  # it ships no types
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import ResourceType
from pyhanko.pdf_utils.font.opentype import GlyphAccumulator
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.stamp import BaseStamp, BaseStampStyle

from ..errors import SigningError
from .stamp import FONT_SIZE

LEADING = 12
_MAX_WIDTH = 240
_VARIATION_TABLES = ("avar", "cvar", "fvar", "gvar", "HVAR", "MVAR", "STAT", "VVAR")
_ROTATIONS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@dataclass(frozen=True, slots=True)
class Font:
    """A font's file, and how wide its letters are.

    Args:
        data: the file.
        widths: by character, in units of 1/1000 of the font's size.
        default: the width of the sign for a character that is not there.
    """

    data: bytes = field(repr=False)
    widths: dict[int, float] = field(repr=False)
    default: float

    def measure_width(self, text: str) -> float:
        """How wide a text is, in points."""
        return sum(self.widths.get(ord(letter), self.default) for letter in text) * FONT_SIZE / 1000

    def wrap_lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        """The lines, those broken at spaces that are wider than a stamp may be."""
        return tuple(part for line in lines for part in self._break_line(line))

    def _break_line(self, line: str) -> list[str]:
        parts = [""]
        for word in line.split():
            longer = f"{parts[-1]} {word}".strip()
            if parts[-1] and self.measure_width(longer) > _MAX_WIDTH:
                parts.append(word)
            else:
                parts[-1] = longer
        return parts


def load_font(path: Path | None) -> Font:
    """Load a font; none given, the one that comes with the extra.

    Raises:
        SigningError: the file is not there or no font.
    """
    if path is None:
        return _load_default_font()
    try:
        return _read_font(path.read_bytes())
    except (OSError, TTLibError, KeyError) as error:
        raise SigningError(
            f"{path} cannot be used as the stamp's font ({error}); give a TrueType or OpenType file",
            vi=f"không dùng được {path} làm phông chữ ({error}); hãy chỉ tệp phông TrueType hoặc OpenType",
        ) from error


@cache
def _load_default_font() -> Font:
    return _read_font((files("fontpkg_noto_serif") / "files" / "NotoSerif[wdth,wght].ttf").read_bytes())


def _read_font(data: bytes) -> Font:
    font = TTFont(BytesIO(data))
    # a font of many weights, as PDF knows none: without these tables it is its ordinary weight
    for table in _VARIATION_TABLES:
        if table in font:
            del font[table]
    scale = 1000 / font["head"].unitsPerEm
    advances = font["hmtx"]
    widths = {code: advances[glyph][0] * scale for code, glyph in font.getBestCmap().items()}
    plain = BytesIO()
    font.save(plain)
    return Font(plain.getvalue(), widths, advances[".notdef"][0] * scale)


@dataclass(frozen=True)
class StampStyle(BaseStampStyle):
    """A stamp in the form that pyHanko asks for its content.

    Args:
        font: the font.
        lines: the text.
        rotation: degrees that the page is turned by when it is shown.
    """

    font: Font | None = None
    lines: tuple[str, ...] = ()
    rotation: int = 0

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in points, as the reader sees it."""
        assert self.font is not None  # noqa: S101 - the base class's fields have defaults, so ours must
        return max(map(self.font.measure_width, self.lines)) + 2, LEADING * len(self.lines) + 2

    def create_stamp(
        self,
        writer: BasePdfFileWriter,
        box: BoxConstraints,  # noqa: ARG002  what `size` said, turned as the page is
        text_params: dict[str, Any],  # noqa: ARG002
    ) -> DrawnStamp:
        """The stamp's content."""
        return DrawnStamp(writer, self)


class DrawnStamp(BaseStamp):
    """The content of a stamp.

    Args:
        writer: writes the file.
        style: what to draw.
    """

    def __init__(self, writer: BasePdfFileWriter, style: StampStyle) -> None:
        width, height = style.size
        super().__init__(writer, style, box=BoxConstraints(width=width, height=height))
        assert style.font is not None  # noqa: S101 - as above
        self._style = style
        self._engine = GlyphAccumulator(writer, BytesIO(style.font.data), font_size=FONT_SIZE, bcp47_lang_code="vi")

    def render(self) -> bytes:
        """The operators that draw the lines, from the top."""
        drawn = [b"q 0 g BT /F1 %d Tf" % FONT_SIZE]
        for index, line in enumerate(self._style.lines):
            base = self.box.height - LEADING * (index + 1) + 3
            drawn.append(b"1 0 0 1 1 %g Tm" % base)
            drawn.append(self._engine.shape(line).graphics_ops)
        drawn.append(b"ET Q")
        self.set_resource(ResourceType.FONT, pdf_name("/F1"), self._engine.as_resource())
        return b" ".join(drawn)

    def as_form_xobject(self) -> generic.StreamObject:
        """The content as a form that stands upright when the page is shown (ISO 32000-2, 12.5.5, algorithm 8)."""
        form = super().as_form_xobject()
        turn = (*_ROTATIONS[self._style.rotation], 0, 0)
        form[pdf_name("/Matrix")] = generic.ArrayObject(map(generic.NumberObject, turn))
        return form
