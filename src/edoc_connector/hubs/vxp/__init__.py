"""The VXP interface, spoken by the national hub and hubs built on the same product."""

from edoc_connector.hubs.vxp.dialect import Vxp

__all__ = ["Vxp"]
