"""Watched folders as a program: a thread for each agency's folder, and a worker beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .._core import StopFlag
from ..config import Settings
from ..connector import Connector, open_connectors
from ..errors import ConfigError
from ..worker import Worker, open_worker
from .watcher import FolderWatcher, build_no_folder_error


class FolderService:
    """Watches the folders of some agencies until it is told to stop.

    Args:
        agencies: the settings of each; those without ``[watch_folder] path`` are left out. The first one's ``worker``
            counts for all.

    Raises:
        ConfigError: no folder is configured, or two agencies have the same.
    """

    def __init__(self, agencies: Sequence[Settings]) -> None:
        self._agencies = [settings for settings in agencies if settings.watch_folder.path is not None]
        if not self._agencies:
            raise build_no_folder_error()
        _require_own_folders(self._agencies)
        self._stop = StopFlag()
        self._worker: Worker | None = None

    def stop(self) -> None:
        """End `run`; may be called from a signal handler, or any thread."""
        self._stop.set()
        if self._worker is not None:
            self._worker.stop()

    def run(self, on_ready: Callable[[Sequence[FolderWatcher]], object] = lambda _: None) -> bool:
        """Watch until `stop`.

        Args:
            on_ready: told the watchers before they begin.

        Returns:
            Whether the worker beside finished everything that it had begun.
        """
        with self._open_connectors() as (connectors, worker):
            watchers = [FolderWatcher(connector) for connector in connectors]
            on_ready(watchers)
            is_over = threading.Event()
            threads = [threading.Thread(target=one.run, args=(is_over,), name="edoc-folder") for one in watchers]
            for thread in threads:
                thread.start()
            try:
                return self._work(worker)
            finally:
                is_over.set()
                for thread in threads:
                    thread.join()

    def run_once(self) -> bool:
        """Look at each folder twice, with the time between in which files must stay as they are; send and poll.

        Returns:
            Whether every folder was ours to look at.
        """
        with self._open_connectors() as (connectors, worker):
            watchers = [FolderWatcher(connector) for connector in connectors]
            is_ours = _look_at_all(watchers)
            self._stop.wait(max(settings.watch_folder.settle for settings in self._agencies))
            is_ours = _look_at_all(watchers) and is_ours
            if worker is not None:
                worker.run_once()
                is_ours = _look_at_all(watchers) and is_ours
            for one in watchers:
                one.close()
        return is_ours

    def _work(self, worker: Worker | None) -> bool:
        """Run the worker, or wait, until `stop`."""
        if worker is None:
            while not self._stop.wait(1.0):  # a signal is handled when this thread wakes
                pass
            return True
        return worker.run()

    @contextmanager
    def _open_connectors(self) -> Iterator[tuple[Sequence[Connector], Worker | None]]:
        if self._agencies[0].watch_folder.worker:
            with open_worker(self._agencies) as worker:
                self._worker = worker
                if self._stop.is_set():
                    worker.stop()  # told before there was one
                yield worker.connectors, worker
        else:
            with open_connectors(self._agencies) as connectors:
                yield connectors, None


def _look_at_all(watchers: Sequence[FolderWatcher]) -> bool:
    """Look at every folder; whether all are ours."""
    looked = [watcher.look() for watcher in watchers]
    return all(looked)


def _require_own_folders(agencies: Sequence[Settings]) -> None:
    paths = [(settings, settings.watch_folder.path) for settings in agencies]
    folders = [settings.resolve(path) for settings, path in paths if path is not None]
    if len(set(folders)) < len(folders):
        raise ConfigError(
            "two agencies have the same folder: give each its own [agencies.NAME.watch_folder] path.",
            vi="Hai đơn vị dùng chung một thư mục: hãy ghi [agencies.TÊN.watch_folder] path riêng cho từng đơn vị.",
        )
