"""The VXP interface, spoken by the national hub and hubs built on the same product."""

from .dialect import Vxp

__all__ = ["Vxp"]
