"""Check of an archive of the evidence, on any machine and without a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..signing import VerifyPolicy
from .archive import ArchiveFacts, open_archive
from .checkpoint import verify_checkpoint
from .checkpoint_folder import CheckpointFolder
from .pack_check import PackLog, check_log_head


@dataclass(frozen=True, slots=True)
class ArchiveCheck:
    """The result of checking an archive.

    Args:
        facts: what it says of itself.
        log: what it shows of the log, and what is wrong with it.
    """

    facts: ArchiveFacts
    log: PackLog


def check_archive(path: Path, *, policy: VerifyPolicy, kept: CheckpointFolder | None, now: datetime) -> ArchiveCheck:
    """Check that the entries of an archive lead to its checkpoint, who signed that, and what was kept of the log.

    Args:
        path: the file.
        policy: trusted authorities, and certificates of organisations as the checker knows them.
        kept: heads that were kept, by anybody but the maker of the archive.
        now: the present moment, aware.

    Raises:
        ArchiveRefused: it is no archive, is cut off or damaged, or its entries do not lead to its checkpoint.
        EvidenceError: the folder of kept heads cannot be read.
    """
    with open_archive(path) as archive:
        root = archive.require_proven()
        verdict = verify_checkpoint(archive.read_head(), archive.read_certificates(), policy=policy, now=now)
        head, facts = verdict.checkpoint, archive.facts
    log = PackLog(head=head, verdict=verdict, entries=facts.entries, heads={facts.end: root, head.size: head.root})
    check_log_head(log, is_signed=facts.signed, policy=policy, kept=kept, now=now)
    return ArchiveCheck(facts, log)
