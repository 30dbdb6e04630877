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
from ._sql.compiled import CompiledStatement, Row
from .audit_log import AuditEvent, get_identity_columns
from .state_machine import MACHINES, StateMachine, Transition

DETAIL_LIMIT = 2000
_LOCK_SEED = 0x65646F63  # seed of the names' hashes, so that they are not those of another program on the same database


class LeaseLost(StoreError):
    """Another worker took the row over; what this one wanted to write was not written."""


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction.

    Args:
        connection: the database connection, inside the transaction.
        now: one time for everything that the transaction writes, UTC.
        actor: who does it, for the timeline.
        audit_events: what is to be written to the evidence when the transaction ends.
        timeline_rows: what is to be written to the timeline, when it ends or is looked at; see `tell`.
        identities: the rows that it inserted or moved, by subject and key, as they are now: what identifies them in the
            evidence. Who sets such a column in another way than by a move takes the row out of here.
        finished_jobs: jobs that were done, by agency and name, and when they are due again.
    """

    connection: Connection
    now: datetime
    actor: str
    audit_events: list[AuditEvent] = field(default_factory=list, repr=False)
    timeline_rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    identities: dict[tuple[str, int], Row] = field(default_factory=dict, repr=False)
    finished_jobs: list[tuple[str, str, datetime]] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A row that is held, and what to set when it is moved together with others.

    Args:
        row_id: the row.
        fencing_token: of the holder's lease; None where nobody holds it.
        values: columns to set; the same ones in all rows.
        detail: what happened, for the timeline.
    """

    row_id: int
    fencing_token: int | None
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
        clause: the condition; always the same object, for the statement is made once for it.
        values: what is bound in it.
    """

    clause: ColumnElement[bool]
    values: Mapping[str, Any]


# Statements that every message needs are made once: making one costs several times what running it does.
_TRANSITIONS = {(machine.subject, move.old, move.new): move for machine in MACHINES for move in machine.transitions}
_CLAIM_COLUMNS = ("state", "attempts", "lease_owner", "lease_until", "fence")
_INSERT_TIMELINE = CompiledStatement(insert(schema.timeline))


@cache
def build_query_by_id(table: Table) -> Select[Any]:
    """The query for the row with the key ``its_id``."""
    return select(table).where(table.c.id == bindparam("its_id"))


def build_newest_first_query(table: Table, agency: str, *where: ColumnElement[bool]) -> Select[Any]:
    """The query for an agency's rows that meet the conditions, the newest first."""
    # For all of them no index is to be found: SQLite would sort what it gives, rather than walk back from the newest.
    agency_column = table.c.agency if where else table.c.agency + ""
    return select(table).where(agency_column == agency, *where).order_by(table.c.id.desc())


def get_table(machine: StateMachine) -> Table:
    """The table that a machine rules."""
    return schema.metadata.tables[machine.table_name]


def insert_row(tx: Tx, machine: StateMachine, values: dict[str, Any], *, state: str, detail: str = "") -> int:
    """Insert a row in its first state and return its key."""
    transition = _require_transition(machine, None, state)
    row = {"next_attempt_at": tx.now, **values, "state": state, "created_at": tx.now, "updated_at": tx.now}
    inserted = leases.compile_insert(get_table(machine)).fetch_all(tx.connection, row)[0]
    return int(_record_insert(tx, machine, inserted, state=state, detail=detail or transition.cause)["id"])


def insert_row_once(
    tx: Tx,
    machine: StateMachine,
    values: dict[str, Any],
    *,
    unique_columns: Sequence[str],
    state: str,
    detail: str = "",
) -> int | None:
    """As `started`, unless there is a row with the same values in the columns `unique_columns`: then nothing, and None.

    A row that another transaction is about to insert is waited for.
    """
    inserted = insert_once_returning_row(tx, machine, values, unique_columns=unique_columns, state=state, detail=detail)
    return None if inserted is None else int(inserted["id"])


