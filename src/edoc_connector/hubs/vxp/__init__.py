"""The VXP interface of the national hub and of hubs built on the same product."""

from .dialect import Vxp

__all__ = ["Vxp"]
