"""What a worker counts."""

from __future__ import annotations

import threading
from collections import Counter


class WorkerMetrics:
    """Pieces of work done, by agency and kind. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._job_counts: Counter[tuple[str, str]] = Counter()
        self._failure_counts: Counter[str] = Counter()

    def count_job(self, agency: str, job: str) -> None:
        """Count a piece of work."""
        with self._lock:
            self._job_counts[agency, job] += 1

    def count_failure(self, agency: str) -> None:
        """Count a failure of the store, or one of ours."""
        with self._lock:
            self._failure_counts[agency] += 1

    def read_job_counts(self) -> dict[tuple[str, str], int]:
        """How much was done, by agency and kind."""
        with self._lock:
            return dict(self._job_counts)

    def read_failure_counts(self) -> dict[str, int]:
        """How often the store failed, or we did, by agency."""
        with self._lock:
            return dict(self._failure_counts)