def insert_once_returning_row(
    tx: Tx,
    machine: StateMachine,
    values: dict[str, Any],
    *,
    unique_columns: Sequence[str],
    state: str,
    detail: str = "",
) -> Row | None:
    """As `started_once`; the whole row."""
    return next(
        iter(insert_rows_once(tx, machine, [values], unique_columns=unique_columns, state=state, detail=detail)), None
    )


def insert_rows_once(
    tx: Tx,
    machine: StateMachine,
    rows: Sequence[dict[str, Any]],
    *,
    unique_columns: Sequence[str],
    state: str,
    detail: str = "",
) -> list[Row]:
    """As `made_once`, for several rows in one go; those that are there already are left out of what is returned."""
    transition = _require_transition(machine, None, state)
    fixed = {"state": state, "created_at": tx.now, "updated_at": tx.now}
    complete_rows = [{"next_attempt_at": tx.now, **values, **fixed} for values in rows]
    dialect = tx.connection.dialect.name
    inserted: Sequence[Row]
    if len(complete_rows) == 1:
        inserted = leases.compile_insert_once(get_table(machine), dialect, tuple(unique_columns)).fetch_all(
            tx.connection, complete_rows[0]
        )
    else:
        query = leases.build_insert_once(get_table(machine), dialect, tuple(unique_columns))
        inserted = sorted(tx.connection.execute(query, complete_rows).mappings(), key=lambda row: int(row["id"]))
    return [_record_insert(tx, machine, row, state=state, detail=detail or transition.cause) for row in inserted]


def _record_insert(tx: Tx, machine: StateMachine, inserted: Row, *, state: str, detail: str) -> Row:
    row_id = int(inserted["id"])
    tx.identities[machine.subject, row_id] = inserted
    record_change(tx, machine, row_id, old=None, new=state, detail=detail)
    return inserted


def advisory_lock(tx: Tx, name: str) -> None:
    """Wait until no other transaction that asked for the same name is running.

    For what is looked up first and written afterwards. On SQLite every writer is alone already.
    """
    if tx.connection.dialect.name == "postgresql":
        tx.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, _LOCK_SEED))))


def move(
    tx: Tx,
    machine: StateMachine,
    row_id: int,
    *,
    old: str,
    new: str,
    fencing_token: int | None = None,
    detail: str = "",
    condition: Condition | None = None,
    **values: Any,
) -> None:
    """Move a row from one state to another.

    Args:
        tx: the transaction.
        machine: whose table of moves decides.
        row_id: the row.
        old: the state the caller believes the row to be in.
        new: the state to move to.
        fencing_token: the fence of the caller's lease, where it holds one.
        detail: what happened, for the timeline; the move's own cause is put in front.
        condition: a further condition on the row.
        values: further columns to set.

    Raises:
        StoreError: no such move exists.
        LeaseLost: the row is in another state by now, or another worker holds it, or the condition does not hold.
    """
    transition = _require_transition(machine, old, new)
    _compare_and_set(
        tx,
        machine,
        row_id,
        old,
        fencing_token,
        {**_build_release_columns(machine, new), **values, "state": new},
        condition,
    )
    record_change(tx, machine, row_id, old=old, new=new, detail=_format_detail(transition, detail))


def move_returning_row(
    tx: Tx,
    machine: StateMachine,
    row_id: int,
    *,
    old: str,
    new: str,
    fencing_token: int | None = None,
    detail: str = "",
    **values: Any,
) -> Row:
    """As `move`; the whole row as it is afterwards."""
    transition = _require_transition(machine, old, new)
    bound_values = {
        **_build_release_columns(machine, new),
        **values,
        "state": new,
        "updated_at": tx.now,
        **_build_guard_values(row_id, old, fencing_token),
    }
    row = leases.compile_update_returning_row(get_table(machine), fencing_token is not None).fetch_first(
        tx.connection, bound_values
    )
    if row is None:
        raise build_lease_lost_error(machine, row_id, old)
    tx.identities[machine.subject, row_id] = row
    record_change(tx, machine, row_id, old=old, new=new, detail=_format_detail(transition, detail))
    return row


