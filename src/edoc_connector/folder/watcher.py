"""The watcher of one agency's folder: looks again and again, and goes on whatever it meets."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .._core import get_logger, log_exception
from ..connector import Connector
from ..errors import ConfigError, EdocError
from .incoming import ReceivedDocuments
from .layout import Layout
from .lock import FolderLock
from .outgoing import OutgoingItems
from .statuses import DocumentStatuses
from .tracker import FileTracker

log = get_logger("edoc_connector.folder")


class FolderWatcher:
    """Watches the folder of one agency.

    Args:
        connector: of the agency; a worker sends and polls for it.
        clock: seconds that never go back.

    Raises:
        ConfigError: the settings name no folder.
    """

    def __init__(self, connector: Connector, *, clock: Callable[[], float] = time.monotonic) -> None:
        settings = connector.settings.watch_folder
        if settings.path is None:
            raise build_no_folder_error()
        self.agency = connector.context.agency
        self.layout = Layout(connector.settings.resolve(settings.path))
        self._settings = settings
        tracker = FileTracker(settings.settle, clock)
        self._outgoing = OutgoingItems(connector, self.layout, settings, tracker)
        self._received = ReceivedDocuments(connector, self.layout, settings)
        self._statuses = DocumentStatuses(connector, self.layout, settings)
        self._clock = clock
        self._lock: FolderLock | None = None
        self._has_begun = False

    @property
    def path(self) -> Path:
        """The folder."""
        return self.layout.root

    def look(self) -> bool:
        """Look once: take what is whole, do it, and write what came in and what became of what was sent.

        Returns:
            Whether the folder is ours; another program watches it otherwise.

        Raises:
            OSError: the share does not answer.
            StoreError: the store does not.
        """
        if not self._begin():
            return False
        self._outgoing.take()
        self._outgoing.finish()
        self._received.export()
        self._statuses.export()
        return True

    def run(self, stop: threading.Event) -> None:
        """Look again and again until it is told to stop; a share or a store that is away is looked at again.

        Args:
            stop: set, from any thread, it ends the loop.
        """
        is_held = True
        while not stop.is_set():
            try:
                was_held, is_held = is_held, self.look()
                if was_held and not is_held and self._lock is not None:
                    log.warning("the folder of %s is watched already: %s", self.agency, self._lock.describe_holder())
            except (OSError, EdocError) as error:
                log.warning("the watched folder of %s waits: %s", self.agency, error)
            except Exception as error:  # a mistake of ours in one look must not end all others
                log_exception(log, logging.ERROR, "a look at the folder of %s failed", self.agency, error=error)
            stop.wait(self._settings.interval)
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        lock, self._lock = self._lock, None
        self._has_begun = False
        if lock is None:
            return
        try:
            lock.release()
        except OSError as error:
            log.warning("the lock of the folder of %s stays: %s", self.agency, error)

    def _begin(self) -> bool:
        """Hold the lock; the first time, put in order what an earlier program left."""
        self.layout.make(self._settings.departments)
        if self._lock is None:
            self._lock = FolderLock(
                self.layout.lock, like=self.layout.root, lock_after=self._settings.lock_after, clock=self._clock
            )
        if not self._lock.hold():
            self._has_begun = False
            return False
        if not self._has_begun:
            self._outgoing.clean_up()
            self._received.clean_up()
            self._statuses.begin()
            self._has_begun = True
        return True


def build_no_folder_error() -> ConfigError:
    """Build the error for settings that name no folder."""
    return ConfigError(
        "no folder is configured: write [watch_folder] path in the configuration.",
        vi="Chưa khai báo thư mục: hãy ghi [watch_folder] path trong tệp cấu hình.",
    )
