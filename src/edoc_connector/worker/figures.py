"""What a worker counts."""

from __future__ import annotations

import threading
from collections import Counter


class Figures:
    """Pieces of work done, by agency and kind. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: Counter[tuple[str, str]] = Counter()
        self._troubles: Counter[str] = Counter()

    def did(self, agency: str, work: str) -> None:
        """Count a piece of work."""
        with self._lock:
            self._done[agency, work] += 1

    def trouble(self, agency: str) -> None:
        """Count a failure of the store, or one of ours."""
        with self._lock:
            self._troubles[agency] += 1

    def done(self) -> dict[tuple[str, str], int]:
        """How much was done, by agency and kind."""
        with self._lock:
            return dict(self._done)

    def troubles(self) -> dict[str, int]:
        """How often the store failed, or we did, by agency."""
        with self._lock:
            return dict(self._troubles)
