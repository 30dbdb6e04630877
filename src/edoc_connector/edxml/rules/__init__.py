"""The rules for messages that are written, and the checks that apply them."""

from .lint import Remark, remarks
from .rules import NEEDS_REASON, Problem, list_rules
from .validate import problems

__all__ = [
    "NEEDS_REASON",
    "Problem",
    "Remark",
    "list_rules",
    "problems",
    "remarks",
]
