"""People who work at the desk, and their sessions."""

from .users import DeskUserRow, DeskUsers

__all__ = ["DeskUserRow", "DeskUsers"]
