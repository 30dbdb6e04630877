"""The folders of a watched folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .shared_files import list_folders, make_folder


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a watched folder.

    Args:
        root: the folder.
    """

    root: Path

    @property
    def outgoing(self) -> Path:
        """What is to be sent is put here."""
        return self.root / "out"

    @property
    def incoming(self) -> Path:
        """Received documents appear here."""
        return self.root / "in"

    @property
    def statuses(self) -> Path:
        """Statuses of what was sent appear here."""
        return self.root / "status"

    @property
    def archive(self) -> Path:
        """What was taken."""
        return self.root / "archive"

    @property
    def errors(self) -> Path:
        """What could not be taken, and why."""
        return self.root / "error"

    @property
    def own(self) -> Path:
        """What is nobody else's."""
        return self.root / ".edoc"

    @property
    def work(self) -> Path:
        """Items that were taken and are not finished."""
        return self.own / "work"

    @property
    def documents(self) -> Path:
        """Received documents that nobody sees yet."""
        return self.own / "documents"

    @property
    def news(self) -> Path:
        """Statuses that nobody sees yet."""
        return self.own / "statuses"

    @property
    def lock(self) -> Path:
        """The lock of the program that watches."""
        return self.own / "watcher.lock"

    def make(self, departments: Iterable[str]) -> None:
        """Make the folders that are missing.

        Raises:
            OSError: the root is not there, or the system refuses.
        """
        self.root.stat()  # a share that is not mounted must not be made as a folder of this machine
        for folder in (self.incoming, self.archive, self.errors, self.work, self.documents, self.news):
            make_folder(folder, like=self.root)
        for name in ("", *departments):
            for folder in (self.outgoing, self.incoming, self.statuses):
                make_folder(folder / name, like=self.root)

    def list_departments(self) -> list[str]:
        """List the departments that documents may come from; the empty name stands for none."""
        return ["", *list_folders(self.outgoing)]
