"""The source of a packet's bytes: one open file for all readers at a time (Design, memory: packets are streamed)."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import edxml
from edoc_connector.edxml.source import CHUNK_SIZE, MAX_CACHED_SIZE, Source
from edoc_connector.errors import DocumentError
from edoc_connector.testing import sample_document

_BYTES = bytes(range(256)) * (3 * CHUNK_SIZE // 256)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "bytes"
    path.write_bytes(_BYTES)
    return Source.from_value(path)


def _read(source: Source, start: int) -> bytes:
    return b"".join(source.iter_chunks(start, start + CHUNK_SIZE + 1, first_size=100))


def test_readers_share_one_open_file(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the block the file is opened once for all threads; behind it the file is closed."""
    opened: list[int] = []
    plain = os.open

    def counted(*args: Any, **kwargs: Any) -> int:
        opened.append(plain(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(os, "open", counted)
    starts = range(0, CHUNK_SIZE, CHUNK_SIZE // 16)
    with source.open_shared(), ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda start: _read(source, start), starts))
    assert found == [_BYTES[start : start + CHUNK_SIZE + 1] for start in starts]
    assert len(opened) == 1
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(opened[0])
    assert _read(source, 5) == _BYTES[5 : CHUNK_SIZE + 6]
    assert len(opened) == 2


def test_a_system_that_cannot_read_at_a_place(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no pread each reader has a stream of its own."""
    monkeypatch.delattr(os, "pread", raising=False)
    with source.open_shared():
        assert _read(source, 7) == _BYTES[7 : CHUNK_SIZE + 8]


def test_a_copy_reads_by_itself(source: Source) -> None:
    """A pickled source, for example of an attachment, opens the file anew."""
    with source.open_shared():
        copied = pickle.loads(pickle.dumps(source))
    assert copied == source
    assert _read(copied, 0) == _BYTES[: CHUNK_SIZE + 1]


def test_few_bytes_are_held_and_many_are_not(tmp_path: Path, source: Source) -> None:
    """Only a small packet is kept in memory: memory must not grow with the packet."""
    small = tmp_path / "small"
    small.write_bytes(_BYTES[:MAX_CACHED_SIZE])
    held = Source.from_value(small).cache_if_small()
    assert (held.path, held.data) == (None, _BYTES[:MAX_CACHED_SIZE])
    assert held.cache_if_small() is held
    assert source.cache_if_small() is source


def test_the_first_bytes_of_an_attachment() -> None:
    """No more bytes are given than were asked for, and all of a file that is not larger."""
    attachment = edxml.Attachment.from_bytes(_BYTES, name="a.bin")
    assert attachment.first(10) == _BYTES[:10]
    assert attachment.first(len(_BYTES) + 1) == _BYTES


def test_who_has_checked_a_message_need_not_again(tmp_path: Path) -> None:
    """Writing checks every message unless the caller states that it is checked."""
    document, before = sample_document(), datetime(1990, 1, 1, tzinfo=UTC)  # it was issued later
    with pytest.raises(DocumentError):
        edxml.write(document, tmp_path / "a.edxml", at=before)
    edxml.write(document, tmp_path / "a.edxml", at=before, checked=True)
    assert edxml.read(tmp_path / "a.edxml").kind == "document"


def test_a_piece_is_read_at_once(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short ranges come in one piece, with and without pread."""
    assert source.read_piece(7, 20) == _BYTES[7:20]
    assert Source.from_value(_BYTES).read_piece(7, 20) == _BYTES[7:20]
    monkeypatch.delattr(os, "pread", raising=False)
    assert source.read_piece(7, 20) == _BYTES[7:20]
