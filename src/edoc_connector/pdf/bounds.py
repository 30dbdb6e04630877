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
from types import FrameType
from typing import Any

from ..signing import PARSE_ERRORS as MALFORMED_CERTIFICATES
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


class _TooManyCalls(BaseException):
    # not an Exception, so that a handler inside the PDF code does not take it for a broken object and go on
    pass


@contextmanager
def limit_work(size: int) -> Iterator[None]:
    """Limit the calls that the block makes. A profiler of the caller's is blind meanwhile, and set again afterwards.

    Args:
        size: bytes of the file that is read; a large file may take more work.

    Raises:
        PdfRefused: the block made more calls (PDF-TOO-MUCH).
    """
    allowed = min(BASE_CALLS + CALLS_PER_BYTE * size, MAX_CALLS)
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
