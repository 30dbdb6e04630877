"""What the parts of a connector share: who we are, the store, the hub, the key, and how long to wait."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Table

from ..config.sections import LimitSettings
from ..edxml import Limits, Organization
from ..errors import EdocError, HubError, NotFound, StoreError
from ..hubs import Progress
from ..signing import Signer, TimeStamping, VerifyPolicy
from ..store import Lease, Store, Tx, audit_log
from ..store.audit_log import Note
from ..store.state_machine import Machine
from ..store.transitions import renew
from ._recording_hub import ListeningHub
from ._verified_cache import Fresh

log = logging.getLogger("edoc_connector.connector")

_RENEWALS = 3  # times a lease is renewed before it would run out


class _Attempted(Protocol):
    @property
    def attempts(self) -> int: ...


class LeaseKeeper:
    """Renews the leases on what is being worked on, in a thread.

    A worker that dies, or is stopped for longer than its lease, loses what it held to another one. So does one that
    lives, where it could not write what became of a row: nobody works on that any more, and it is not renewed.

    Args:
        store: the store.
        lease: the connector's lease.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._held: Counter[tuple[Table, int]] = Counter()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, table: Table, keys: Iterable[int]) -> Iterator[None]:
        """Renew some rows while the block runs that works on them."""
        keys = tuple(keys)
        for key in keys:
            self.hold(table, key)
        try:
            yield
        finally:
            for key in keys:
                self.release(table, key)

    def hold(self, table: Table, key: int) -> None:
        """A row is being worked on."""
        with self._lock:
            self._held[table, key] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edoc-leases", daemon=True)
                self._thread.start()

    def release(self, table: Table, key: int) -> None:
        """It is not any more."""
        with self._lock:
            self._held[table, key] -= 1
            if self._held[table, key] <= 0:
                del self._held[table, key]

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._lease.seconds / _RENEWALS):
            with self._lock:
                held = list(self._held)
            if held:
                self._renew(held)

    def _renew(self, held: Sequence[tuple[Table, int]]) -> None:
        keys: dict[Table, list[int]] = {}
        for table, key in held:
            keys.setdefault(table, []).append(key)
        try:
            with self._store.transaction(self._lease.owner) as tx:
                for table in sorted(keys, key=lambda one: one.name):
                    renew(tx, table, self._lease, keys[table])
        except StoreError as error:
            # The next round tries again; if none succeeds the lease runs out, and the fence keeps us from writing.
            log.warning("leases were not renewed: %s", error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the parts of a connector share.

    Args:
        organization: ourselves.
        store: the store.
        hub: the hub.
        policy: which packets come in.
        limits: times.
        packets: how large a packet may be.
        seal: whether documents are sealed.
        signed_pdf_out: whether PDF files that go out must be validly signed.
        signed_pdf_in: whether PDF files that come in must be.
        timestamp: gives the time-stamps of seals; None where they carry none.
        signer: gives the key, loaded when it is first needed; None where packets go out unsigned.
        lease: the connector's right to what it holds.
        keeper: renews it.
        on_progress: told the bytes of a packet that went over the wire, and the bytes in all where known.
        fresh: packets that were verified a moment ago.
    """

    organization: Organization
    store: Store
    hub: ListeningHub
    policy: VerifyPolicy
    limits: LimitSettings
    packets: Limits
    seal: bool
    signed_pdf_out: bool
    signed_pdf_in: bool
    timestamp: TimeStamping | None
    signer: Callable[[], Signer | None]
    lease: Lease
    keeper: LeaseKeeper = field(repr=False)
    on_progress: Progress | None = field(default=None, repr=False)
    fresh: Fresh = field(default_factory=Fresh, repr=False)

    @property
    def agency(self) -> str:
        """Our code."""
        return self.organization.id

    def transaction(self, actor: str | None = None) -> AbstractContextManager[Tx]:
        """A transaction in our name, or in that of an officer."""
        return self.store.transaction(actor or self.agency)

    def packet(self, name: str, sha256: str) -> Path:
        """A packet in the spool, compared with its hash.

        Raises:
            NotFound: it is gone, or was removed when its time to be kept was over.
            StoreError: it was changed.
        """
        try:
            return self.store.spool.checked(name, sha256)
        except NotFound:
            with self.store.reading() as tx:
                when = audit_log.pruned_at(tx.connection, name)
            if when is None:
                raise
        raise NotFound(
            f"the packet was removed on {when:%Y-%m-%d}, when its time to be kept was over (edoc prune); what happened "
            "to it is in the evidence.",
            vi=f"Gói tin đã được xóa ngày {when:%d/%m/%Y} do hết thời hạn lưu (edoc prune); diễn biến vẫn còn trong "
            "bằng chứng.",
        )

    def heard(self, tx: Tx, machine: Machine, key: int) -> None:
        """Enter in the evidence what the hub said to this thread since its last message began."""
        for one in self.hub.take_heard():
            tx.notes.append(Note("answer", machine.subject, key, tx.actor, one))

    def next_attempt(self, row: _Attempted, now: datetime, error: EdocError | None = None) -> datetime:
        """When to try again: exponential back-off with jitter, or what the hub asks for, up to a cap."""
        limits = self.limits
        base: float = min(limits.backoff_cap, limits.backoff * 2.0 ** min(row.attempts, 30))
        wait = base * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, hides nothing
        if isinstance(error, HubError) and error.retry_after is not None:
            wait = max(wait, min(error.retry_after, limits.retry_after_cap))
        return now + timedelta(seconds=wait)