def move_all(tx: Tx, machine: StateMachine, rows: Sequence[HeldRow], *, old: str, new: str) -> None:
    """As `move`, for rows that are in one state and set the same columns: in one go, and all of them or none.

    Raises:
        StoreError: no such move exists.
        LeaseLost: one of them is in another state by now, or another worker holds it.
    """
    transition = _require_transition(machine, old, new)
    fixed = _build_release_columns(machine, new)
    update_all(
        tx,
        machine,
        [replace(held_row, values={**fixed, **held_row.values, "state": new}) for held_row in rows],
        state=old,
    )
    for held_row in rows:
        record_change(
            tx, machine, held_row.row_id, old=old, new=new, detail=_format_detail(transition, held_row.detail)
        )


def update_all(tx: Tx, machine: StateMachine, rows: Sequence[HeldRow], *, state: str) -> None:
    """Set columns of rows that are in one state, in one go; of what is not a move nothing is told.

    Raises:
        LeaseLost: one of them is in another state by now, or another worker holds it.
    """
    if not rows:
        return
    bound_rows = [
        {**held_row.values, "updated_at": tx.now, **_build_guard_values(held_row.row_id, state, held_row.fencing_token)}
        for held_row in rows
    ]
    if leases.compile_update_many(get_table(machine), rows[0].fencing_token is not None).execute_many(
        tx.connection, bound_rows
    ) != len(rows):
        raise build_lease_lost_error(machine, rows[0].row_id, state)
    if not rows[0].values.keys().isdisjoint(get_identity_columns(machine.subject)):
        for held_row in rows:
            tx.identities.pop((machine.subject, held_row.row_id), None)


def end_lease(
    tx: Tx, machine: StateMachine, row_id: int, *, state: str, fencing_token: int, detail: str, **values: Any
) -> None:
    """End a lease on a row that stays in its state, with a row in the timeline saying why.

    Raises:
        LeaseLost: the row is in another state by now, or another worker holds it.
    """
    _compare_and_set(tx, machine, row_id, state, fencing_token, {"lease_owner": None, "lease_until": None, **values})
    record_change(tx, machine, row_id, old=state, new=state, detail=detail)


