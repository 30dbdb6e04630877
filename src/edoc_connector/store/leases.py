"""The statements of `moves`, each made once: making one costs several times what running it does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, Update, and_, bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from ._sql.compiled import CompiledStatement
from ._sql.schema import UtcTime
from .audit_log import get_identity_columns


@cache
def compile_insert(table: Table) -> CompiledStatement:
    """Inserts a row, and gives it."""
    return CompiledStatement(insert(table).returning(table))


@cache
def build_insert_once(table: Table, dialect: str, unique_columns: Sequence[str]) -> ReturningInsert[Any]:
    """Inserts rows, but for those of which there is one with the same values in some columns; gives those inserted."""
    module = postgresql if dialect == "postgresql" else sqlite
    query = module.insert(table).on_conflict_do_nothing(index_elements=list(unique_columns))
    returning: ReturningInsert[Any] = query.returning(table)
    return returning


@cache
def compile_insert_once(table: Table, dialect: str, unique_columns: Sequence[str]) -> CompiledStatement:
    """As `once`, for a single row."""
    return CompiledStatement(build_insert_once(table, dialect, unique_columns))


def build_claim_query(
    table: Table, states: Sequence[str], only_due: bool, where: ColumnElement[bool] | None
) -> Select[Any]:
    """Locks rows that nobody holds at ``now``: those of ``whose`` agency, ``after`` a key, at ``most`` so many."""
    now = bindparam("now", type_=UtcTime())
    conditions = [
        table.c.agency == bindparam("whose"),
        table.c.state.in_(states),
        or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
        table.c.id > bindparam("after"),
    ]
    if only_due:
        conditions.append(table.c.next_attempt_at <= now)
    if where is not None:
        conditions.append(where)
    query = select(table).where(and_(*conditions)).order_by(table.c.id).limit(bindparam("most"))
    return query.with_for_update(skip_locked=True)


@lru_cache(maxsize=64)  # some conditions are made for one claim
def compile_claim_query(
    table: Table, states: Sequence[str], only_due: bool, single: bool, where: ColumnElement[bool] | None
) -> CompiledStatement:
    """As `claimable`, or the ``one`` with a ``key``."""
    query = build_claim_query(table, states, only_due, where)
    return CompiledStatement(query.where(table.c.id == bindparam("key")) if single else query)


@cache
def compile_update_returning_identity(
    table: Table, subject: str, fenced: bool, where: ColumnElement[bool] | None
) -> CompiledStatement:
    """Sets columns of a row that is in a state, and held; gives what identifies it in the evidence."""
    query = _build_guarded_update(table, fenced)
    return CompiledStatement(
        (query if where is None else query.where(where)).returning(
            *(table.c[column] for column in get_identity_columns(subject))
        )
    )


@cache
def compile_update_returning_row(table: Table, fenced: bool) -> CompiledStatement:
    """As `update_same`; gives the whole row."""
    return CompiledStatement(_build_guarded_update(table, fenced).returning(table))


@cache
def compile_update_many(table: Table, fenced: bool) -> CompiledStatement:
    """As `update_same`, for many rows, and gives none."""
    return CompiledStatement(_build_guarded_update(table, fenced))


def _build_guarded_update(table: Table, fenced: bool) -> Update:
    conditions = [table.c.id == bindparam("its_id"), table.c.state == bindparam("its_state")]
    if fenced:
        conditions.append(table.c.fence == bindparam("its_fence"))
    return update(table).where(and_(*conditions))
