"""Texts that are kept packed come back as they were, and what was damaged is named as such."""

from __future__ import annotations

import pytest
from sqlalchemy import LargeBinary, Text
from sqlalchemy.dialects import postgresql, sqlite

from edoc_connector.errors import StoreError
from edoc_connector.store import MACHINES
from edoc_connector.store._sql.packed_text import PackedText, pack_text, unpack_text

CAUSES = [words for machine in MACHINES for move in machine.transitions for words in (move.cause, move.cause_vi)]


@pytest.mark.parametrize("text", ["", "x", "Văn phòng Chính phủ", "a\0b", "x" * 5000, "𝄞", *CAUSES])
def test_a_text_comes_back(text: str) -> None:
    """Whatever it says, short, long or empty, and from the cache as well (issue, "does not eat the disk")."""
    for _ in range(2):
        assert unpack_text(pack_text(text)) == text


def test_what_repeats_takes_few_bytes() -> None:
    """Causes of moves are in the dictionary; a text that would grow stays as it is, behind a zero."""
    assert sum(len(pack_text(one)) for one in CAUSES) < len("".join(CAUSES).encode()) / 3
    assert pack_text("qZ7") == b"\x00qZ7"


@pytest.mark.parametrize("stored", [b"", b"\x00\xff", b"\x01\xff\xff", b"\x63abc"])
def test_a_damaged_text_is_an_error(stored: bytes) -> None:
    """Bytes that are none, no UTF-8, or of a dictionary of a newer version (faults, row 23)."""
    with pytest.raises(StoreError, match="damaged"):
        unpack_text(stored)


def test_a_text_of_before_is_what_it_says() -> None:
    """On SQLite a column may hold a text as an earlier revision wrote it."""
    assert unpack_text("as it was") == "as it was"
    for dialect, kind in ((sqlite.dialect(), Text), (postgresql.dialect(), LargeBinary)):  # type: ignore[no-untyped-call]
        assert isinstance(PackedText().load_dialect_impl(dialect), kind)
