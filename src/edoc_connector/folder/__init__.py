"""The watched folder: sending and receiving for software that can only read and write files."""

from .columns import ACTION_NAMES, COLUMNS
from .service import FolderService
from .watcher import FolderWatcher

__all__ = ["ACTION_NAMES", "COLUMNS", "FolderService", "FolderWatcher"]
