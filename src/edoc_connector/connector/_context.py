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

from ..config import LimitSettings
from ..edxml import Limits, Organization
from ..errors import EdocError, HubError, NotFound, StoreError
from ..hubs import Progress
from ..signing import Signer, TimeStamping, VerifyPolicy
from ..store import Lease, StateMachine, Store, Tx
from ._recording_hub import RecordingHubClient
from ._verified_cache import VerifiedCache

log = logging.getLogger("edoc_connector.connector")

_RENEWALS_PER_LEASE = 3  # times a lease is renewed before it would run out


class _HasAttempts(Protocol):
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
        self._hold_counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def hold_all(self, table: str, keys: Iterable[int]) -> Iterator[None]:
        """Renew some rows while the block runs that works on them."""
        keys = tuple(keys)
        for key in keys:
            self.hold(table, key)
        try:
            yield
        finally:
            for key in keys:
                self.release(table, key)

    def hold(self, table: str, key: int) -> None:
        """A row is being worked on."""
        with self._lock:
            self._hold_counts[table, key] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="edoc-leases", daemon=True)
                self._thread.start()

    def release(self, table: str, key: int) -> None:
        """It is not any more."""
        with self._lock:
            self._hold_counts[table, key] -= 1
            if self._hold_counts[table, key] <= 0:
                del self._hold_counts[table, key]

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._lease.seconds / _RENEWALS_PER_LEASE):
            with self._lock:
                rows = list(self._hold_counts)
            if rows:
                self._renew(rows)

    def _renew(self, rows: Sequence[tuple[str, int]]) -> None:
        ids_by_table: dict[str, list[int]] = {}
        for table, key in rows:
            ids_by_table.setdefault(table, []).append(key)
        try:
            with self._store.transaction(self._lease.owner) as tx:
                for table in sorted(ids_by_table):
                    tx.leases.renew(table, self._lease, ids_by_table[table])
        except StoreError as error:
            # The next round tries again; if none succeeds the lease runs out, and the fence keeps us from writing.
            log.warning("leases were not renewed: %s", error)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorContext:
    """What the parts of a connector share.

    Args:
        organization: ourselves.
        store: the store.
        hub: the hub.
        policy: which packets come in.
        limits: times.
        packet_limits: how large a packet may be.
        seal: whether documents are sealed.
        requires_signed_pdf_out: whether PDF files that go out must be validly signed.
        requires_signed_pdf_in: whether PDF files that come in must be.
        timestamping: gives the time-stamps of seals; None where they carry none.
        get_signer: gives the key, loaded when it is first needed; None where packets go out unsigned.
        lease: the connector's right to what it holds.
        lease_keeper: renews it.
        on_progress: told the bytes of a packet that went over the wire, and the bytes in all where known.
        verified_cache: packets that were verified a moment ago.
    """

    organization: Organization
    store: Store
    hub: RecordingHubClient
    policy: VerifyPolicy
    limits: LimitSettings
    packet_limits: Limits
    seal: bool
    requires_signed_pdf_out: bool
    requires_signed_pdf_in: bool
    timestamping: TimeStamping | None
    get_signer: Callable[[], Signer | None]
    lease: Lease
    lease_keeper: LeaseKeeper = field(repr=False)
    on_progress: Progress | None = field(default=None, repr=False)
    verified_cache: VerifiedCache = field(default_factory=VerifiedCache, repr=False)

    @property
    def agency(self) -> str:
        """Our code."""
        return self.organization.id

    def transaction(self, actor: str | None = None) -> AbstractContextManager[Tx]:
        """A transaction in our name, or in that of an officer."""
        return self.store.transaction(actor or self.agency)

    def require_packet(self, name: str, sha256: str) -> Path:
        """A packet in the spool, compared with its hash.

        Raises:
            NotFound: it is gone, or was removed when its time to be kept was over.
            StoreError: it was changed.
        """
        try:
            return self.store.spool.verify_file(name, sha256)
        except NotFound:
            with self.store.snapshot() as tx:
                pruned_at = tx.audit_log.find_pruned_at(name)
            if pruned_at is None:
                raise
        raise NotFound(
            f"the packet was removed on {pruned_at:%Y-%m-%d}, when its time to be kept was over (edoc prune); "
            "what happened "
            "to it is in the evidence.",
            vi=f"Gói tin đã được xóa ngày {pruned_at:%d/%m/%Y} do hết thời hạn lưu (edoc prune); diễn biến vẫn "
            "còn trong "
            "bằng chứng.",
        )

    def record_exchanges(self, tx: Tx, machine: StateMachine, key: int) -> None:
        """Enter in the evidence what the hub said to this thread since its last message began."""
        for exchange in self.hub.take_exchanges():
            tx.audit_log.record("answer", machine, key, exchange)

    def compute_next_attempt(self, row: _HasAttempts, now: datetime, error: EdocError | None = None) -> datetime:
        """When to try again: exponential back-off with jitter, or what the hub asks for, up to a cap."""
        limits = self.limits
        base_seconds: float = min(limits.backoff_cap, limits.backoff * 2.0 ** min(row.attempts, 30))
        wait_seconds = base_seconds * random.uniform(0.5, 1.0)  # noqa: S311  spreads load, hides nothing
        if isinstance(error, HubError) and error.retry_after is not None:
            wait_seconds = max(wait_seconds, min(error.retry_after, limits.retry_after_cap))
        return now + timedelta(seconds=wait_seconds)
