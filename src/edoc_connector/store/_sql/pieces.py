"""Long lists of keys in pieces: PostgreSQL's protocol takes 65,535 values in a statement, SQLite 32,766."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MAX_KEYS = 20_000


def split_keys(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    """The keys, in order, so many at a time that a statement takes them."""
    for start in range(0, len(keys), MAX_KEYS):
        yield keys[start : start + MAX_KEYS]
