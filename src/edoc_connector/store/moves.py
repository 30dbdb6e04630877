"""The one way to change a state, and the one way to claim a row.

A move is looked up in the tables of `states`, made with compare-and-set on the state (and on the fence, where a worker
holds the row), and written to the timeline in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
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
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

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
        lines: what is to be written to the timeline, when it ends or is looked at; see `tell`.
        jobs_ended: jobs that were done, by agency and name, and when they are due again.
    """

    connection: Connection
    now: datetime
    actor: str
    notes: list[Note] = field(default_factory=list, repr=False)
    lines: list[dict[str, Any]] = field(default_factory=list, repr=False)
    jobs_ended: list[tuple[str, str, datetime]] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is held, and what to set when it is moved together with others.

    Args:
        key: the row.
        fence: of the holder's lease; None where nobody holds it.
        values: columns to set; the same ones in all rows.
        detail: what happened, for the timeline.
    """

    key: int
    fence: int | None
    values: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""


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


@lru_cache(maxsize=64)  # some conditions are made for one claim
def _claimable(table: Table, due: bool, keyed: bool, where: ColumnElement[bool] | None) -> Select[Any]:
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
    if keyed:
        wanted.append(table.c.id.in_(bindparam("keys", expanding=True)))
    if where is not None:
        wanted.append(where)
    query = select(table).where(and_(*wanted)).order_by(table.c.id).limit(bindparam("most"))
    return query.with_for_update(skip_locked=True)


@cache
def _taking(table: Table) -> Update:
    same = [table.c.id.in_(bindparam("its_keys", expanding=True)), table.c.state == bindparam("its_state")]
    counted = {"fence": table.c.fence + 1, "attempts": table.c.attempts + bindparam("more")}
    return update(table).where(and_(*same)).values(counted)


@cache
def _update_same(table: Table, fenced: bool) -> Update:
    same = [table.c.id == bindparam("its_id"), table.c.state == bindparam("its_state")]
    if fenced:
        same.append(table.c.fence == bindparam("its_fence"))
    return update(table).where(and_(*same))


@cache
def _update_whole(table: Table, fenced: bool) -> ReturningUpdate[Any]:
    return _update_same(table, fenced).returning(table)


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
    return next(iter(made_all(tx, machine, [values], unique=unique, state=state, detail=detail)), None)


def made_all(
    tx: Tx, machine: Machine, rows: Sequence[dict[str, Any]], *, unique: Sequence[str], state: str, detail: str = ""
) -> list[RowMapping]:
    """As `made_once`, for several rows in one go; those that are there already are left out of what is returned."""
    move = _required(machine, None, state)
    fixed = {"state": state, "created_at": tx.now, "updated_at": tx.now}
    given: Any = [{"next_attempt_at": tx.now, **values, **fixed} for values in rows]
    query = _insert_once(table_of(machine), tx.connection.dialect.name, tuple(unique))
    made = list(tx.connection.execute(query, given if len(given) > 1 else given[0]).mappings())
    made.sort(key=lambda row: int(row["id"]))
    for row in made:
        record(tx, machine, int(row["id"]), old=None, new=state, detail=detail or move.cause)
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
    _compare_and_set(tx, machine, key, old, token, {**_freed(machine, new), **values, "state": new})
    record(tx, machine, key, old=old, new=new, detail=_caused(found, detail))


def moved(
    tx: Tx, machine: Machine, key: int, *, old: str, new: str, token: int | None = None, detail: str = "", **values: Any
) -> RowMapping:
    """As `move`; the whole row as it is afterwards."""
    found = _required(machine, old, new)
    table = table_of(machine)
    given = {**_freed(machine, new), **values, "state": new, "updated_at": tx.now, **_same(key, old, token)}
    row = tx.connection.execute(_update_whole(table, token is not None), given).mappings().one_or_none()
    if row is None:
        raise lost(machine, key, old)
    record(tx, machine, key, old=old, new=new, detail=_caused(found, detail))
    return row


def move_all(tx: Tx, machine: Machine, rows: Sequence[Held], *, old: str, new: str) -> None:
    """As `move`, for rows that are in one state and set the same columns: in one go, and all of them or none.

    Raises:
        StoreError: no such move exists.
        LeaseLost: one of them is in another state by now, or another worker holds it.
    """
    found = _required(machine, old, new)
    fixed = _freed(machine, new)
    set_all(tx, machine, [replace(one, values={**fixed, **one.values, "state": new}) for one in rows], state=old)
    for one in rows:
        record(tx, machine, one.key, old=old, new=new, detail=_caused(found, one.detail))


def set_all(tx: Tx, machine: Machine, rows: Sequence[Held], *, state: str) -> None:
    """Set columns of rows that are in one state and stay what they are to the timeline, in one go.

    Raises:
        LeaseLost: one of them is in another state by now, or another worker holds it.
    """
    if not rows:
        return
    given = [{**one.values, "updated_at": tx.now, **_same(one.key, state, one.fence)} for one in rows]
    query = _update_same(table_of(machine), rows[0].fence is not None)
    if tx.connection.execute(query, given).rowcount != len(rows):
        raise lost(machine, rows[0].key, state)


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
    tx.lines.append(row)
    said = {name: row[name] for name in ("old", "new", "recipient", "detail") if row[name]}
    tx.notes.append(Note("change", machine.subject, key, actor or tx.actor, said))


def tell(tx: Tx) -> None:
    """Write to the timeline what was recorded so far, in one go."""
    if tx.lines:
        tx.connection.execute(_INSERT_TIMELINE, tx.lines)
        tx.lines.clear()


def claim(
    tx: Tx,
    machine: Machine,
    lease: Lease,
    *,
    agency: str,
    states: Collection[str],
    keys: Collection[int] | None = None,
    where: ColumnElement[bool] | None = None,
    due: bool = True,
    limit: int = 1,
    after: int = 0,
    count: bool = False,
) -> list[Mapping[str, Any]]:
    """Take rows for one worker: nobody else gets them until the lease ends.

    Args:
        tx: the transaction.
        machine: whose rows.
        lease: the worker and the time it needs.
        agency: whose rows.
        states: the states to look in; a row in the state before a leased one is moved there.
        keys: only these rows.
        where: a further condition; one that is always the same object is cheaper.
        due: only rows whose next attempt is due.
        limit: at most so many rows, the oldest first.
        after: only rows with a greater key; who walks through the rows meets each once.
        count: whether the attempt counts from now on, so that one which ends the process counts too.
    """
    query = _claimable(table_of(machine), due, keys is not None, where)
    wanted = {"whose": agency, "states": sorted(states), "now": tx.now, "after": after, "most": limit}
    if keys is not None:
        wanted["keys"] = sorted(keys)
    found = tx.connection.execute(query, wanted).mappings().all()
    values = {**_leased(tx, lease), "updated_at": tx.now}
    taken_: dict[int, Mapping[str, Any]] = {}
    for state in dict.fromkeys(row["state"] for row in found):
        some = [row for row in found if row["state"] == state]
        taken_ |= _claimed(tx, machine, some, state, values, detail=lease.owner, more=int(count))
    return [taken_[row["id"]] for row in found]


def taken(tx: Tx, machine: Machine, lease: Lease, key: int, *, state: str, fence: int) -> dict[str, Any]:
    """Claim a row that is in a state that a leased one follows; what changed.

    Raises:
        LeaseLost: it is in that state no more, or was claimed.
    """
    held = next(new for new in machine.after(state) if new in machine.leased)
    values = {**_leased(tx, lease), "fence": fence + 1}
    move(tx, machine, key, old=state, new=held, token=fence, detail=lease.owner, **values)
    return {**values, "state": held, "updated_at": tx.now}


def _leased(tx: Tx, lease: Lease) -> dict[str, Any]:
    return {"lease_owner": lease.owner, "lease_until": tx.now + timedelta(seconds=lease.seconds)}


def _claimed(
    tx: Tx,
    machine: Machine,
    rows: Sequence[RowMapping],
    state: str,
    values: dict[str, Any],
    *,
    detail: str,
    more: int,
) -> dict[int, dict[str, Any]]:
    """Claim rows that are locked and in one state, in one statement; as they are now, by key."""
    held = next((new for new in machine.after(state) if new in machine.leased), None)
    if held is not None:
        values = {**values, "state": held}
    keys = [row["id"] for row in rows]
    given = {**values, "its_keys": keys, "its_state": state, "more": more}
    if tx.connection.execute(_taking(table_of(machine)), given).rowcount != len(keys):
        raise lost(machine, keys[0], state)
    if held is not None:
        cause = _required(machine, state, held).cause
        for key in keys:
            record(tx, machine, key, old=state, new=held, detail=f"{cause}: {detail}")
    return {row["id"]: {**row, **values, "fence": row["fence"] + 1, "attempts": row["attempts"] + more} for row in rows}


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
    query = _update_same(table_of(machine), token is not None)
    given = {**values, "updated_at": tx.now, **_same(key, state, token)}
    if tx.connection.execute(query, given).rowcount != 1:
        raise lost(machine, key, state)


def _same(key: int, state: str, token: int | None) -> dict[str, Any]:
    return {"its_id": key, "its_state": state} | ({} if token is None else {"its_fence": token})


def _freed(machine: Machine, new: str) -> dict[str, None]:
    """A lease ends with the state that it is for."""
    return {} if new in machine.leased else {"lease_owner": None, "lease_until": None}


def _caused(found: Move, detail: str) -> str:
    return f"{found.cause}: {detail}" if detail else found.cause


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
        after = ", ".join(machine.after(old)) or "nothing"
        raise StoreError(
            f"a {machine.subject} may not go from {old or 'nothing'} to {new}; allowed: {after}.",
            vi=f"{machine.subject} không được chuyển từ {old or 'chưa có'} sang {new}; chỉ được: {after}.",
        )
    return found
