"""The registry: every check there is, in the order in which a person reads them."""

from __future__ import annotations

from .check import Check, CheckResult
from .connection_checks import CONNECTION_CHECKS
from .evidence_checks import EVIDENCE_CHECKS
from .exchange_checks import EXCHANGE_CHECKS
from .hub_checks import HUB_CHECKS
from .key_checks import KEY_CHECKS
from .library_checks import LIBRARY_CHECKS
from .running_checks import RUNNING_CHECKS
from .store_checks import STORE_CHECKS
from .subject import Subject

CHECKS: tuple[Check, ...] = (
    *LIBRARY_CHECKS,
    *STORE_CHECKS,
    *EVIDENCE_CHECKS,
    *KEY_CHECKS,
    *CONNECTION_CHECKS,
    *RUNNING_CHECKS,
    *HUB_CHECKS,
    *EXCHANGE_CHECKS,
)


def run_checks(subject: Subject, *, slow: bool = True, remote: bool = False) -> tuple[CheckResult, ...]:
    """Look at every condition.

    Args:
        subject: the agency.
        slow: whether also at those for which every file or row is read.
        remote: whether also at those that call the hub or another server.
    """
    chosen = (check for check in CHECKS if (slow or not check.is_slow) and (remote or not check.is_remote))
    return tuple(check.examine(subject) for check in chosen)
