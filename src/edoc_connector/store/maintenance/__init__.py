"""Maintenance of the store as a whole, beside daily work: identity, figures, kept packets, backup, restore, damage."""

from .announcement import Announcement
from .backup import BackedUp, write_backup
from .identity import Identity, IdentityWatch
from .integrity import find_damage
from .overview import Overview
from .restore import Restored, begin_restore, restore_backup
from .retention import PacketRetention, PacketRow

__all__ = [
    "Announcement",
    "BackedUp",
    "Identity",
    "IdentityWatch",
    "Overview",
    "PacketRetention",
    "PacketRow",
    "Restored",
    "begin_restore",
    "find_damage",
    "restore_backup",
    "write_backup",
]
