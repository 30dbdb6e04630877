"""Moves the chain of the first form into the log: each entry becomes a leaf, byte for byte, and a last one seals it.

In batches, each a transaction of its own: what was moved before an interruption stays moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, insert, select

from ..._core import utc_now
from ...evidence import (
    GENESIS,
    CompactRange,
    LogEvent,
    TreeReader,
    compute_chain_hash,
    compute_digest,
    parse_entry,
    seal_chain,
    unpack_entry,
)
from .._sql import Row, UtcTime, begin_transaction
from .linking import (
    SYSTEM_ACTOR,
    StoredTiles,
    add_log,
    build_row,
    build_stored_row,
    insert_nodes,
    read_origin,
)

BATCH_ROWS = 2000
_CHAIN = sa.table(
    "evidence",
    *(sa.column(name) for name in ("agency", "sequence", "subject", "subject_id", "entry", "digest", "hash")),
    sa.column("at", UtcTime()),
)
# Entries and their places as they were at that revision.
_ENTRIES = sa.Table(
    "evidence_entries",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    *(sa.Column(name, sa.String) for name in ("agency", "subject")),
    sa.Column("subject_id", sa.Integer),
    *(sa.Column(name, sa.LargeBinary) for name in ("leaf_hash", "stored")),
)
_LEAVES = sa.table("evidence_leaves", *(sa.column(name) for name in ("entry_id", "agency", "leaf")))


class _TilesOfThen(StoredTiles):
    """A log's tree, with a row for the place of each entry."""

    __slots__ = ()

    def read_leaf_hashes(self, first: int, end: int) -> list[bytes]:
        """Read the hashes of leaves."""
        query = select(_ENTRIES.c.leaf_hash).join_from(_LEAVES, _ENTRIES, _ENTRIES.c.id == _LEAVES.c.entry_id)
        query = query.where(_LEAVES.c.agency == self.agency, _LEAVES.c.leaf.between(first, end - 1))
        return [bytes(found) for found in self.connection.execute(query.order_by(_LEAVES.c.leaf)).scalars()]


@dataclass(slots=True)
class _Move:
    """How far the chain of an agency was moved.

    Args:
        agency: whose it is.
        grown: the tree so far.
        sequence: number of the last entry that was moved.
        is_sealed: whether all was.
    """

    agency: str
    grown: CompactRange
    sequence: int
    is_sealed: bool


def move_chains(engine: Engine, lock: str) -> None:
    """Move every chain into its log, from where an earlier run was interrupted.

    Args:
        engine: the database, of the revision that has both.
        lock: statement that keeps other upgrades out until the transaction ends; empty on SQLite.
    """
    with begin_transaction(engine, write=False) as connection:
        agencies = _list_agencies(connection)
    for agency in agencies:
        move = None
        while move is None or not move.is_sealed:
            with begin_transaction(engine, write=True) as connection:
                if lock:
                    connection.execute(sa.text(lock))
                move = _move_batch(connection, agency, move)
                connection.commit()


def move_rest(connection: Connection) -> None:
    """Move whatever was not moved yet, in one transaction."""
    for agency in _list_agencies(connection):
        move = None
        while move is None or not move.is_sealed:
            move = _move_batch(connection, agency, move)


def _list_agencies(connection: Connection) -> Sequence[str]:
    query = select(_CHAIN.c.agency).distinct().order_by(_CHAIN.c.agency)
    return connection.execute(query).scalars().all()


def _move_batch(connection: Connection, agency: str, move: _Move | None) -> _Move:
    now = _load_move(connection, agency, move)
    if now.is_sealed:
        return now
    rows = _read_chain(connection, agency, now.sequence, BATCH_ROWS)
    origin = read_origin(connection, agency) or add_log(connection, agency, at=rows[0]["at"])
    if rows:
        stored = [
            build_stored_row(row["entry"].encode(), agency, row["subject"] or "", row["subject_id"] or 0)
            for row in rows
        ]
        _append(connection, now, stored)
        now.sequence = int(rows[-1]["sequence"])
    if len(rows) < BATCH_ROWS:
        _seal(connection, now, origin)
    return now


