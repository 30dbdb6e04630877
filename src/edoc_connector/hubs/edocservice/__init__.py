"""Provincial eDoc hubs, whose calls are those of ``EdocService``."""

from .dialect import Edocservice

__all__ = ["Edocservice"]
