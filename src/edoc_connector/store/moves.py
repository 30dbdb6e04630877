"""The one way to change a state, and the one way to claim a row.

A move is looked up in the tables of `states`, made with compare-and-set on the state (and on the fence, where a worker
holds the row), and written to the timeline in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from ..errors import StoreError
from . import schema
from .evidence import Note
from .schema import UtcTime
from .states import Machine, Move

DETAIL_LIMIT = 2000
_ALONE = 0x65646F63  # seed of the names' hashes, so that they are not those of another program on the same database


class LeaseLost(StoreError):
    """Another worker took the row over; what this one wanted to write was not written."""


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction.

    Args:
        connection: the database connection, inside the transaction.
        now: one time for everything that the transaction writes, UTC.
        actor: who does it, for the timeline.
        notes: what is to be written to the evidence when the transaction ends.
        jobs_ended: jobs that were done, by agency and name, and when they are due again.
    """

    connection: Connection
    now: datetime
    actor: str
    notes: list[Note] = field(default_factory=list, repr=False)
    jobs_ended: list[tuple[str, str, datetime]] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to a row.

    Args:
        owner: name of the worker, one per connector.
        seconds: how long it lasts.
    """

    owner: str
    seconds: float


# Statements that every message needs are made once: making one costs several times what running it does.
_INSERT_TIMELINE = insert(schema.timeline)


@cache
def by_id(table: Table) -> Select[Any]:
    """The query for the row with the key ``its_id``."""
    return select(table).where(table.c.id == bindparam("its_id"))


def newest_first(table: Table, agency: str, *where: ColumnElement[bool]) -> Select[Any]:
    """The query for an agency's rows that meet the conditions, the newest first."""
    # For all of them no index is to be found: SQLite would sort what it gives, rather than walk back from the newest.
    whose = table.c.agency if where else table.c.agency + ""
    return select(table).where(whose == agency, *where).order_by(table.c.id.desc())


@cache
def _insert_once(table: Table, dialect: str, unique: tuple[str, ...]) -> ReturningInsert[Any]:
    module = postgresql if dialect == "postgresql" else sqlite
    query = module.insert(table).on_conflict_do_nothing(index_elements=list(unique))
    returning: ReturningInsert[Any] = query.returning(table)
    return returning


@cache
def _claimable(table: Table, due: bool) -> Select[Any]:
    """The query for rows that nobody holds."""
    now = bindparam("now", type_=UtcTime())
    wanted = [
        table.c.agency == bindparam("whose"),
        table.c.state.in_(bindparam("states", expanding=True)),
        or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
        table.c.id > bindparam("after"),
    ]
    if due:
        wanted.append(table.c.next_attempt_at <= now)
    query = select(table.c.id, table.c.state, table.c.fence, table.c.attempts).where(and_(*wanted))
    return query.order_by(table.c.id).limit(bindparam("most")).with_for_update(skip_locked=True)


@cache
def _update_same(table: Table, fenced: bool) -> Update:
    same = [table.c.id == bindparam("its_id"), table.c.state == bindparam("its_state")]
    if fenced:
        same.append(table.c.fence == bindparam("its_fence"))
    return update(table).where(and_(*same))


def table_of(machine: Machine) -> Table:
    """The table that a machine rules."""
    return schema.metadata.tables[machine.table]


def started(tx: Tx, machine: Machine, values: dict[str, Any], *, state: str, detail: str = "") -> int:
    """Insert a row in its first state and return its key."""
    move = _required(machine, None, state)
    row = {"next_attempt_at": tx.now, **values, "state": state, "created_at": tx.now, "updated_at": tx.now}
    result = tx.connection.execute(insert(table_of(machine)), row)
    (key,) = result.inserted_primary_key or (0,)
    record(tx, machine, int(key), old=None, new=state, detail=detail or move.cause)
    return int(key)


def started_once(
    tx: Tx, machine: Machine, values: dict[str, Any], *, unique: Sequence[str], state: str, detail: str = ""
) -> int | None:
    """As `started`, unless there is a row with the same values in the columns `unique`: then nothing, and None.

    A row that another transaction is about to insert is waited for.
    """
    made = made_once(tx, machine, values, unique=unique, state=state, detail=detail)
    return None if made is None else int(made["id"])


