"""A hub to test against: a real server of the dialects ``vxp``, ``lgsp`` and ``edocservice``, strict where hubs are.

Needs the extra ``mockhub``. Written from the interface's description alone, it shares no code with the client side.
"""

from edoc_connector.mockhub.config import AgencySpec, MockHubConfig
from edoc_connector.mockhub.faults import Fault, FaultPlan
from edoc_connector.mockhub.hub import Hub
from edoc_connector.mockhub.rebuild import rebuild_packet
from edoc_connector.mockhub.server import Server, build_server, create_app, format_url, open_listener, serve
from edoc_connector.mockhub.storage import Event, Packet, Receipt
from edoc_connector.mockhub.traps import EdocserviceTraps, LgspTraps

__all__ = [
    "AgencySpec",
    "EdocserviceTraps",
    "Event",
    "Fault",
    "FaultPlan",
    "Hub",
    "LgspTraps",
    "MockHubConfig",
    "Packet",
    "Receipt",
    "Server",
    "build_server",
    "create_app",
    "format_url",
    "open_listener",
    "rebuild_packet",
    "serve",
]
