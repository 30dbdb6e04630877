"""The context that the parts of a connector share: the agency, the store, the hub, the key and the limits.

An agency has a context for each of its hubs, which differ in what is the hub's alone, and know each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .._core import get_logger
from ..config import LimitSettings, ReceiveSettings, RetentionSettings
from ..edxml import Document, Limits, Message, Organization
from ..errors import ConfigError, EdocError
from ..hubs import HubCapabilities, PacketProfile, Progress
from ..signing import Keyring, KeyStatus, Signer, TimeStamping, VerifyPolicy, close_signer, key_status, select_signer
from ..store import HubRole, Lease, OverdueLimits, Store, Tx
from ._checkpoints import CheckpointKeeper
from ._lease_keeper import LeaseKeeper
from ._verified_cache import VerifiedCache
from .holdings import StoreGuard
from .hub_access import HubBreaker, HubProbe, RecordingHubClient

log = get_logger("edoc_connector.connector")


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
        retention: how long documents are kept.
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
        choice: tells which of the agency's hubs sends.
        by_hub: the context of each of the agency's hubs, this one too, by name.
    """

    organization: Organization
    agency: str
    store: Store
    hub: RecordingHubClient
    guard: StoreGuard
    policy: VerifyPolicy
    receive: ReceiveSettings
    retention: RetentionSettings
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
    choice: HubChoice
    by_hub: dict[str, ConnectorContext] = field(default_factory=dict, repr=False, compare=False)

    @property
    def hub_name(self) -> str:
        """Name of the hub."""
        return self.hub.name

    @property
    def has_several_hubs(self) -> bool:
        """Whether the agency has another hub too."""
        return len(self.by_hub) > 1

    def for_hub(self, name: str) -> ConnectorContext:
        """Find the context of one of the agency's hubs.

        Raises:
            ConfigError: the settings do not name it any more.
        """
        found = self.by_hub.get(name)
        if found is None:
            known = ", ".join(self.by_hub)
            raise ConfigError(
                f"there is no hub {name} in the settings any more, and this was sent or offered there: known are "
                f"{known}. Put its section [hubs.{name}] back.",
                vi=f"Cấu hình không còn trục {name}, nơi gói tin này được gửi hoặc nhận: chỉ có {known}. Hãy ghi lại "
                f"mục [hubs.{name}].",
            )
        return found

    def near_hub(self, name: str) -> ConnectorContext:
        """Find the context of one of the agency's hubs; this one where the settings do not name it any more."""
        return self.by_hub.get(name, self)

    def find_sending(self, tx: Tx) -> ConnectorContext | None:
        """Find the context of the hub that sends; None where none does."""
        name = self.choice.find_sending(tx)
        return None if name is None else self.by_hub[name]

    def read_sending(self) -> ConnectorContext | None:
        """Read the context of the hub that sends; of a single hub the store is not asked.

        Raises:
            StoreError: the store cannot be read.
        """
        if not self.has_several_hubs:
            return self if self.choice.configured[self.hub_name] is HubRole.ACTIVE else None
        with self.store.snapshot() as tx:
            return self.find_sending(tx)

    def list_claim_options(self, tx: Tx) -> dict[str, Any]:
        """List what may be claimed for this hub, as `Deliveries.claim_next` takes it."""
        return {"hub": self.hub_name, "is_sending": self.choice.find_sending(tx) == self.hub_name}

    @property
    def capabilities(self) -> HubCapabilities:
        """What the hub can do."""
        return self.hub.capabilities

    @property
    def packet_profile(self) -> PacketProfile:
        """What the hub demands of packets beyond the standard."""
        return self.hub.capabilities.packet

    def choose_form(self, message: Message) -> PacketProfile:
        """Choose the form in which a packet is written: for a document one that every hub of the agency takes.

        A document may wait until another hub sends, and its bytes stay; a status is written for the hub that gets it.
        """
        own = self.packet_profile
        if not isinstance(message, Document) or not self.has_several_hubs:
            return own
        profiles = [own, *(context.packet_profile for context in self.by_hub.values())]
        return replace(
            own,
            needed_elements=tuple(dict.fromkeys(name for one in profiles for name in one.needed_elements)),
            content_from_subject=any(one.content_from_subject for one in profiles),
            needs_paper=any(one.needs_paper for one in profiles),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HubChoice:
    """Tells which hub sends: by the settings, until somebody decided in the store, for all programs.

    A hub that the settings name and that decision does not is emptied only. Of a single hub the settings decide.

    Args:
        agency: code of the agency.
        configured: the roles of the hubs, by name, as the settings have them.
    """

    agency: str
    configured: Mapping[str, HubRole]

    def read_roles(self, tx: Tx) -> Mapping[str, HubRole]:
        """Read the role of each hub of the settings."""
        stored = tx.hub_roles.load(self.agency) if len(self.configured) > 1 else {}
        if not stored:
            return self.configured
        return {name: stored[name][0] if name in stored else HubRole.DRAIN for name in self.configured}

    def read_times(self, tx: Tx) -> Mapping[str, datetime]:
        """Read since when each hub has its role, of those of which somebody decided in the store."""
        return {name: changed_at for name, (_, changed_at) in tx.hub_roles.load(self.agency).items()}

    def find_sending(self, tx: Tx) -> str | None:
        """Find the name of the hub that sends; None where none does."""
        roles = self.read_roles(tx)
        return next((name for name, role in roles.items() if role is HubRole.ACTIVE), None)


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
