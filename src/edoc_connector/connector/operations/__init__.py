"""Tasks of the person in charge: reconcile, explain, pack evidence and check it, maintain the spool."""

from .admin import Administration
from .evidence_archive import ArchivedEvidence
from .evidence_check import Checked, Problem, check_pack
from .evidence_log_check import check_evidence
from .hubs import HubState
from .legal_hold import LegalHold
from .other_store import OtherStoreSigns, find_other_store
from .reconcile import Reconciled, Unsettled
from .restored import RestoreReport
from .spool_maintenance import Pruned, Rewritten, SpoolFault, compare_spool, fsck
from .story import Event, Story

__all__ = [
    "Administration",
    "ArchivedEvidence",
    "Checked",
    "Event",
    "HubState",
    "LegalHold",
    "OtherStoreSigns",
    "Problem",
    "Pruned",
    "Reconciled",
    "RestoreReport",
    "Rewritten",
    "SpoolFault",
    "Story",
    "Unsettled",
    "check_evidence",
    "check_pack",
    "compare_spool",
    "find_other_store",
    "fsck",
]
