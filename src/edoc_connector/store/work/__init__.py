"""Work that is due: when, for which agency, who is at it, and which stored times are not believed."""

from .due_agencies import list_due_agencies
from .future_times import OverdueLimits, has_waited, is_job_overdue
from .leases import Lease, Leases, PendingWork, build_hub_condition
from .schedule import HUB_BREAKER, JOBS_TABLE, POLL_JOB, Schedule

__all__ = [
    "HUB_BREAKER",
    "JOBS_TABLE",
    "POLL_JOB",
    "Lease",
    "Leases",
    "OverdueLimits",
    "PendingWork",
    "Schedule",
    "build_hub_condition",
    "has_waited",
    "is_job_overdue",
    "list_due_agencies",
]
