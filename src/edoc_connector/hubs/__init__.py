"""The dialects of hubs: plain requests and answers, flows over them, and no network."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edoc_connector.hubs.dialect import Dialect
from edoc_connector.hubs.results import (
    Agency,
    AgencyChange,
    Fetched,
    MessageType,
    Outcome,
    SendResult,
    SentState,
    Waiting,
)
from edoc_connector.hubs.vxp import Vxp
from edoc_connector.hubs.wire import FileBody, Flow, Progress, WireRequest, WireResponse, arun, run

REGISTRY: Mapping[str, Callable[..., Dialect]] = MappingProxyType({"vxp": Vxp})
"""Dialects by their names in the configuration."""

__all__ = [
    "REGISTRY",
    "Agency",
    "AgencyChange",
    "Dialect",
    "Fetched",
    "FileBody",
    "Flow",
    "MessageType",
    "Outcome",
    "Progress",
    "SendResult",
    "SentState",
    "Vxp",
    "Waiting",
    "WireRequest",
    "WireResponse",
    "arun",
    "run",
]
