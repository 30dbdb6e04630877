"""Sources of a directory: the hub's, which agencies of one store share, and each agency's own list above it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BindParameter, ScalarSelect, Select, bindparam, delete, func, insert, select, update

from .._sql import TABLES, CompiledStatement

if TYPE_CHECKING:
    from ..transaction import Tx

AGENCIES = TABLES["agencies"]
_DIRECTORIES = TABLES["directories"]
_READERS = TABLES["directory_readers"]

OWN = 0
"""Rank of an agency's own list: what it says counts before the hub's word."""
HUBS = 1
"""Rank of the hub's directory."""


_SOURCES = CompiledStatement(
    select(_READERS.c.rank, _READERS.c.directory_id).where(_READERS.c.agency == bindparam("agency"))
)


def select_sources(agency: str | BindParameter[str]) -> Select[tuple[int]]:
    """Select the directories that an agency reads."""
    return select(_READERS.c.directory_id).where(_READERS.c.agency == agency)


def select_source(agency: str | BindParameter[str], rank: int) -> ScalarSelect[int]:
    """Select the directory that an agency reads in a rank."""
    return select_sources(agency).where(_READERS.c.rank == rank).scalar_subquery()


_TAKEN_OVER = CompiledStatement(
    select(_DIRECTORIES.c.id).where(
        _DIRECTORIES.c.id == select_source(bindparam("agency"), HUBS), _DIRECTORIES.c.full_at.is_not(None)
    )
)


def load_sources(tx: Tx, agency: str) -> dict[int, int]:
    """Load the directories that an agency reads, by their rank."""
    return {row["rank"]: row["directory_id"] for row in _SOURCES.fetch_all(tx.connection, {"agency": agency})}


def name_own_source(agency: str) -> str:
    """Name the source of what only one agency sees."""
    return f"agency {agency}"


def attach(tx: Tx, agency: str, source: str, rank: int) -> int:
    """Have an agency read a source in a rank, and return the source's key; it is made where it is not there.

    What nobody reads any more is removed.
    """
    tx.advisory_lock(f"directory {source}")
    source_id = _find_or_add(tx, source)
    where = (_READERS.c.agency == agency, _READERS.c.rank == rank)
    before = tx.connection.execute(select(_READERS.c.directory_id).where(*where)).scalar()
    if before is None:
        tx.connection.execute(insert(_READERS).values(agency=agency, rank=rank, directory_id=source_id))
    elif before != source_id:
        tx.connection.execute(update(_READERS).where(*where).values(directory_id=source_id))
        _remove_if_unread(tx, before)
    return source_id


def find_full_at(tx: Tx, source: str) -> datetime | None:
    """Find when a source was last taken over as a whole; None where it never was."""
    query = select(_DIRECTORIES.c.full_at).where(_DIRECTORIES.c.source == source)
    found: datetime | None = tx.connection.execute(query).scalar()
    return found


def is_read_from(tx: Tx, agency: str, source: str) -> bool:
    """Tell whether an agency reads a source."""
    query = select(_DIRECTORIES.c.id).where(
        _DIRECTORIES.c.source == source, _DIRECTORIES.c.id.in_(select_sources(agency))
    )
    return tx.connection.execute(query).first() is not None


def is_taken_over(tx: Tx, agency: str) -> bool:
    """Tell whether the hub's directory was ever taken over for an agency."""
    return _TAKEN_OVER.fetch_first(tx.connection, {"agency": agency}) is not None


def mark_full(tx: Tx, source_id: int) -> None:
    """Note that a source was taken over as a whole now."""
    tx.connection.execute(update(_DIRECTORIES).where(_DIRECTORIES.c.id == source_id).values(full_at=tx.now))


def count_listed(tx: Tx, source: str) -> int:
    """Count the agencies that a source lists still."""
    source_id = select(_DIRECTORIES.c.id).where(_DIRECTORIES.c.source == source).scalar_subquery()
    query = select(func.count()).where(AGENCIES.c.directory_id == source_id, AGENCIES.c.active)
    return tx.connection.execute(query).scalar_one()


def _find_or_add(tx: Tx, source: str) -> int:
    query = select(_DIRECTORIES.c.id).where(_DIRECTORIES.c.source == source)
    found = tx.connection.execute(query).scalar()
    if found is not None:
        return int(found)
    tx.connection.execute(insert(_DIRECTORIES).values(source=source))
    return int(tx.connection.execute(query).scalar_one())


def _remove_if_unread(tx: Tx, source_id: int) -> None:
    if tx.connection.execute(select(_READERS.c.id).where(_READERS.c.directory_id == source_id)).first() is None:
        tx.connection.execute(delete(AGENCIES).where(AGENCIES.c.directory_id == source_id))
        tx.connection.execute(delete(_DIRECTORIES).where(_DIRECTORIES.c.id == source_id))
