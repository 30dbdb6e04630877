"""The registry: every check there is, in the order in which a person reads them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cache

from ..._core import get_logger
from ...errors import StoreError
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

log = get_logger("edoc_connector.checks")

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
    chosen = [check for check in CHECKS if (slow or not check.is_slow) and (remote or not check.is_remote)]
    # several checks of one look ask the same
    subject = replace(subject, read_keys=cache(subject.read_keys), read_faults=cache(subject.read_faults))
    found: dict[str, CheckResult] = {}
    with ExitStack() as stack:
        _begin_common_snapshot(stack, subject)
        found |= {check.code: check.examine(subject) for check in chosen if check.is_quick}
    found |= {check.code: check.examine(subject) for check in chosen if not check.is_quick}
    return tuple(found[check.code] for check in chosen)


def _begin_common_snapshot(stack: ExitStack, subject: Subject) -> None:
    """Begin one snapshot for quick checks; where that cannot be, each meets the reason, and tells it."""
    if subject.opened is None:
        return
    try:
        stack.enter_context(subject.opened.store.common_snapshot())
    except StoreError as error:
        log.debug("each check reads for itself: %s", error)
