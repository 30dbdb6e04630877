"""What the parts of a connector share: who we are, the store, the hub, the key, and how long to wait."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol

from ..edxml import Limits, Organization
from ..errors import EdocError, HubError, NotFound, StoreError
from ..hubs import Progress
from ..sections import LimitSettings
from ..signing import Signer, TimeStamping, VerifyPolicy
from ..store import Lease, Store, Tx, evidence, jobs
from ..store.evidence import Note
from ..store.moves import renew
from ..store.states import MACHINES, Machine
from .fresh import Fresh
from .hearing import ListeningHub

log = logging.getLogger("edoc_connector.connector")

_RENEWALS = 3  # times a lease is renewed before it would run out


class _Attempted(Protocol):
    @property
    def attempts(self) -> int: ...


class LeaseKeeper:
    """Renews what this connector holds, in a thread, for as long as it holds anything.

    A worker that dies, or is stopped for longer than its lease, loses what it held to another one.

    Args:
        store: the store.
        lease: the connector's lease.
    """

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store = store
        self._lease = lease
        self._held = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def holding(self) -> AbstractContextManager[None]:
        """Renew while a block runs."""
        return self

    def __enter__(self) -> None:
        self.hold()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.release()

    def hold(self) -> None:
        """One thing more is held."""
        with self._lock:
            self._held += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edoc-leases", daemon=True)
                self._thread.start()

    def release(self) -> None:
        """One thing less is held."""
        with self._lock:
            self._held -= 1

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._lease.seconds / _RENEWALS):
            if self._held:
                self._renew()

    def _renew(self) -> None:
        try:
            with self._store.transaction(self._lease.owner) as tx:
                for machine in MACHINES:
                    renew(tx, machine, self._lease)
                jobs.renew(tx, self._lease)
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
                when = evidence.pruned_at(tx.connection, name)
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
