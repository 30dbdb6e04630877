"""Checks of the libraries that read and verify XML: two that were built on different ones crash, or refuse to load."""

from __future__ import annotations

from ..._core import Text
from ...signing import LIBRARY_CURE, find_library_problem
from .check import Check, CheckSeverity, Values
from .subject import Subject


def _find_bad_pair(_: Subject) -> Values | None:
    problem = find_library_problem()
    return None if problem is None else {"problem": problem}


LIBRARY_CHECKS = (
    Check(
        code="CHK-LIBRARIES",
        severity=CheckSeverity.FAIL,
        title=Text("lxml and xmlsec fit together", "lxml và xmlsec tương thích với nhau"),
        sentence=Text("packets cannot be verified: {problem}", "không kiểm tra được gói tin: {problem}"),
        cure=LIBRARY_CURE,
        find=_find_bad_pair,
        is_slow=True,  # it reads files, and what is installed does not change while a worker runs
    ),
)
