"""A hub to test against: a real server that speaks the dialect ``vxp`` and is strict where real hubs are.

Needs the extra ``mockhub``. Written from the interface's description alone, it shares no code with the client side.
"""

from edoc_connector.mockhub.config import AgencySpec, MockHubConfig
from edoc_connector.mockhub.faults import Fault, FaultPlan
from edoc_connector.mockhub.hub import Hub
from edoc_connector.mockhub.server import create_app, serve

__all__ = ["AgencySpec", "Fault", "FaultPlan", "Hub", "MockHubConfig", "create_app", "serve"]