def made_once(
    tx: Tx, machine: Machine, values: dict[str, Any], *, unique: Sequence[str], state: str, detail: str = ""
) -> RowMapping | None:
    """As `started_once`; the whole row."""
    move = _required(machine, None, state)
    row = {"next_attempt_at": tx.now, **values, "state": state, "created_at": tx.now, "updated_at": tx.now}
    query = _insert_once(table_of(machine), tx.connection.dialect.name, tuple(unique))
    made = tx.connection.execute(query, row).mappings().one_or_none()
    if made is not None:
        record(tx, machine, int(made["id"]), old=None, new=state, detail=detail or move.cause)
    return made


def alone(tx: Tx, name: str) -> None:
    """Wait until no other transaction that asked for the same name is running.

    For what is looked up first and written afterwards. On SQLite every writer is alone already.
    """
    if tx.connection.dialect.name == "postgresql":
        tx.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, _ALONE))))


def move(
    tx: Tx, machine: Machine, key: int, *, old: str, new: str, token: int | None = None, detail: str = "", **values: Any
) -> None:
    """Move a row from one state to another.

    Args:
        tx: the transaction.
        machine: whose table of moves decides.
        key: the row.
        old: the state the caller believes the row to be in.
        new: the state to move to.
        token: the fence of the caller's lease, where it holds one.
        detail: what happened, for the timeline; the move's own cause is put in front.
        values: further columns to set.

    Raises:
        StoreError: no such move exists.
        LeaseLost: the row is in another state by now, or another worker holds it.
    """
    found = _required(machine, old, new)
    if new not in machine.leased:
        values = {"lease_owner": None, "lease_until": None, **values}
    _compare_and_set(tx, machine, key, old, token, {**values, "state": new})
    record(tx, machine, key, old=old, new=new, detail=f"{found.cause}: {detail}" if detail else found.cause)


def touch(tx: Tx, machine: Machine, key: int, *, state: str, token: int, detail: str, **values: Any) -> None:
    """End a lease on a row that stays in its state, with a row in the timeline saying why.

    Raises:
        LeaseLost: the row is in another state by now, or another worker holds it.
    """
    _compare_and_set(tx, machine, key, state, token, {"lease_owner": None, "lease_until": None, **values})
    record(tx, machine, key, old=state, new=state, detail=detail)


def record(
    tx: Tx,
    machine: Machine,
    key: int,
    *,
    old: str | None,
    new: str,
    detail: str,
    actor: str | None = None,
    recipient: str | None = None,
) -> None:
    """Append a row to the timeline.

    Args:
        tx: the transaction.
        machine: what kind of thing it is about.
        key: which one.
        old: state or status code before.
        new: state or status code after.
        detail: what happened.
        actor: who did it, if not the transaction's actor.
        recipient: the organisation it is about, where one recipient is meant.
    """
    row = {
        "subject": machine.subject,
        "subject_id": key,
        "at": tx.now,
        "actor": actor or tx.actor,
        "old": old,
        "new": new,
        "recipient": recipient,
        "detail": detail[:DETAIL_LIMIT],
    }
    tx.connection.execute(_INSERT_TIMELINE, row)
    said = {name: row[name] for name in ("old", "new", "recipient", "detail") if row[name]}
    tx.notes.append(Note("change", machine.subject, key, actor or tx.actor, said))


def claim(
    tx: Tx,
    machine: Machine,
    lease: Lease,
    *,
    agency: str,
    states: Collection[str],
    where: ColumnElement[bool] | None = None,
    due: bool = True,
    limit: int = 1,
    after: int = 0,
    count: bool = False,
) -> list[RowMapping]:
    """Take rows for one worker: nobody else gets them until the lease ends.

    Args:
        tx: the transaction.
        machine: whose rows.
        lease: the worker and the time it needs.
        agency: whose rows.
        states: the states to look in; a row in the state before a leased one is moved there.
        where: a further condition.
        due: only rows whose next attempt is due.
        limit: at most so many rows, the oldest first.
        after: only rows with a greater key; who walks through the rows meets each once.
        count: whether the attempt counts from now on, so that one which ends the process counts too.
    """
    table = table_of(machine)
    query = _claimable(table, due) if where is None else _claimable(table, due).where(where)
    wanted = {"whose": agency, "states": sorted(states), "now": tx.now, "after": after, "most": limit}
    more = int(count)
    keys = [
        _claimed(tx, machine, lease, row, attempts=row["attempts"] + more)
        for row in tx.connection.execute(query, wanted).mappings().all()
    ]
    return [tx.connection.execute(by_id(table), {"its_id": key}).mappings().one() for key in keys]


