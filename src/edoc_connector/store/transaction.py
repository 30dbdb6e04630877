"""The transaction: one time, one actor, and the repositories that read and write in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from ._sql.compiled import Row
from .audit_log import AuditEvent, AuditLog
from .deliveries import Deliveries
from .directory import Directory
from .leases import Leases
from .outgoing import Outgoing
from .packets import Packets
from .receipts import Receipts
from .schedule import Schedule
from .timeline import Timeline
from .transitions import Transitions

_LOCK_SEED = 0x65646F63  # seed of the names' hashes, so that they are not those of another program on the same database


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

    @property
    def transitions(self) -> Transitions:
        """Inserts and moves of rows."""
        return Transitions(self)

    @property
    def leases(self) -> Leases:
        """Claims on rows."""
        return Leases(self)

    @property
    def deliveries(self) -> Deliveries:
        """Packets that we send."""
        return Deliveries(self)

    @property
    def receipts(self) -> Receipts:
        """Packets that come in."""
        return Receipts(self)

    @property
    def outgoing(self) -> Outgoing:
        """Confirmations and status packets."""
        return Outgoing(self)

    @property
    def timeline(self) -> Timeline:
        """What happened to the rows."""
        return Timeline(self)

    @property
    def directory(self) -> Directory:
        """The hub's directory of agencies."""
        return Directory(self)

    @property
    def schedule(self) -> Schedule:
        """What a worker does again and again."""
        return Schedule(self)

    @property
    def audit_log(self) -> AuditLog:
        """The evidence."""
        return AuditLog(self)

    @property
    def packets(self) -> Packets:
        """The packets that rows name."""
        return Packets(self)

    def advisory_lock(self, name: str) -> None:
        """Wait until no other transaction that asked for the same name is running.

        For what is looked up first and written afterwards. On SQLite every writer is alone already.
        """
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, _LOCK_SEED))))
