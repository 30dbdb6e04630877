"""The dialects of hubs: requests and answers as plain values, flows over them, and no network."""

from .._core import AnyFile, Text, create_private, download_part, place_download
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
    ChangingDialect,
    DatedDialect,
    Dialect,
    ReportingDialect,
    collect_secrets,
    is_secret,
    list_setting_fields,
    with_clock,
)
from .edocservice import Edocservice
from .endpoint import UNUSABLE_ENDPOINT, is_header_value, is_usable_endpoint, require_settings
from .fields import as_printable, parse_identifier, parse_time, replace_unstorable
from .lgsp import Lgsp
from .messages import build_protocol_error
from .packet_hash import require_sendable
from .profile import HubCapabilities, PacketProfile, get_capabilities, name_directory
from .refusals import (
    RefusalMeaning,
    build_denial,
    build_lost_answer_error,
    build_refusal,
    build_status_error,
    parse_http_date,
)
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
    "UNUSABLE_ENDPOINT",
    "AccessToken",
    "Agency",
    "AgencyChange",
    "AnyFile",
    "AskingDialect",
    "Authenticator",
    "ChangingDialect",
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
    "RefusalMeaning",
    "ReportingDialect",
    "SendResult",
    "SentState",
    "Text",
    "TokenLogin",
    "Vxp",
    "Waiting",
    "WireRequest",
    "WireResponse",
    "advance_flow",
    "arun",
    "as_login_error",
    "as_printable",
    "build_denial",
    "build_lost_answer_error",
    "build_protocol_error",
    "build_refusal",
    "build_status_error",
    "collect_secrets",
    "create_private",
    "download_part",
    "get_capabilities",
    "is_header_value",
    "is_secret",
    "is_usable_endpoint",
    "list_setting_fields",
    "name_directory",
    "parse_http_date",
    "parse_identifier",
    "parse_strict_json",
    "parse_time",
    "place_download",
    "replace_unstorable",
    "require_sendable",
    "require_settings",
    "run",
    "with_clock",
]
