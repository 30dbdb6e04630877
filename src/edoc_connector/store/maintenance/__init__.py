"""Maintenance of the store as a whole, outside the daily path: its identity, backup and restore, and damage."""

from .announcement import Announcement
from .backup import BackedUp, write_backup
from .identity import Identity, IdentityWatch
from .integrity import find_damage
from .restore import Restored, begin_restore, restore_backup

__all__ = [
    "Announcement",
    "BackedUp",
    "Identity",
    "IdentityWatch",
    "Restored",
    "begin_restore",
    "find_damage",
    "restore_backup",
    "write_backup",
]
