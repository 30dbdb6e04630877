"""The one way to change a state, and the one way to claim a row.

A move is looked up in the tables of `states`, made with compare-and-set on the state (and on the fence, where a worker
holds the row), and written to the timeline in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    and_,
    bindparam,
    func,
    insert,
    select,
    update,
)

from ..errors import StoreError
from . import leases
from ._sql import schema
from ._sql.compiled import Hot, Row
from .audit_log import Note, identity_of
from .state_machine import MACHINES, Machine, Move

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
        identities: the rows that it inserted or moved, by subject and key, as they are now: what identifies them in the
            evidence. Who sets such a column in another way than by a move takes the row out of here.
        jobs_ended: jobs that were done, by agency and name, and when they are due again.
    """

    connection: Connection
    now: datetime
    actor: str
    notes: list[Note] = field(default_factory=list, repr=False)
    lines: list[dict[str, Any]] = field(default_factory=list, repr=False)
    identities: dict[tuple[str, int], Row] = field(default_factory=dict, repr=False)
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


@dataclass(frozen=True, slots=True)
class Condition:
    """A further condition of a move.

    Args:
        that: the condition; always the same object, for the statement is made once for it.
        values: what is bound in it.
    """

    that: ColumnElement[bool]
    values: Mapping[str, Any]


# Statements that every message needs are made once: making one costs several times what running it does.
_MOVES = {(machine.subject, move.old, move.new): move for machine in MACHINES for move in machine.moves}
_CLAIMED = ("state", "attempts", "lease_owner", "lease_until", "fence")
_INSERT_TIMELINE = Hot(insert(schema.timeline))


@cache
def by_id(table: Table) -> Select[Any]:
    """The query for the row with the key ``its_id``."""
    return select(table).where(table.c.id == bindparam("its_id"))


def newest_first(table: Table, agency: str, *where: ColumnElement[bool]) -> Select[Any]:
    """The query for an agency's rows that meet the conditions, the newest first."""
    # For all of them no index is to be found: SQLite would sort what it gives, rather than walk back from the newest.
    whose = table.c.agency if where else table.c.agency + ""
    return select(table).where(whose == agency, *where).order_by(table.c.id.desc())


def table_of(machine: Machine) -> Table:
    """The table that a machine rules."""
    return schema.metadata.tables[machine.table]


def started(tx: Tx, machine: Machine, values: dict[str, Any], *, state: str, detail: str = "") -> int:
    """Insert a row in its first state and return its key."""
    move = _required(machine, None, state)
    row = {"next_attempt_at": tx.now, **values, "state": state, "created_at": tx.now, "updated_at": tx.now}
    made = leases.insert_row(table_of(machine)).rows(tx.connection, row)[0]
    return int(_begun(tx, machine, made, state=state, detail=detail or move.cause)["id"])


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
) -> Row | None:
    """As `started_once`; the whole row."""
    return next(iter(made_all(tx, machine, [values], unique=unique, state=state, detail=detail)), None)


def made_all(
    tx: Tx, machine: Machine, rows: Sequence[dict[str, Any]], *, unique: Sequence[str], state: str, detail: str = ""
) -> list[Row]:
    """As `made_once`, for several rows in one go; those that are there already are left out of what is returned."""
    move = _required(machine, None, state)
    fixed = {"state": state, "created_at": tx.now, "updated_at": tx.now}
    given = [{"next_attempt_at": tx.now, **values, **fixed} for values in rows]
    dialect = tx.connection.dialect.name
    made: Sequence[Row]
    if len(given) == 1:
        made = leases.insert_once(table_of(machine), dialect, tuple(unique)).rows(tx.connection, given[0])
    else:
        query = leases.once(table_of(machine), dialect, tuple(unique))
        made = sorted(tx.connection.execute(query, given).mappings(), key=lambda row: int(row["id"]))
    return [_begun(tx, machine, row, state=state, detail=detail or move.cause) for row in made]


def _begun(tx: Tx, machine: Machine, made: Row, *, state: str, detail: str) -> Row:
    key = int(made["id"])
    tx.identities[machine.subject, key] = made
    record(tx, machine, key, old=None, new=state, detail=detail)
    return made


def alone(tx: Tx, name: str) -> None:
    """Wait until no other transaction that asked for the same name is running.

    For what is looked up first and written afterwards. On SQLite every writer is alone already.
    """
    if tx.connection.dialect.name == "postgresql":
        tx.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, _ALONE))))