def record_change(
    tx: Tx,
    machine: StateMachine,
    row_id: int,
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
        row_id: which one.
        old: state or status code before.
        new: state or status code after.
        detail: what happened.
        actor: who did it, if not the transaction's actor.
        recipient: the organisation it is about, where one recipient is meant.
    """
    row = {
        "subject": machine.subject,
        "subject_id": row_id,
        "at": tx.now,
        "actor": actor or tx.actor,
        "old": old,
        "new": new,
        "recipient": recipient,
        "detail": detail[:DETAIL_LIMIT],
    }
    tx.timeline_rows.append(row)
    details = {name: row[name] for name in ("old", "new", "recipient", "detail") if row[name]}
    tx.audit_events.append(AuditEvent("change", machine.subject, row_id, actor or tx.actor, details))


def write_timeline(tx: Tx) -> None:
    """Write to the timeline what was recorded so far, in one go."""
    if tx.timeline_rows:
        _INSERT_TIMELINE.execute_many(tx.connection, tx.timeline_rows)
        tx.timeline_rows.clear()


def claim_rows(
    tx: Tx,
    machine: StateMachine,
    lease: Lease,
    *,
    agency: str,
    states: Collection[str],
    only_ids: Collection[int] | None = None,
    where: ColumnElement[bool] | None = None,
    only_due: bool = True,
    limit: int = 1,
    after_id: int = 0,
    count_attempt: bool = False,
) -> list[Row]:
    """Take rows for one worker: nobody else gets them until the lease ends.

    Args:
        tx: the transaction.
        machine: whose rows.
        lease: the worker and the time it needs.
        agency: whose rows.
        states: the states to look in; a row in the state before a leased one is moved there.
        only_ids: only these rows.
        where: a further condition; one that is always the same object is cheaper.
        only_due: only rows whose next attempt is due.
        limit: at most so many rows, the oldest first.
        after_id: only rows with a greater key; who walks through the rows meets each once.
        count_attempt: whether the attempt counts from now on, so that one which ends the process counts too.
    """
    parameters = {"whose": agency, "now": tx.now, "after": after_id, "most": limit}
    found = _lock_claimable(tx, get_table(machine), tuple(sorted(states)), only_ids, only_due, where, parameters)
    rows = [_record_claim(tx, machine, lease, row, extra_attempts=int(count_attempt)) for row in found]
    for state in dict.fromkeys(row["state"] for row in found):
        held_rows = [
            HeldRow(claimed["id"], old["fence"], {name: claimed[name] for name in _CLAIM_COLUMNS})
            for old, claimed in zip(found, rows, strict=True)
            if old["state"] == state
        ]
        update_all(tx, machine, held_rows, state=state)
    for row in rows:
        tx.identities[machine.subject, row["id"]] = row
    return rows


def _lock_claimable(
    tx: Tx,
    table: Table,
    states: tuple[str, ...],
    only_ids: Collection[int] | None,
    only_due: bool,
    where: ColumnElement[bool] | None,
    parameters: dict[str, Any],
) -> Sequence[Row]:
    """Lock the rows that may be taken: by a statement made once, but for a list of keys."""
    if only_ids is None or len(only_ids) == 1:
        id_parameter = {} if only_ids is None else {"key": next(iter(only_ids))}
        return leases.compile_claim_query(table, states, only_due, bool(id_parameter), where).fetch_all(
            tx.connection, parameters | id_parameter
        )
    query = leases.build_claim_query(table, states, only_due, where).where(table.c.id.in_(sorted(only_ids)))
    return tx.connection.execute(query, parameters).mappings().all()


def claim_from_state(
    tx: Tx, machine: StateMachine, lease: Lease, row_id: int, *, state: str, fencing_token: int
) -> dict[str, Any]:
    """Claim a row that is in a state that a leased one follows; what changed.

    Raises:
        LeaseLost: it is in that state no more, or was claimed.
    """
    leased_state = next(new for new in machine.list_next_states(state) if new in machine.leased_states)
    values = {**_build_lease_columns(tx, lease), "fence": fencing_token + 1}
    move(tx, machine, row_id, old=state, new=leased_state, fencing_token=fencing_token, detail=lease.owner, **values)
    return {**values, "state": leased_state, "updated_at": tx.now}


def _build_lease_columns(tx: Tx, lease: Lease) -> dict[str, Any]:
    return {"lease_owner": lease.owner, "lease_until": tx.now + timedelta(seconds=lease.seconds)}


def _record_claim(tx: Tx, machine: StateMachine, lease: Lease, row: Row, *, extra_attempts: int) -> Row:
    """A row as it is when it is claimed; where its state changes by that, the timeline tells."""
    state = row["state"]
    values = {
        **_build_lease_columns(tx, lease),
        "fence": row["fence"] + 1,
        "attempts": row["attempts"] + extra_attempts,
    }
    leased_state = next((new for new in machine.list_next_states(state) if new in machine.leased_states), None)
    if leased_state is not None:
        values["state"] = leased_state
        record_change(
            tx,
            machine,
            row["id"],
            old=state,
            new=leased_state,
            detail=_format_detail(_require_transition(machine, state, leased_state), lease.owner),
        )
    return {**row, **values, "updated_at": tx.now}


def lock_expired(tx: Tx, machine: StateMachine, *, agency: str) -> list[RowMapping]:
    """Rows in a leased state whose holder let the lease run out."""
    table = get_table(machine)
    query = select(table).where(
        table.c.agency == agency, table.c.state.in_(sorted(machine.leased_states)), table.c.lease_until <= tx.now
    )
    return list(tx.connection.execute(query.order_by(table.c.id).with_for_update(skip_locked=True)).mappings().all())


def renew_leases(tx: Tx, table: Table, lease: Lease, row_ids: Collection[int]) -> int:
    """Extend those of a worker's leases on some rows that have not run out; how many there were."""
    own_leases = and_(table.c.id.in_(sorted(row_ids)), table.c.lease_owner == lease.owner, table.c.lease_until > tx.now)
    until = tx.now + timedelta(seconds=lease.seconds)
    return tx.connection.execute(update(table).where(own_leases).values(lease_until=until)).rowcount


def release_leases(tx: Tx, machine: StateMachine, lease: Lease, *, only_id: int | None = None) -> int:
    """End every lease of a worker, or that on one row, as if it had run out; how many there were."""
    table = get_table(machine)
    own_leases = and_(table.c.lease_owner == lease.owner, table.c.lease_until > tx.now)
    if only_id is not None:
        own_leases = and_(own_leases, table.c.id == only_id)
    return tx.connection.execute(update(table).where(own_leases).values(lease_until=tx.now)).rowcount


def _compare_and_set(
    tx: Tx,
    machine: StateMachine,
    row_id: int,
    state: str,
    fencing_token: int | None,
    values: dict[str, Any],
    condition: Condition | None = None,
) -> None:
    bound_values, clause = ({}, None) if condition is None else (condition.values, condition.clause)
    query = leases.compile_update_returning_identity(
        get_table(machine), machine.subject, fencing_token is not None, clause
    )
    row = query.fetch_first(
        tx.connection,
        {**values, "updated_at": tx.now, **_build_guard_values(row_id, state, fencing_token), **bound_values},
    )
    if row is None:
        raise build_lease_lost_error(machine, row_id, state)
    tx.identities[machine.subject, row_id] = row


def _build_guard_values(row_id: int, state: str, fencing_token: int | None) -> dict[str, Any]:
    return {"its_id": row_id, "its_state": state} | ({} if fencing_token is None else {"its_fence": fencing_token})


def _build_release_columns(machine: StateMachine, new: str) -> dict[str, None]:
    """A lease ends with the state that it is for."""
    return {} if new in machine.leased_states else {"lease_owner": None, "lease_until": None}


def _format_detail(transition: Transition, detail: str) -> str:
    return f"{transition.cause}: {detail}" if detail else transition.cause


def build_lease_lost_error(machine: StateMachine, row_id: int, state: str) -> LeaseLost:
    """The error for a row that somebody else moved or took."""
    return LeaseLost(
        f"{machine.subject} {row_id} is no longer {state} in this worker's hands: another one took it over, "
        "and nothing was written.",
        vi=f"{machine.subject} {row_id} không còn ở trạng thái {state} do tiến trình này giữ: "
        "tiến trình khác đã nhận, nên không ghi gì.",
    )


def _require_transition(machine: StateMachine, old: str | None, new: str) -> Transition:
    transition = _TRANSITIONS.get((machine.subject, old, new))
    if transition is None:
        next_states = ", ".join(machine.list_next_states(old))
        subject_vi = {"delivery": "văn bản đi", "receipt": "gói tin đến", "outgoing": "thông báo gửi đi"}[
            machine.subject
        ]
        raise StoreError(
            f"a {machine.subject} may not go from {old or 'nothing'} to {new}; allowed: {next_states or 'nothing'}.",
            vi=f"{subject_vi} không được chuyển từ {old or 'chưa có'} sang {new}; "
            + (f"chỉ được chuyển sang: {next_states}." if next_states else "không còn bước nào nữa."),
        )
    return transition
