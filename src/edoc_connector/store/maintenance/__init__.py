"""Maintenance of the store as a whole, outside the daily path: which packets have to be kept."""

from .retention import PacketRetention, PacketRow

__all__ = ["PacketRetention", "PacketRow"]
