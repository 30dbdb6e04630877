"""The dialects of hubs: requests and answers as plain values, flows over them, and no network."""

from .auth import (
    AUTHENTICATORS,
    AccessToken,
    Authenticator,
    ClientCredentials,
    LgspAccessToken,
    TokenLogin,
    as_login_error,
)
from .dialect import (
    SECRET,
    AskingDialect,
    DatedDialect,
    Dialect,
    ReportingDialect,
    collect_secrets,
    is_secret,
    list_setting_fields,
    with_clock,
)
from .edocservice import Edocservice
from .endpoint import is_header_value, require_settings
from .fields import as_printable, replace_unstorable
from .lgsp import Lgsp
from .profile import HubCapabilities, PacketProfile, get_capabilities
from .refusals import parse_http_date
from .registry import BUILT_IN, ENTRY_POINTS, REGISTRY
from .results import (
    Agency,
    AgencyChange,
    Fetched,
    MessageType,
    Outcome,
    SendResult,
    SentState,
    Waiting,
)
from .strict_json import NotJsonError, parse_strict_json
from .vxp import Vxp
from .wire import FileBody, FinishedFlow, Flow, Progress, WireRequest, WireResponse, advance_flow, arun, run

__all__ = [
    "AUTHENTICATORS",
    "BUILT_IN",
    "ENTRY_POINTS",
    "REGISTRY",
    "SECRET",
    "AccessToken",
    "Agency",
    "AgencyChange",
    "AskingDialect",
    "Authenticator",
    "ClientCredentials",
    "DatedDialect",
    "Dialect",
    "Edocservice",
    "Fetched",
    "FileBody",
    "FinishedFlow",
    "Flow",
    "HubCapabilities",
    "Lgsp",
    "LgspAccessToken",
    "MessageType",
    "NotJsonError",
    "Outcome",
    "PacketProfile",
    "Progress",
    "ReportingDialect",
    "SendResult",
    "SentState",
    "TokenLogin",
    "Vxp",
    "Waiting",
    "WireRequest",
    "WireResponse",
    "advance_flow",
    "arun",
    "as_login_error",
    "as_printable",
    "collect_secrets",
    "get_capabilities",
    "is_header_value",
    "is_secret",
    "list_setting_fields",
    "parse_http_date",
    "parse_strict_json",
    "replace_unstorable",
    "require_settings",
    "run",
    "with_clock",
]
