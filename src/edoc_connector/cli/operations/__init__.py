"""Commands of an operator: evidence, repairs, the database, the worker, and a hub to try things out."""

from .backup import backup, restore, restored
from .database import database_commands
from .demo import demo
from .doctor import doctor
from .evidence import evidence
from .maintenance import fsck, prune, reconcile, resend, settle
from .mockhub import mockhub
from .spool import spool_commands
from .worker import worker

__all__ = [
    "backup",
    "database_commands",
    "demo",
    "doctor",
    "evidence",
    "fsck",
    "mockhub",
    "prune",
    "reconcile",
    "resend",
    "restore",
    "restored",
    "settle",
    "spool_commands",
    "worker",
]
