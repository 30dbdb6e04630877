"""Base64 as packets carry it: encoded, decoded strictly, and told from other text, at the speed of memory.

`pybase64` does the work. Where it refuses, the standard library has the last word: what it accepts counts, and its
words are the ones a user reads.
"""

from __future__ import annotations

import binascii
from enum import Enum

import pybase64

SPACES = b" \t\r\n"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


def encode_base64(data: bytes) -> bytes:
    """Base64 without line breaks."""
    return pybase64.b64encode(data)


def decode_base64(text: bytes) -> bytes:
    """What a base64 text without spaces encodes.

    Raises:
        binascii.Error: it is not base64, or goes on after its padding.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return binascii.a2b_base64(text, strict_mode=True)


def has_spaces(text: bytes) -> bool:
    """Whether a space or line end stands in a text."""
    return b" " in text or b"\n" in text or b"\r" in text or b"\t" in text


class RunKind(Enum):
    """What a run of characters is made of."""

    LETTERS = "letters of base64"
    SPACED = "letters of base64, spaces and line ends"
    OTHER = "other characters too"


def classify_run(text: bytes | memoryview) -> RunKind:
    """What a text is made of, in whatever order."""
    whole = len(text) & -4
    try:
        # validating while decoding takes a seventh of the time of looking for other characters
        pybase64.b64decode(text[:whole], validate=True)
    except ValueError:
        whole = 0
    others = bytes(text[whole:]).translate(None, _ALPHABET)
    if not others:
        return RunKind.LETTERS
    return RunKind.OTHER if others.translate(None, SPACES) else RunKind.SPACED
