"""The hash and size of a packet that is about to be sent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edoc_connector._core import HeldFile
from edoc_connector.errors import AttachmentError
from edoc_connector.hubs.packet_hash import hash_packet, require_size

PIECE = 256 * 1024


@pytest.mark.parametrize("size", [1, PIECE, PIECE + 1, 3 * PIECE])
def test_hash_and_bytes(size: int, tmp_path: Path) -> None:
    """The hash is that of the file; the bytes are there for a packet of one piece."""
    path, data = tmp_path / "p.edxml", bytes(range(256)) * (size // 256 + 1)
    path.write_bytes(data[:size])
    digest, content = hash_packet(path, limit=size)
    assert digest == hashlib.sha256(data[:size]).digest()
    assert content == (data[:size] if size <= PIECE else None)


def test_a_packet_over_the_limit(tmp_path: Path) -> None:
    """One byte more than allowed is refused, with the limit in the words."""
    path = tmp_path / "p.edxml"
    path.write_bytes(bytes(2 * PIECE))
    with pytest.raises(AttachmentError, match=str(PIECE)):
        hash_packet(path, limit=PIECE)


@pytest.mark.parametrize(("size", "is_good"), [(0, False), (1, True), (10, True), (11, False)])
def test_sizes(size: int, is_good: bool) -> None:
    """Nothing and too much are refused in both languages."""
    if is_good:
        require_size(Path("p"), size, limit=10)
        return
    with pytest.raises(AttachmentError) as caught:
        require_size(Path("p"), size, limit=10)
    assert caught.value.vi != caught.value.message


def test_a_packet_in_memory_is_not_read_again(tmp_path: Path) -> None:
    """Bytes that were hashed when they were stored go out as they are; too many are refused as those of a file are."""
    data = bytes(PIECE + 1)
    held = HeldFile(tmp_path / "not there.edxml", hashlib.sha256(data).hexdigest(), data)
    assert hash_packet(held, limit=len(data)) == (hashlib.sha256(data).digest(), data)
    with pytest.raises(AttachmentError):
        hash_packet(held, limit=PIECE)
