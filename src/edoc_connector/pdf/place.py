"""Where on a page a stamp goes: top right as the reader sees it, below the stamps that are there already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RIGHT = 42
"""Points from the page's right edge: 15 mm, the least right margin of Decree 30/2020/NĐ-CP."""
TOP = 14
_STAMP_GAP = 4
_MAX_DEPTH = 64

Box = tuple[float, float, float, float]


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
        """Read it from the page's dictionary (ISO 32000-2, table 31); what is missing is inherited."""
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
        """A box as shown, in the page's own coordinates."""
        return _order_corners((*self._point_to_page(box[0], box[1]), *self._point_to_page(box[2], box[3])))

    def to_shown(self, box: Box) -> Box:
        """A box of the page's own coordinates, as shown."""
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
    """The box for a stamp of a size, in the page's own coordinates.

    Args:
        page: the page's dictionary.
        size: width and height in points, as shown.
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
    """Boxes of the visible signatures on a page."""
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
