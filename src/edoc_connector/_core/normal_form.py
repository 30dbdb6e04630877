"""Unicode's normal form of a stranger's text, in time that grows with its length."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Literal, TypeAlias

Decomposition: TypeAlias = Literal["NFD", "NFKD"]
MAX_MARKS = 30
"""Most combining marks in a row: what Unicode calls stream-safe (UAX #15, 13). No language writes a tenth of that."""
_MAYBE_MARKS = re.compile(f"[\u0300-\U0010ffff]{{{MAX_MARKS + 1},}}")  # marks begin at U+0300


def has_too_many_marks(text: str, *, form: Decomposition = "NFD") -> bool:
    """Tell whether more combining marks stand in a row than any language writes (UAX #15, stream-safe text).

    Args:
        text: any text.
        form: the decomposition that is meant: NFKD before a normal form of compatibility, whose marks are more.
    """
    if text.isascii():
        return False
    return any(
        is_marks and len(run) > MAX_MARKS
        for found in _MAYBE_MARKS.finditer(text)
        for is_marks, run in _split_at_marks(found.group(), form)
    )


def to_nfc(text: str) -> str:
    """Convert a text to Unicode's normal form C, in time that grows with its length, whatever stands in it.

    `unicodedata.normalize` sorts each row of marks by insertion, and holds the interpreter for as long as that takes: a
    stranger's 400 KB stop every thread for half a minute. Long rows are sorted before it sees them.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MAYBE_MARKS.sub(_sort_marks, text))


def _sort_marks(found: re.Match[str]) -> str:
    """Decompose characters and put their marks in canonical order (Unicode, 3.11, D109)."""
    runs = _split_at_marks(found.group(), "NFD")
    return "".join("".join(sorted(run, key=unicodedata.combining) if is_marks else run) for is_marks, run in runs)


def _split_at_marks(text: str, form: Decomposition) -> Iterator[tuple[bool, list[str]]]:
    """Split decomposed characters into rows of marks and rows of others."""
    decomposed = (part for letter in text for part in unicodedata.normalize(form, letter))
    for is_marks, run in groupby(decomposed, key=lambda part: unicodedata.combining(part) != 0):
        yield is_marks, list(run)
