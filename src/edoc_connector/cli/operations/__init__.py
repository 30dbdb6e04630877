"""Commands of an operator: evidence, repairs, the database, the worker, and a hub to try things out."""

from .backup import backup, restore, restored
from .database import database_commands
from .demo import demo
from .doctor import doctor, print_check_results
from .evidence import evidence_commands
from .import_documents import import_documents
from .maintenance import fsck, prune, reconcile, resend, settle
from .mockhub import mockhub
from .retention import archive, hold, holds, release_hold
from .spool import spool_commands
from .watch_folder import watch_folder
from .worker import begin_log, worker

__all__ = [
    "archive",
    "backup",
    "begin_log",
    "database_commands",
    "demo",
    "doctor",
    "evidence_commands",
    "fsck",
    "hold",
    "holds",
    "import_documents",
    "mockhub",
    "print_check_results",
    "prune",
    "reconcile",
    "release_hold",
    "resend",
    "restore",
    "restored",
    "settle",
    "spool_commands",
    "watch_folder",
    "worker",
]
