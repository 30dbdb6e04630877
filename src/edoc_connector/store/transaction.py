"""Transactions: one time, one actor, and the repositories that read and write in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import Connection, func, select

from ._sql import Row
from .deliveries import Deliveries
from .desk import DeskUsers
from .directory import Directory
from .folder_items import FolderItems
from .gateway import Changes, GatewayKeys, GatewayRequests, Webhooks
from .hub_roles import HubRoles
from .imports import Imports
from .log import AuditEvent, AuditLog, EvidenceArchives, EvidenceLog
from .outgoing import Outgoing
from .receipts import Receipts
from .recipients import Recipients
from .registers import Registers
from .timeline import Timeline
from .transitions import Transitions
from .work import Leases, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    R = TypeVar("R")

    class _repository(Generic[R]):  # noqa: N801  a property
        """A property that makes a repository for its transaction."""

        def __init__(self, make: Callable[[Tx], R]) -> None: ...
        def __get__(self, tx: Tx, owner: type[Tx]) -> R: ...

else:
    _repository = property  # which calls the class itself: a method between would be called with each statement

_LOCK_SEED = 0x65646F63  # seed of the names' hashes, so that they are not those of another program on the same database


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction.

    Args:
        connection: the database connection, inside the transaction.
        now: one time for everything that the transaction writes, UTC.
        actor: who does it, for the timeline.
        audit_events: what is to be written to the evidence when the transaction ends.
        timeline_rows: what is to be written to the timeline, when it ends or is looked at; see `Timeline`.
        identities: the rows that it inserted or moved, by subject and key, as they are now: what identifies them in the
            evidence. Who sets such a column in another way than by a move takes the row out of here.
        archives: folder with the files of archives of the evidence; None where the settings name none.
        finished_jobs: jobs that were done, by agency and name, and when they are due again.
    """

    connection: Connection
    now: datetime
    actor: str
    archives: Path | None = None
    audit_events: list[AuditEvent] = field(default_factory=list, repr=False)
    timeline_rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    identities: dict[tuple[str, int], Row] = field(default_factory=dict, repr=False)
    finished_jobs: list[tuple[str, str, datetime]] = field(default_factory=list, repr=False)

    transitions = _repository(Transitions)
    leases = _repository(Leases)
    deliveries = _repository(Deliveries)
    recipients = _repository(Recipients)
    receipts = _repository(Receipts)
    outgoing = _repository(Outgoing)
    timeline = _repository(Timeline)
    directory = _repository(Directory)
    schedule = _repository(Schedule)
    hub_roles = _repository(HubRoles)
    audit_log = _repository(AuditLog)
    evidence_log = _repository(EvidenceLog)
    evidence_archives = _repository(EvidenceArchives)
    changes = _repository(Changes)
    registers = _repository(Registers)
    desk_users = _repository(DeskUsers)
    gateway_keys = _repository(GatewayKeys)
    gateway_requests = _repository(GatewayRequests)
    webhooks = _repository(Webhooks)
    folder_items = _repository(FolderItems)
    imports = _repository(Imports)

    def advisory_lock(self, name: str) -> None:
        """Lock a name until the transaction ends; wait while another transaction has it.

        For what is looked up first and written afterwards. On SQLite every writer is alone already.
        """
        if self.connection.dialect.name == "postgresql":
            self.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, _LOCK_SEED))))
