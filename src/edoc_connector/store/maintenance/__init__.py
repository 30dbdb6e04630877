"""Maintenance of the store as a whole, outside the daily path: packets to keep, and what an operator has to know."""

from .overview import Overview
from .retention import PacketRetention, PacketRow

__all__ = ["Overview", "PacketRetention", "PacketRow"]
