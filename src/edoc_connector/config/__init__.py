"""Settings: the file ``edoc.toml``, the environment, and secrets by reference."""

from .settings import Settings

__all__ = ["Settings"]
