"""A hub to test against: a real server of the dialects ``vxp``, ``lgsp`` and ``edocservice``, strict where hubs are.

Needs the extra ``mockhub``. Written from the interface's description alone, it shares no code with the client side.
"""

from edoc_connector.mockhub.config import AgencySpec, MockHubConfig
from edoc_connector.mockhub.faults import Fault, FaultPlan, RequestLog, SeenRequest, load_faults
from edoc_connector.mockhub.hub import Hub
from edoc_connector.mockhub.incoming import Incoming
from edoc_connector.mockhub.inspection import Inspection, Inspector, Observation, Tone
from edoc_connector.mockhub.packets import rebuild_packet
from edoc_connector.mockhub.playing import Answer, NotDoneError, answer_packet, recall_document
from edoc_connector.mockhub.server import build_server, create_app, open_listener, serve
from edoc_connector.mockhub.storage import Event, Packet, Receipt
from edoc_connector.mockhub.tls import TlsFiles, make_tls_files
from edoc_connector.mockhub.traps import EdocserviceTraps, LgspTraps

__all__ = [
    "AgencySpec",
    "Answer",
    "EdocserviceTraps",
    "Event",
    "Fault",
    "FaultPlan",
    "Hub",
    "Incoming",
    "Inspection",
    "Inspector",
    "LgspTraps",
    "MockHubConfig",
    "NotDoneError",
    "Observation",
    "Packet",
    "Receipt",
    "RequestLog",
    "SeenRequest",
    "TlsFiles",
    "Tone",
    "answer_packet",
    "build_server",
    "create_app",
    "load_faults",
    "make_tls_files",
    "open_listener",
    "rebuild_packet",
    "recall_document",
    "serve",
]
