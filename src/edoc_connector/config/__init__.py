"""Settings: the file ``edoc.toml``, the environment, and secrets by reference."""

from .messages import REFERENCE_HINT
from .secret_refs import SecretRef
from .sections import LimitSettings, ReceiveSettings, WorkerSettings
from .settings import Settings

__all__ = ["REFERENCE_HINT", "LimitSettings", "ReceiveSettings", "SecretRef", "Settings", "WorkerSettings"]
