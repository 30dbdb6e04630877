"""Settings: the file ``edoc.toml``, the environment, and secrets by reference."""

from .messages import POLICY_ANY, REFERENCE_HINT
from .profiles import PRODUCTION, Requirement, is_production
from .secret_refs import SecretRef
from .sections import EvidenceSettings, LimitSettings, LogSettings, ReceiveSettings, WorkerSettings
from .settings import Settings

__all__ = [
    "POLICY_ANY",
    "PRODUCTION",
    "REFERENCE_HINT",
    "EvidenceSettings",
    "LimitSettings",
    "LogSettings",
    "ReceiveSettings",
    "Requirement",
    "SecretRef",
    "Settings",
    "WorkerSettings",
    "is_production",
]
