"""Maintenance of the store as a whole, beside daily work: identity, figures, kept packets, backup, restore, damage."""

from .announcement import Announcement, Announcer
from .backup import BackedUp, write_backup
from .hub_rows import HubHoldings, HubRows
from .identity import Identity, IdentityWatch
from .integrity import find_damage
from .legal_holds import LegalHolds
from .loss import require_known, require_never_there, require_not_lost
from .overview import Overview
from .restore import Restored, begin_restore, restore_backup
from .retention import DocumentNames, PacketRetention, PacketRow

__all__ = [
    "Announcement",
    "Announcer",
    "BackedUp",
    "DocumentNames",
    "HubHoldings",
    "HubRows",
    "Identity",
    "IdentityWatch",
    "LegalHolds",
    "Overview",
    "PacketRetention",
    "PacketRow",
    "Restored",
    "begin_restore",
    "find_damage",
    "require_known",
    "require_never_there",
    "require_not_lost",
    "restore_backup",
    "write_backup",
]
