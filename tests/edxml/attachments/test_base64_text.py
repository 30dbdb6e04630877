"""Base64 is read as strictly as the standard library reads it (RFC 4648, 3.3)."""

from __future__ import annotations

import base64
import binascii
import string
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edoc_connector.edxml.attachments.base64_text import RunKind, classify_run, decode_base64, encode_base64

_LETTERS = (string.ascii_letters + string.digits + "+/=").encode()


def _answer(read: Callable[[bytes], bytes], text: bytes) -> bytes | str:
    try:
        return read(text)
    except binascii.Error as error:
        return str(error)


@given(data=st.binary(max_size=300))
def test_there_and_back(data: bytes) -> None:
    """Encoding equals that of the standard library, and decoding gives the bytes back."""
    assert encode_base64(data) == base64.b64encode(data)
    assert decode_base64(encode_base64(data)) == data


@given(text=st.lists(st.sampled_from([b"QUJD", b"QUJDREVG" * 20, b"Q", b"QR", b"=", b"==", b"*", b" "])).map(b"".join))
@settings(max_examples=300)
def test_the_standard_library_has_the_last_word(text: bytes) -> None:
    """Padding in the middle, cut off, superfluous; other characters: the same answer in the same words."""
    assert _answer(decode_base64, text) == _answer(partial(binascii.a2b_base64, strict_mode=True), text)


@pytest.mark.parametrize("length", [1, 4, 63, 64, 65, 256, 1000])
def test_every_other_character_is_seen(length: int) -> None:
    """A run with one other character in it, of any value and at any place of a vector, is not taken for base64."""
    for byte in range(256):
        for place in {0, length // 3, length // 2, length - 1}:
            text = bytearray(b"Q" * length)
            text[place] = byte
            expected = RunKind.LETTERS if byte in _LETTERS else RunKind.SPACED if byte in b" \t\r\n" else RunKind.OTHER
            assert classify_run(bytes(text)) is expected, (byte, place)
            if expected is RunKind.OTHER:
                with pytest.raises(binascii.Error):
                    decode_base64(bytes(text))
