"""The bound on the work that reading a PDF file may take: reading a stranger's file must end, whatever is in it.

Limits on size and on unpacked data do not ensure that alone. A few hundred bytes can declare a table of a billion
entries of no width, pages that contain themselves, or a thousand revisions to be compared with each other. Therefore
the number of function calls is bounded, counted by the interpreter itself.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from ..signing import PARSE_ERRORS as MALFORMED_CERTIFICATES
from ..signing import PathBudget
from .reasons import PdfRefused

PDF_PARSE_ERRORS = (*MALFORMED_CERTIFICATES, zlib.error)
"""Errors of pyHanko and asn1crypto for malformed files, beside pyHanko's ``PdfError``: they take a file's types on
trust, so a number where a dictionary should stand is an AttributeError. Found by mutating files; nothing else is
caught."""

BASE_CALLS = 5_000_000
CALLS_PER_BYTE = 40
MAX_CALLS = 40_000_000
"""An honest file of a thousand pages with six signatures takes 11 million, a short letter with one takes 80,000. So
many calls end within ten seconds or so, and in about 200 MB."""


PACKET_CALLS = MAX_CALLS
"""What all files of a packet may take together, `CALLS_PER_BYTE` beside: a hundred small ones are no more than one."""
CHECKS_PER_FILE = 8


@dataclass(slots=True)
class PdfBudget:
    """The work that checking the PDF files of one packet may take together. It grows with the bytes of each.

    Args:
        calls: function calls that are left.
        paths: signatures of certificates that may still be checked.
    """

    calls: int = PACKET_CALLS
    paths: PathBudget = field(default_factory=PathBudget)

    def add_file(self, size: int) -> None:
        """Add the work that a file of so many bytes may take."""
        self.calls += CALLS_PER_BYTE * size
        self.paths.checks += CHECKS_PER_FILE


class _TooManyCalls(BaseException):
    # not an Exception, so that a handler inside the PDF code does not take it for a broken object and go on
    pass


@contextmanager
def limit_work(size: int, budget: PdfBudget | None = None) -> Iterator[None]:
    """Limit the calls that the block makes. A profiler of the caller's is blind meanwhile, and set again afterwards.

    Args:
        size: bytes of the file that is read; a large file may take more work.
        budget: what the packet's files may still take together; the calls of the block are taken off it.

    Raises:
        PdfRefused: the block made more calls (PDF-TOO-MUCH).
    """
    allowed = min(BASE_CALLS + CALLS_PER_BYTE * size, MAX_CALLS)
    if budget is not None:
        allowed = min(allowed, max(budget.calls, 0))
    left = allowed

    def count_call(
        _frame: FrameType, _event: str, _argument: Any
    ) -> None:  # pragma: no cover - Python traces no profiler
        nonlocal left
        left -= 1
        if left < 0:
            raise _TooManyCalls

    previous = sys.getprofile()
    sys.setprofile(count_call)
    try:
        yield
    except _TooManyCalls:
        raise PdfRefused("PDF-TOO-MUCH", f"{allowed} calls") from None
    finally:
        sys.setprofile(previous)
        if budget is not None:
            budget.calls -= allowed - left
