"""Tasks of a procrastinate queue, in the store's own transactions."""

from .queue import (
    APPLICATION_TASKS,
    FETCH,
    HANDLE,
    HUB_TASKS,
    REPORT,
    TELL,
    TRANSMIT,
    Task,
    TaskQueue,
    format_queue_name,
)
from .tables import require_task_tables, upgrade_task_tables

__all__ = [
    "APPLICATION_TASKS",
    "FETCH",
    "HANDLE",
    "HUB_TASKS",
    "REPORT",
    "TELL",
    "TRANSMIT",
    "Task",
    "TaskQueue",
    "format_queue_name",
    "require_task_tables",
    "upgrade_task_tables",
]