def _load_move(connection: Connection, agency: str, move: _Move | None) -> _Move:
    """Load how far another run came, unless this one knows; another one may have been faster meanwhile."""
    last = connection.scalar(select(sa.func.max(_LEAVES.c.leaf)).where(_LEAVES.c.agency == agency))
    tree = TreeReader(_TilesOfThen(connection, agency), 0 if last is None else int(last) + 1)
    if move is not None and move.grown.size == tree.size:
        return move
    if tree.size == 0:
        return _Move(agency, CompactRange.start(), 0, is_sealed=False)
    query = (
        select(_ENTRIES.c.stored)
        .join_from(_LEAVES, _ENTRIES, _ENTRIES.c.id == _LEAVES.c.entry_id)
        .where(_LEAVES.c.agency == agency, _LEAVES.c.leaf == tree.size - 1)
    )
    entry = parse_entry(unpack_entry(bytes(connection.execute(query).scalar_one())))
    return _Move(agency, tree.load_range(), entry.sequence, is_sealed="sealed" in entry.kinds)


def _read_chain(connection: Connection, agency: str, after: int, limit: int) -> list[Row]:
    query = select(_CHAIN).where(_CHAIN.c.agency == agency, _CHAIN.c.sequence > after)
    return list(connection.execute(query.order_by(_CHAIN.c.sequence).limit(limit)).mappings())


def _append(connection: Connection, move: _Move, rows: list[dict[str, Any]]) -> None:
    statement = insert(_ENTRIES).returning(_ENTRIES.c.id, sort_by_parameter_order=True)
    keys = list(connection.execute(statement, rows).scalars())
    first = move.grown.size
    nodes = move.grown.extend(bytes(row["leaf_hash"]) for row in rows)
    places = [{"entry_id": key, "agency": move.agency, "leaf": leaf} for leaf, key in enumerate(keys, first)]
    connection.execute(insert(_LEAVES), places)
    insert_nodes(connection, move.agency, nodes)


def _seal(connection: Connection, move: _Move, origin: str) -> None:
    """Append the entry that holds the end of the chain; one that is broken is sealed with words for where."""
    broken, head, at = _check_chain(connection, move.agency)
    entry = seal_chain(
        agency=move.agency,
        at=max(at, utc_now()),
        actor=SYSTEM_ACTOR,
        origin=origin,
        sequence=move.sequence,
        head=head,
    )
    if broken:
        event = entry.events[0]
        entry = replace(entry, events=(LogEvent(event.kind, event.actor, {**event.details, "broken": broken}),))
    _append(connection, move, [build_row(entry)])
    move.is_sealed = True


def _check_chain(connection: Connection, agency: str) -> tuple[str | None, str, datetime]:
    """Check a chain of the first form, and return words for its first break, its last hash and its last time."""
    broken, expected, previous, at = None, 1, GENESIS, utc_now()
    for row in _iter_chain(connection, agency):
        if broken is None and row["sequence"] != expected:
            broken = f"entry {expected} is missing; {row['sequence']} follows"
        if broken is None and compute_digest(row["entry"]) != row["digest"]:
            broken = f"entry {row['sequence']} was changed"
        if broken is None and compute_chain_hash(previous, row["digest"]) != row["hash"]:
            broken = f"entry {row['sequence']} does not follow from the one before it"
        expected, previous, at = expected + 1, str(row["hash"]), row["at"]
    return broken, previous, at


def _iter_chain(connection: Connection, agency: str) -> Iterator[Row]:
    after = 0
    while rows := _read_chain(connection, agency, after, BATCH_ROWS):
        yield from rows
        after = int(rows[-1]["sequence"])
