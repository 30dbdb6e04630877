"""Tasks of the person in charge: reconcile, explain, pack evidence and check it, maintain the spool."""

from .admin import Administration
from .evidence_check import Checked, Problem, check_pack
from .explain import Event, Story
from .reconcile import Reconciled, Unsettled
from .spool_maintenance import Pruned, Rewritten, SpoolFault, fsck

__all__ = [
    "Administration",
    "Checked",
    "Event",
    "Problem",
    "Pruned",
    "Reconciled",
    "Rewritten",
    "SpoolFault",
    "Story",
    "Unsettled",
    "check_pack",
    "fsck",
]
