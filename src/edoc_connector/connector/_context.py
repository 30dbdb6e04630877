"""The context that the parts of a connector share: the agency, the store, the hub, the key and the limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..config import LimitSettings, ReceiveSettings
from ..edxml import Limits, Organization
from ..hubs import HubCapabilities, PacketProfile, Progress, get_capabilities
from ..signing import Signer, TimeStamping, VerifyPolicy
from ..store import Lease, OverdueLimits, Store
from ._checkpoints import CheckpointKeeper
from ._lease_keeper import LeaseKeeper
from ._verified_cache import VerifiedCache
from .holdings import StoreGuard
from .hub_access import HubBreaker, HubProbe, RecordingHubClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorContext:
    """The agency, its store, hub, key and limits, for all parts of a connector.

    Args:
        organization: ourselves.
        agency: our code.
        store: the store.
        hub: the hub.
        guard: sees whether another store is used for the agency.
        policy: which packets come in.
        receive: what else is asked of them.
        limits: times.
        packet_limits: how large a packet may be.
        seal: whether documents are sealed.
        seal_form: the form of the seal, 1 or 2.
        requires_signed_pdf_out: whether PDF files that go out must be validly signed.
        requires_signed_pdf_in: whether PDF files that come in must be.
        timestamping: gives the time-stamps of seals; None where they carry none.
        get_signer: gives the key, loaded when it is first needed; None where packets go out unsigned.
        overdue_limits: after how long a stored time must be wrong.
        lease: the connector's right to what it holds.
        lease_keeper: renews it.
        checkpoints: makes and keeps the checkpoints of the evidence.
        on_progress: told the bytes of a packet that went over the wire, and the bytes in all where known.
        verified_cache: packets that were verified a moment ago.
        hub_probe: tells trouble with one packet from trouble with the hub.
        breaker: tells whether work with the hub pauses.
        fetch_tries: how often the download of a packet may fail before it is set aside.
    """

    organization: Organization
    agency: str
    store: Store
    hub: RecordingHubClient
    guard: StoreGuard
    policy: VerifyPolicy
    receive: ReceiveSettings
    limits: LimitSettings
    packet_limits: Limits
    seal: bool
    seal_form: int
    requires_signed_pdf_out: bool
    requires_signed_pdf_in: bool
    timestamping: TimeStamping | None
    get_signer: Callable[[], Signer | None]
    overdue_limits: OverdueLimits
    lease: Lease
    lease_keeper: LeaseKeeper = field(repr=False)
    checkpoints: CheckpointKeeper = field(repr=False)
    on_progress: Progress | None = field(default=None, repr=False)
    verified_cache: VerifiedCache = field(default_factory=VerifiedCache, repr=False)
    hub_probe: HubProbe = field(repr=False)
    breaker: HubBreaker = field(repr=False)
    fetch_tries: int

    @property
    def capabilities(self) -> HubCapabilities:
        """What the hub can do."""
        return get_capabilities(self.hub.dialect)

    @property
    def packet_profile(self) -> PacketProfile:
        """What the hub demands of packets beyond the standard."""
        return self.capabilities.packet
