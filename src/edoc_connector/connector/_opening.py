"""Opening of what a connector stands on, by its settings: the key, the store, the hub, and what others share of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._core import MessagingTelemetry, SteadyClock, make_lock
from ..client import SharedTransports
from ..config import Settings
from ..evidence import CheckpointFolder
from ..hubs import Progress
from ..signing import Signer, VerifyPolicy
from ..store import HubRole, Lease, SharedDatabases, SpoolKeys, Store
from ._checkpoints import CheckpointKeeper
from ._context import ConnectorContext, HubChoice
from ._lease_keeper import LeaseKeeper, RenewalThread, name_owner
from ._recovery import compute_overdue_limits
from .holdings import LockFolders, StoreGuard
from .hub_access import HubBreaker, HubProbe, RecordingHubClient
from .naming import StoredDirectory


def open_context(
    settings: Settings,
    policy: VerifyPolicy,
    *,
    get_signer: Callable[[], Signer | None],
    on_progress: Progress | None,
    shared: SharedResources | None = None,
) -> ConnectorContext:
    """Open the store and the hubs of some settings, for all parts of a connector.

    Args:
        settings: the settings.
        policy: the policy that they name.
        get_signer: gives the key; see `ConnectorContext`.
        on_progress: told how far a packet is on the wire.
        shared: what other connectors of the process use too.

    Raises:
        ConfigError: the settings cannot be used.
        StoreError: the store cannot be opened.

    Returns:
        The context of the hub that the settings let send, which knows those of the others.
    """
    clock = SteadyClock()
    hubs = _make_clients(settings, clock, shared)
    try:
        store, guards = _open_guarded_store(settings, clock, shared)
    except BaseException:
        for hub in hubs.values():
            hub.close()
        raise
    first = next(name for name, section in settings.hub_sections.items() if section == settings.hub)
    keeper = _make_lease_keeper(settings, store, shared)
    context = _build_context(settings, policy, store, hubs[first], guards[first], get_signer, on_progress, *keeper)
    context.by_hub[first] = context
    for name, hub in hubs.items():
        hub.guard_calls(guards[name].require_alone)
        if name != first:
            context.by_hub[name] = _build_sibling(context, settings, hub, guards[name])
    return context


def _make_clients(
    settings: Settings, clock: SteadyClock, shared: SharedResources | None
) -> dict[str, RecordingHubClient]:
    """Make the client of each hub; none where one cannot be made."""
    clients: dict[str, RecordingHubClient] = {}
    try:
        for name, section in settings.hub_sections.items():
            clients[name] = RecordingHubClient(
                settings.dialect(name),
                settings.client_settings(name),
                clock=clock,
                authenticator=settings.authenticator(name),
                name=name,
                telemetry=MessagingTelemetry(
                    system=section.dialect,
                    agency=settings.agency.id,
                    hub=name,
                    endpoint=str(getattr(section, "endpoint", "")),
                ),
                transports=None if shared is None else shared.transports,
            )
    except BaseException:
        for client in clients.values():
            client.close()
        raise
    return clients


def _build_sibling(
    context: ConnectorContext, settings: Settings, hub: RecordingHubClient, guard: StoreGuard
) -> ConnectorContext:
    """Build the context of another hub of the same agency."""
    probe = HubProbe(hub)
    breaker = HubBreaker(context.store, context.agency, settings.limits, probe.find_list_error, hub=hub.name)
    return replace(context, hub=hub, guard=guard, hub_probe=probe, breaker=breaker)


def _build_context(
    settings: Settings,
    policy: VerifyPolicy,
    store: Store,
    hub: RecordingHubClient,
    guard: StoreGuard,
    get_signer: Callable[[], Signer | None],
    on_progress: Progress | None,
    lease: Lease,
    lease_keeper: LeaseKeeper,
) -> ConnectorContext:
    hub_probe = HubProbe(hub)
    return ConnectorContext(
        organization=settings.organization(),
        agency=settings.agency.id,
        store=store,
        hub=hub,
        guard=guard,
        policy=replace(policy, directory=StoredDirectory(store, settings.agency.id)),
        receive=settings.receive,
        retention=settings.retention,
        limits=settings.limits,
        packet_limits=settings.packet_limits(),
        seal=settings.signing.seal,
        seal_form=settings.signing.seal_form,
        requires_signed_pdf_out=settings.signing.require_pdf_signature,
        requires_signed_pdf_in=settings.receive.require_pdf_signature,
        timestamping=settings.timestamping(),
        get_signer=get_signer,
        overdue_limits=compute_overdue_limits(settings.limits, settings.worker),
        lease=lease,
        lease_keeper=lease_keeper,
        checkpoints=_make_keeper(settings, store, get_signer),
        on_progress=on_progress,
        hub_probe=hub_probe,
        breaker=HubBreaker(store, settings.agency.id, settings.limits, hub_probe.find_list_error, hub=hub.name),
        fetch_tries=settings.worker.tries,
        choice=HubChoice(
            agency=settings.agency.id,
            configured={name: HubRole(section.role) for name, section in settings.hub_sections.items()},
        ),
    )


def _make_lease_keeper(settings: Settings, store: Store, shared: SharedResources | None) -> tuple[Lease, LeaseKeeper]:
    lease = Lease(name_owner(), settings.limits.lease)
    thread = None if shared is None else shared.find_renewal_thread(store.url)
    return lease, LeaseKeeper(store, lease, thread=thread)


def _open_guarded_store(
    settings: Settings, clock: SteadyClock, shared: SharedResources | None
) -> tuple[Store, dict[str, StoreGuard]]:
    store = _open_store(settings, clock, shared)
    try:
        return store, {
            name: StoreGuard.of_store(
                store,
                agency=settings.agency.id,
                hub=str(getattr(section, "endpoint", "")),
                lock_folders=None if shared is None else shared.lock_folders,
            )
            for name, section in settings.hub_sections.items()
        }
    except BaseException:
        store.close()
        raise


def _make_keeper(settings: Settings, store: Store, get_signer: Callable[[], Signer | None]) -> CheckpointKeeper:
    folder = settings.checkpoints()
    return CheckpointKeeper(
        store=store,
        agency=settings.agency.id,
        get_signer=get_signer,
        timestamping=settings.timestamping(),
        folder=CheckpointFolder(folder) if folder is not None else None,
        settings=settings.evidence,
    )


def _open_store(settings: Settings, clock: SteadyClock, shared: SharedResources | None) -> Store:
    return Store.open(
        settings.store_url(),
        spool=settings.spool(),
        clock=clock,
        tasks=settings.worker.engine == "procrastinate",
        owner=settings.agency.id,
        spool_keys=SpoolKeys.parse(settings.spool_key(), settings.spool_old_keys()),
        drafts=settings.drafts(),
        archives=settings.archives(),
        databases=None if shared is None else shared.databases,
        max_connections=settings.store.connections,
    )


class SharedResources:
    """Resources of connectors that one program opens for many agencies. Close it after them.

    Each agency keeps what is its own: its settings, keys, spool, hub client, leases and evidence.

    Args:
        max_connections: most connections to one database at a time, for all its connectors together, where the settings
            (``store.connections``) do not say.

    Attributes:
        databases: databases by URL.
        transports: connections to hubs.
        lock_folders: the locks that keep other stores of the agencies away.
    """

    def __init__(self, *, max_connections: int | None = None) -> None:
        self.databases = SharedDatabases(max_connections=max_connections)
        self.transports = SharedTransports()
        self.lock_folders = LockFolders()
        self._lock = make_lock()
        self._renewal_threads: dict[str, RenewalThread] = {}

    def find_renewal_thread(self, database_url: str) -> RenewalThread:
        """Find the thread that renews leases in a database: one that is away must not keep another's from it."""
        with self._lock:
            return self._renewal_threads.setdefault(database_url, RenewalThread())

    def close(self) -> None:
        """End the threads."""
        for thread in self._renewal_threads.values():
            thread.stop()
