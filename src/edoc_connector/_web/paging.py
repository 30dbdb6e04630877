"""Which rows of a list a page shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """A page of a list.

    Args:
        total: how many rows there are.
        wanted: number of the page that was asked for, from 1; the nearest that is there counts.
        size: most rows on a page.
    """

    total: int
    wanted: int = 1
    size: int = 20

    @classmethod
    def parse(cls, text: str, *, total: int, size: int = 20) -> Paging:
        """Read the number of a page as it came over the wire; what is no number asks for the first."""
        is_number = text.isascii() and text.isdigit() and len(text) < 10
        return cls(total=total, wanted=int(text) if is_number else 1, size=size)

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // self.size))

    @property
    def number(self) -> int:
        """Number of this page, from 1."""
        return min(max(self.wanted, 1), self.pages)

    @property
    def offset(self) -> int:
        """How many rows stand on the pages before."""
        return (self.number - 1) * self.size

    @property
    def first(self) -> int:
        """Number of the first row shown, 0 where there is none."""
        return self.offset + 1 if self.total else 0

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return min(self.offset + self.size, self.total)
