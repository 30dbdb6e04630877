"""Drawing a stamp: its font, its lines and its place on the page. Needs pyHanko and its font packages.

The place is top right as the reader sees the page, below the stamps that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
from .stamp import FONT_SIZE, Stamp

LEADING = 12
_MAX_WIDTH = 240
_VARIATION_TABLES = ("avar", "cvar", "fvar", "gvar", "HVAR", "MVAR", "STAT", "VVAR")
RIGHT = 42
"""Points from the page's right edge: 15 mm, the least right margin of Decree 30/2020/NĐ-CP."""
TOP = 14
_STAMP_GAP = 4
_MAX_DEPTH = 64
Box = tuple[float, float, float, float]
_ROTATIONS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def draw_stamp(page: Any, stamp: Stamp, *, signer: str, at: datetime) -> tuple[StampStyle, Box]:
    """Lay out a stamp, and find the box for it on a page.

    Args:
        page: the page's dictionary.
        stamp: what to show.
        signer: name in the certificate.
        at: the time of signing, aware.

    Returns:
        The look, and the box in the page's own coordinates, in points.

    Raises:
        SigningError: the stamp's font cannot be used.
    """
    font = load_font(stamp.font)
    lines = font.wrap_lines(stamp.lines(signer, at))
    style = StampStyle(font=font, lines=lines, rotation=Page.from_dictionary(page).rotation)
    return style, find_place(page, style.size)


# -- the font and the lines


@dataclass(frozen=True, slots=True)
class Font:
    """A font's file, and the widths of its letters.

    Args:
        data: the file.
        widths: by character, in units of 1/1000 of the font's size.
        default: the width of the sign for a character that is not there.
    """

    data: bytes = field(repr=False)
    widths: dict[int, float] = field(repr=False)
    default: float

    def measure_width(self, text: str) -> float:
        """Measure the width of a text in points."""
        return sum(self.widths.get(ord(letter), self.default) for letter in text) * FONT_SIZE / 1000

    def wrap_lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Break the lines that are wider than a stamp may be, at spaces."""
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
    """Load a font; by default the one that comes with the extra.

    Raises:
        SigningError: the file is missing or no font.
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
    """The style of a stamp, in the form that pyHanko asks for.

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
        box: BoxConstraints,  # noqa: ARG002  the same as `size`, turned as the page is
        text_params: dict[str, Any],  # noqa: ARG002
    ) -> DrawnStamp:
        """Create the stamp's content."""
        return DrawnStamp(writer, self)


class DrawnStamp(BaseStamp):
    """The content of a stamp.

    Args:
        writer: writes the file.
        style: the font and the lines to draw.
    """

    def __init__(self, writer: BasePdfFileWriter, style: StampStyle) -> None:
        width, height = style.size
        super().__init__(writer, style, box=BoxConstraints(width=width, height=height))
        assert style.font is not None  # noqa: S101 - as above
        self._style = style
        self._engine = GlyphAccumulator(writer, BytesIO(style.font.data), font_size=FONT_SIZE, bcp47_lang_code="vi")

    def render(self) -> bytes:
        """Build the operators that draw the lines, from the top."""
        drawn = [b"q 0 g BT /F1 %d Tf" % FONT_SIZE]
        for index, line in enumerate(self._style.lines):
            base = self.box.height - LEADING * (index + 1) + 3
            drawn.append(b"1 0 0 1 1 %g Tm" % base)
            drawn.append(self._engine.shape(line).graphics_ops)
        drawn.append(b"ET Q")
        self.set_resource(ResourceType.FONT, pdf_name("/F1"), self._engine.as_resource())
        return b" ".join(drawn)

    def as_form_xobject(self) -> generic.StreamObject:
        """Build the content as a form that is upright when the page is shown (ISO 32000-2, 12.5.5, algorithm 8)."""
        form = super().as_form_xobject()
        turn = (*_ROTATIONS[self._style.rotation], 0, 0)
        form[pdf_name("/Matrix")] = generic.ArrayObject(map(generic.NumberObject, turn))
        return form


# -- the place on the page


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it is shown.

    Args:
        box: the part that is shown, in the page's own coordinates: left, bottom, right, top.
        rotation: degrees it is turned by, clockwise.
    """

    box: Box
    rotation: int

    @classmethod
    def from_dictionary(cls, page: Any) -> Page:
        """Read a page from its dictionary (ISO 32000-2, table 31); missing entries are inherited."""
        shown_box = _find_inherited(page, "/CropBox") or _find_inherited(page, "/MediaBox") or (0, 0, 595, 842)
        rotation = int(_find_inherited(page, "/Rotate") or 0) % 360
        return cls(_order_corners(shown_box), rotation if rotation % 90 == 0 else 0)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as shown."""
        left, bottom, right, top = self.box
        size = (right - left, top - bottom)
        return size if self.rotation % 180 == 0 else size[::-1]

    def to_page(self, box: Box) -> Box:
        """Convert a box as shown to the page's own coordinates."""
        return _order_corners((*self._point_to_page(box[0], box[1]), *self._point_to_page(box[2], box[3])))

    def to_shown(self, box: Box) -> Box:
        """Convert a box of the page's own coordinates to the box as shown."""
        return _order_corners((*self._point_to_shown(box[0], box[1]), *self._point_to_shown(box[2], box[3])))

    def _point_to_shown(self, x: float, y: float) -> tuple[float, float]:
        left, bottom, right, top = self.box
        return {
            0: (x - left, y - bottom),
            90: (y - bottom, right - x),
            180: (right - x, top - y),
            270: (top - y, x - left),
        }[self.rotation]

    def _point_to_page(self, x: float, y: float) -> tuple[float, float]:
        left, bottom, right, top = self.box
        return {
            0: (left + x, bottom + y),
            90: (right - y, bottom + x),
            180: (right - x, top - y),
            270: (left + y, top - x),
        }[self.rotation]


def find_place(page: Any, size: tuple[float, float]) -> Box:
    """Find the box for a stamp of a size.

    Args:
        page: the page's dictionary.
        size: width and height in points, as shown.

    Returns:
        The box in the page's own coordinates, in points.
    """
    shown_page = Page.from_dictionary(page)
    width, height = shown_page.size
    right, top = width - RIGHT, height - TOP
    for left, bottom, edge, upper in sorted(map(shown_page.to_shown, _iter_stamps(page)), key=lambda box: -box[3]):
        beside = edge < right - size[0] or left > right
        if not beside and upper > top - size[1] and bottom < top:
            top = bottom - _STAMP_GAP
    return shown_page.to_page((right - size[0], top - size[1], right, top))


def _iter_stamps(page: Any) -> Iterator[Box]:
    """Iterate over the boxes of the visible signatures on a page."""
    annotations = page["/Annots"] if "/Annots" in page else ()  # noqa: SIM401  get() follows no references here
    for annotation in annotations:
        widget = annotation.get_object()
        if widget.get("/Subtype") == "/Widget" and widget.get("/FT") == "/Sig" and "/Rect" in widget:
            box = _order_corners(widget["/Rect"])
            if box[0] < box[2] and box[1] < box[3]:
                yield box


def _find_inherited(page: Any, name: str) -> Any:
    for _ in range(_MAX_DEPTH):  # a page tree may be a ring
        if page is None or name in page:
            break
        page = page["/Parent"] if "/Parent" in page else None  # noqa: SIM401  get() follows no references here
    return page[name] if page is not None and name in page else None


def _order_corners(box: Any) -> Box:
    x0, y0, x1, y1 = (float(one) for one in box)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
