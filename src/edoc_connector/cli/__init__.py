"""The command ``edoc``."""

from .app import main

__all__ = ["main"]
