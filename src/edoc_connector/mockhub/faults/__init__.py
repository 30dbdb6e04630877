"""Faults on demand, so that a client's answer to each can be tested; and a record of every call."""

from edoc_connector.mockhub.faults.asgi import (
    CLOCK_EXTENSION,
    CONNECTION_EXTENSION,
    FAULT_EXTENSION,
    App,
    Message,
    Receive,
    Scope,
    Send,
)
from edoc_connector.mockhub.faults.gate import FaultGate
from edoc_connector.mockhub.faults.plan import ACTS_BY_KIND, Fault, FaultPlan
from edoc_connector.mockhub.faults.plan_file import PlannedFaults, load_faults
from edoc_connector.mockhub.faults.requests import RequestLog, SeenRequest

__all__ = [
    "ACTS_BY_KIND",
    "CLOCK_EXTENSION",
    "CONNECTION_EXTENSION",
    "FAULT_EXTENSION",
    "App",
    "Fault",
    "FaultGate",
    "FaultPlan",
    "Message",
    "PlannedFaults",
    "Receive",
    "RequestLog",
    "Scope",
    "SeenRequest",
    "Send",
    "load_faults",
]
