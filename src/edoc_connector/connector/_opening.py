"""Opening of what a connector stands on, by its settings: the key, the store and the hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .._core import SteadyClock, get_logger
from ..config import Settings
from ..errors import EdocError
from ..evidence import CheckpointFolder
from ..hubs import Progress
from ..signing import Keyring, KeyStatus, Signer, VerifyPolicy, close_signer, key_status, select_signer
from ..store import Lease, SpoolKeys, Store
from ._checkpoints import CheckpointKeeper
from ._context import ConnectorContext
from ._lease_keeper import LeaseKeeper, name_owner
from ._recovery import compute_overdue_limits
from .holdings import StoreGuard
from .hub_access import HubBreaker, HubProbe, RecordingHubClient
from .naming import StoredDirectory

log = get_logger("edoc_connector.connector")


def open_context(
    settings: Settings,
    policy: VerifyPolicy,
    *,
    get_signer: Callable[[], Signer | None],
    on_progress: Progress | None,
) -> ConnectorContext:
    """Open the store and the hub of some settings, for all parts of a connector.

    Args:
        settings: the settings.
        policy: the policy that they name.
        get_signer: gives the key; see `ConnectorContext`.
        on_progress: told how far a packet is on the wire.

    Raises:
        ConfigError: the settings cannot be used.
        StoreError: the store cannot be opened.
    """
    clock = SteadyClock()
    hub = RecordingHubClient(
        settings.dialect(), settings.client_settings(), clock=clock, authenticator=settings.authenticator()
    )
    try:
        store, guard = _open_guarded_store(settings, clock)
    except BaseException:
        hub.close()
        raise
    hub.guard_calls(guard.require_alone)
    lease = Lease(name_owner(), settings.limits.lease)
    hub_probe = HubProbe(hub)
    return ConnectorContext(
        organization=settings.organization(),
        agency=settings.agency.id,
        store=store,
        hub=hub,
        guard=guard,
        policy=replace(policy, directory=StoredDirectory(store, settings.agency.id)),
        receive=settings.receive,
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
        lease_keeper=LeaseKeeper(store, lease),
        checkpoints=_make_keeper(settings, store, get_signer),
        on_progress=on_progress,
        hub_probe=hub_probe,
        breaker=HubBreaker(store, settings.agency.id, settings.limits, hub_probe.find_list_error),
        fetch_tries=settings.worker.tries,
    )


def _open_guarded_store(settings: Settings, clock: SteadyClock) -> tuple[Store, StoreGuard]:
    store = _open_store(settings, clock)
    try:
        endpoint = str(getattr(settings.hub, "endpoint", ""))
        return store, StoreGuard.of_store(store, agency=settings.agency.id, hub=endpoint)
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


def _open_store(settings: Settings, clock: SteadyClock) -> Store:
    return Store.open(
        settings.store_url(),
        spool=settings.spool(),
        clock=clock,
        tasks=settings.worker.engine == "procrastinate",
        owner=settings.agency.id,
        spool_keys=SpoolKeys.parse(settings.spool_key(), settings.spool_old_keys()),
        drafts=settings.drafts(),
    )


class SigningKey:
    """The key that signs; one given by the caller is the caller's to look after.

    Args:
        signer: the key; None where nothing is signed.
        is_own: whether the settings named it, so that it is closed here.
    """

    def __init__(self, signer: Signer | None, *, is_own: bool) -> None:
        self._signer = signer
        self._is_own = is_own

    def pin_signer(self) -> Signer | None:
        """Select the one signer for everything in one packet."""
        return None if self._signer is None else select_signer(self._signer)

    def read_statuses(self) -> tuple[KeyStatus, ...]:
        """Read the status of each key; none where packets go out unsigned."""
        if self._signer is None:
            return ()
        return self._signer.statuses() if isinstance(self._signer, Keyring) else (key_status(self._signer),)

    def warn_if_unusable(self) -> None:
        """Log early if the key cannot sign, which would otherwise show with the next document."""
        if not self._is_own:
            return
        try:
            self.pin_signer()
        except EdocError as error:
            # receiving does not need the key, and by the time one is sent a token may be plugged in
            log.warning("no key can sign now: %s", error)

    def close(self) -> None:
        """Close the key, unless it is the caller's."""
        if self._is_own and self._signer is not None:
            close_signer(self._signer)
