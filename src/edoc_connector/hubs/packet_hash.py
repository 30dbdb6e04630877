"""The size and hash of a packet that is about to be sent, and its bytes where they are few."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .._core import AnyFile, HeldFile, get_path, open_file
from .messages import build_empty_packet_error, build_large_packet_error, build_unreadable_packet_error

_CHUNK = 256 * 1024
"""Bytes read at a time; a packet that fits into one piece is read but once."""


def hash_packet(packet: AnyFile, *, limit: int) -> tuple[bytes, bytes | None]:
    """Hash a packet with SHA-256, and read a small one whole.

    The bytes of a small packet go out just as they were hashed, whatever happens to the file meanwhile.

    Args:
        packet: the packet.
        limit: most bytes of the packet.

    Returns:
        The digest, and the bytes of a packet of at most 256 KiB, or of one that is held in memory.

    Raises:
        AttachmentError: the file cannot be read, is empty or too large.
    """
    path = get_path(packet)
    if isinstance(packet, HeldFile):  # hashed when it was written, and sent from memory
        require_size(path, len(packet.content), limit=limit)
        return bytes.fromhex(packet.sha256), packet.content
    try:
        with open_file(packet) as file:
            first = chunk = file.read(_CHUNK)
            digest, size = hashlib.sha256(first), len(first)
            while chunk and size <= limit and (chunk := file.read(_CHUNK)):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise build_unreadable_packet_error(path, error) from error
    require_size(path, size, limit=limit)
    return digest.digest(), first if size == len(first) else None


def require_sendable(packet: AnyFile, *, limit: int) -> None:
    """Refuse a packet that is missing, empty or too large before anything is sent.

    Raises:
        AttachmentError: it is.
    """
    path = get_path(packet)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise build_unreadable_packet_error(path, error) from error
    require_size(path, size, limit=limit)


def require_size(path: Path, size: int, *, limit: int) -> None:
    """Refuse a packet without bytes, or with more than the hub takes.

    Raises:
        AttachmentError: it is.
    """
    if size == 0:
        raise build_empty_packet_error(path)
    if size > limit:
        raise build_large_packet_error(path, limit)
