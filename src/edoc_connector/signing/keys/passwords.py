"""The spellings of one password: the same letters may have been typed in other bytes where a key's file was made."""

from __future__ import annotations

import unicodedata

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
"""The five tone marks of Vietnamese: grave, acute, tilde, hook above, dot below."""


def list_spellings(password: str) -> tuple[str, ...]:
    """List the spellings to try, the given one first.

    Keyboards differ: most write NFC, macOS names files in NFD, and Windows' own Vietnamese keyboard writes the letter
    first (``ê``) and its tone as a mark behind it.
    """
    composed = unicodedata.normalize("NFC", password)
    spellings = (password, composed, unicodedata.normalize("NFD", password), _part_tones(composed))
    return tuple(dict.fromkeys(spellings))


def _part_tones(composed: str) -> str:
    """Write each letter's tone as a mark behind it, as code page 1258 has it."""
    return "".join(_part_tone(letter) for letter in composed)


def _part_tone(letter: str) -> str:
    marks = unicodedata.normalize("NFD", letter)
    bare = "".join(mark for mark in marks if mark not in _TONES)
    return unicodedata.normalize("NFC", bare) + "".join(mark for mark in marks if mark in _TONES)
