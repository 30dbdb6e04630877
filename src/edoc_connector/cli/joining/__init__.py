"""Commands of joining a hub, from the first configuration to going live."""

from .acceptance import acceptance
from .init import init

__all__ = ["acceptance", "init"]
