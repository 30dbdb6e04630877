"""Chains of hashes, the first form of the log: they go on verifying in old packs, and as the first leaves of a log.

An entry's *digest* is the SHA-256 of its text; its *hash* is the SHA-256 of the hash before it and the digest, both in
hex, joined by a line feed. The first entry follows `GENESIS`. So a chain can be checked without showing every entry.
"""

from __future__ import annotations

import hashlib

GENESIS = "0" * 64


def compute_digest(entry: str) -> str:
    """Compute the SHA-256 of an entry's text, hex."""
    return hashlib.sha256(entry.encode()).hexdigest()


def compute_chain_hash(previous: str, digest: str) -> str:
    """Compute the hash of a chain after an entry.

    Args:
        previous: the hash before it; `GENESIS` for the first.
        digest: the entry's digest.
    """
    return hashlib.sha256(f"{previous}\n{digest}".encode()).hexdigest()