def move(
    tx: Tx,
    machine: Machine,
    key: int,
    *,
    old: str,
    new: str,
    token: int | None = None,
    detail: str = "",
    where: Condition | None = None,
    **values: Any,
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
        where: a further condition on the row.
        values: further columns to set.

    Raises:
        StoreError: no such move exists.
        LeaseLost: the row is in another state by now, or another worker holds it, or the condition does not hold.
    """
    found = _required(machine, old, new)
    _compare_and_set(tx, machine, key, old, token, {**_freed(machine, new), **values, "state": new}, where)
    record(tx, machine, key, old=old, new=new, detail=_caused(found, detail))


def moved(
    tx: Tx, machine: Machine, key: int, *, old: str, new: str, token: int | None = None, detail: str = "", **values: Any
) -> Row:
    """As `move`; the whole row as it is afterwards."""
    found = _required(machine, old, new)
    given = {**_freed(machine, new), **values, "state": new, "updated_at": tx.now, **_same(key, old, token)}
    row = leases.update_whole(table_of(machine), token is not None).first(tx.connection, given)
    if row is None:
        raise lost(machine, key, old)
    tx.identities[machine.subject, key] = row
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
    """Set columns of rows that are in one state, in one go; of what is not a move nothing is told.

    Raises:
        LeaseLost: one of them is in another state by now, or another worker holds it.
    """
    if not rows:
        return
    given = [{**one.values, "updated_at": tx.now, **_same(one.key, state, one.fence)} for one in rows]
    if leases.update_many(table_of(machine), rows[0].fence is not None).many(tx.connection, given) != len(rows):
        raise lost(machine, rows[0].key, state)
    if not rows[0].values.keys().isdisjoint(identity_of(machine.subject)):
        for one in rows:
            tx.identities.pop((machine.subject, one.key), None)


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
        _INSERT_TIMELINE.many(tx.connection, tx.lines)
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
) -> list[Row]:
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
    wanted = {"whose": agency, "now": tx.now, "after": after, "most": limit}
    found = _claimable(tx, table_of(machine), tuple(sorted(states)), keys, due, where, wanted)
    rows = [_claimed(tx, machine, lease, row, more=int(count)) for row in found]
    for state in dict.fromkeys(row["state"] for row in found):
        some = [
            Held(now["id"], old["fence"], {name: now[name] for name in _CLAIMED})
            for old, now in zip(found, rows, strict=True)
            if old["state"] == state
        ]
        set_all(tx, machine, some, state=state)
    for row in rows:
        tx.identities[machine.subject, row["id"]] = row
    return rows


def _claimable(
    tx: Tx,
    table: Table,
    states: tuple[str, ...],
    keys: Collection[int] | None,
    due: bool,
    where: ColumnElement[bool] | None,
    wanted: dict[str, Any],
) -> Sequence[Row]:
    """Lock the rows that may be taken: by a statement made once, but for a list of keys."""
    if keys is None or len(keys) == 1:
        one = {} if keys is None else {"key": next(iter(keys))}
        return leases.claimable_hot(table, states, due, bool(one), where).rows(tx.connection, wanted | one)
    several = leases.claimable(table, states, due, where).where(table.c.id.in_(sorted(keys)))
    return tx.connection.execute(several, wanted).mappings().all()


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


def _claimed(tx: Tx, machine: Machine, lease: Lease, row: Row, *, more: int) -> Row:
    """A row as it is when it is claimed; where its state changes by that, the timeline tells."""
    state = row["state"]
    values = {**_leased(tx, lease), "fence": row["fence"] + 1, "attempts": row["attempts"] + more}
    held = next((new for new in machine.after(state) if new in machine.leased), None)
    if held is not None:
        values["state"] = held
        record(
            tx, machine, row["id"], old=state, new=held, detail=_caused(_required(machine, state, held), lease.owner)
        )
    return {**row, **values, "updated_at": tx.now}


def expired(tx: Tx, machine: Machine, *, agency: str) -> list[RowMapping]:
    """Rows in a leased state whose holder let the lease run out."""
    table = table_of(machine)
    query = select(table).where(
        table.c.agency == agency, table.c.state.in_(sorted(machine.leased)), table.c.lease_until <= tx.now
    )
    return list(tx.connection.execute(query.order_by(table.c.id).with_for_update(skip_locked=True)).mappings().all())


def renew(tx: Tx, table: Table, lease: Lease, keys: Collection[int]) -> int:
    """Extend those of a worker's leases on some rows that have not run out; how many there were."""
    held = and_(table.c.id.in_(sorted(keys)), table.c.lease_owner == lease.owner, table.c.lease_until > tx.now)
    until = tx.now + timedelta(seconds=lease.seconds)
    return tx.connection.execute(update(table).where(held).values(lease_until=until)).rowcount


def release(tx: Tx, machine: Machine, lease: Lease, *, key: int | None = None) -> int:
    """End every lease of a worker, or that on one row, as if it had run out; how many there were."""
    table = table_of(machine)
    held = and_(table.c.lease_owner == lease.owner, table.c.lease_until > tx.now)
    if key is not None:
        held = and_(held, table.c.id == key)
    return tx.connection.execute(update(table).where(held).values(lease_until=tx.now)).rowcount


def _compare_and_set(
    tx: Tx,
    machine: Machine,
    key: int,
    state: str,
    token: int | None,
    values: dict[str, Any],
    where: Condition | None = None,
) -> None:
    given, that = ({}, None) if where is None else (where.values, where.that)
    query = leases.update_same(table_of(machine), machine.subject, token is not None, that)
    row = query.first(tx.connection, {**values, "updated_at": tx.now, **_same(key, state, token), **given})
    if row is None:
        raise lost(machine, key, state)
    tx.identities[machine.subject, key] = row


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
    found = _MOVES.get((machine.subject, old, new))
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