def taken(tx: Tx, machine: Machine, lease: Lease, key: int, *, state: str, fence: int) -> dict[str, Any]:
    """Claim a row that is in a state that a leased one follows; what changed.

    Raises:
        LeaseLost: it is in that state no more, or was claimed.
    """
    held = next(new for new in machine.after(state) if new in machine.leased)
    values = _leased(tx, lease, fence)
    move(tx, machine, key, old=state, new=held, token=fence, detail=lease.owner, **values)
    return {**values, "state": held, "updated_at": tx.now}


def _leased(tx: Tx, lease: Lease, fence: int) -> dict[str, Any]:
    until = tx.now + timedelta(seconds=lease.seconds)
    return {"lease_owner": lease.owner, "lease_until": until, "fence": fence + 1}


def _claimed(tx: Tx, machine: Machine, lease: Lease, row: RowMapping, *, attempts: int) -> int:
    values = {**_leased(tx, lease, row["fence"]), "attempts": attempts}
    held = next((state for state in machine.after(row["state"]) if state in machine.leased), None)
    if held is None:
        _compare_and_set(tx, machine, row["id"], row["state"], row["fence"], values)
    else:
        move(tx, machine, row["id"], old=row["state"], new=held, token=row["fence"], detail=lease.owner, **values)
    return int(row["id"])


def expired(tx: Tx, machine: Machine, *, agency: str) -> list[RowMapping]:
    """Rows in a leased state whose holder let the lease run out."""
    table = table_of(machine)
    query = select(table).where(
        table.c.agency == agency, table.c.state.in_(sorted(machine.leased)), table.c.lease_until <= tx.now
    )
    return list(tx.connection.execute(query.order_by(table.c.id).with_for_update(skip_locked=True)).mappings().all())


def renew(tx: Tx, machine: Machine, lease: Lease) -> int:
    """Extend every lease that a worker holds and that has not run out; how many there were."""
    table = table_of(machine)
    held = and_(table.c.lease_owner == lease.owner, table.c.lease_until > tx.now)
    until = tx.now + timedelta(seconds=lease.seconds)
    return tx.connection.execute(update(table).where(held).values(lease_until=until)).rowcount


def release(tx: Tx, machine: Machine, lease: Lease, *, key: int | None = None) -> int:
    """End every lease of a worker, or that on one row, as if it had run out; how many there were."""
    table = table_of(machine)
    held = and_(table.c.lease_owner == lease.owner, table.c.lease_until > tx.now)
    if key is not None:
        held = and_(held, table.c.id == key)
    return tx.connection.execute(update(table).where(held).values(lease_until=tx.now)).rowcount


def _compare_and_set(tx: Tx, machine: Machine, key: int, state: str, token: int | None, values: dict[str, Any]) -> None:
    same = {"its_id": key, "its_state": state} | ({} if token is None else {"its_fence": token})
    query = _update_same(table_of(machine), token is not None)
    if tx.connection.execute(query, {**values, "updated_at": tx.now, **same}).rowcount != 1:
        raise lost(machine, key, state)


def lost(machine: Machine, key: int, state: str) -> LeaseLost:
    """The error for a row that somebody else moved or took."""
    return LeaseLost(
        f"{machine.subject} {key} is no longer {state} in this worker's hands: another one took it over, "
        "and nothing was written.",
        vi=f"{machine.subject} {key} không còn ở trạng thái {state} do tiến trình này giữ: "
        "tiến trình khác đã nhận, nên không ghi gì.",
    )


def _required(machine: Machine, old: str | None, new: str) -> Move:
    found = machine.find(old, new)
    if found is None:
        after = ", ".join(machine.after(old))
        subject_vi = {"delivery": "văn bản đi", "receipt": "gói tin đến", "outgoing": "thông báo gửi đi"}[
            machine.subject
        ]
        raise StoreError(
            f"a {machine.subject} may not go from {old or 'nothing'} to {new}; allowed: {after or 'nothing'}.",
            vi=f"{subject_vi} không được chuyển từ {old or 'chưa có'} sang {new}; "
            + (f"chỉ được chuyển sang: {after}." if after else "không còn bước nào nữa."),
        )
    return found
