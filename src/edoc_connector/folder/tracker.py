"""Files as they were seen at earlier looks: one is taken when it has stayed as it is for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .shared_files import FileSign


@dataclass(frozen=True, slots=True)
class _Seen:
    sign: FileSign
    since: float


class FileTracker:
    """Remembers how files looked, by this machine's own steady clock.

    Args:
        settle: how long a file must stay as it is, in seconds.
        clock: seconds that never go back.
    """

    def __init__(self, settle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle = settle
        self._clock = clock
        self._seen: dict[Path, _Seen] = {}

    def look(self, folder: Path, files: Mapping[str, FileSign]) -> None:
        """Note how the files of a folder look now; those that are gone are forgotten."""
        now = self._clock()
        for path in [one for one in self._seen if one.parent == folder and one.name not in files]:
            del self._seen[path]
        for name, sign in files.items():
            seen = self._seen.get(folder / name)
            if seen is None or seen.sign != sign:
                self._seen[folder / name] = _Seen(sign, now)

    def is_settled(self, path: Path) -> bool:
        """Whether a file has stayed as it is for long enough."""
        return path in self._seen and self.get_age(path) >= self._settle

    def get_age(self, path: Path) -> float:
        """Get how long a file has stayed as it is, in seconds; 0 for one that was not seen."""
        seen = self._seen.get(path)
        return 0.0 if seen is None else self._clock() - seen.since

    def follow(self, old: Path, new: Path) -> None:
        """Note that a file has another name now: one that is written still shows, under the new name."""
        seen = self._seen.pop(old, None)
        if seen is not None:
            self._seen[new] = seen
