"""The dialects of hubs: requests and answers as plain values, flows over them, and no network."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .dialect import SECRET, Dialect, collect_secrets, is_secret, list_setting_fields, with_clock
from .fields import as_printable, replace_unstorable
from .refusals import parse_http_date
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
from .wire import FileBody, Flow, Progress, WireRequest, WireResponse, arun, run

REGISTRY: Mapping[str, Callable[..., Dialect]] = MappingProxyType({"vxp": Vxp})
"""Dialects by their names in the configuration."""

__all__ = [
    "REGISTRY",
    "SECRET",
    "Agency",
    "AgencyChange",
    "Dialect",
    "Fetched",
    "FileBody",
    "Flow",
    "MessageType",
    "NotJsonError",
    "Outcome",
    "Progress",
    "SendResult",
    "SentState",
    "Vxp",
    "Waiting",
    "WireRequest",
    "WireResponse",
    "arun",
    "as_printable",
    "collect_secrets",
    "is_secret",
    "list_setting_fields",
    "parse_http_date",
    "parse_strict_json",
    "replace_unstorable",
    "run",
    "with_clock",
]
