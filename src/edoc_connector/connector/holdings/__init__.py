"""What a connector holds while it is open: its leases, and the right of its store to work for the agency."""

from .abandonment import end_watch, release_leases, watch_abandonment
from .folder_locks import LockFolders
from .store_guard import OtherStore, StoreGuard

__all__ = ["LockFolders", "OtherStore", "StoreGuard", "end_watch", "release_leases", "watch_abandonment"]
