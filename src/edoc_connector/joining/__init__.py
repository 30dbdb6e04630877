"""Joining a hub: the set-up of an agency, the acceptance run and its minutes."""

from .acceptance import SCENARIOS, AcceptanceRun, LineOutcome, LineResult, Scenario, format_junit, summarise
from .key_duties import KeyDuty, read_key_duties
from .minutes import Minutes, write_minutes
from .minutes_docx import format_docx
from .minutes_pdf import format_pdf
from .setup import SetUp, list_hub_settings, parse_secret, write_set_up

__all__ = [
    "SCENARIOS",
    "AcceptanceRun",
    "KeyDuty",
    "LineOutcome",
    "LineResult",
    "Minutes",
    "Scenario",
    "SetUp",
    "format_docx",
    "format_junit",
    "format_pdf",
    "list_hub_settings",
    "parse_secret",
    "read_key_duties",
    "summarise",
    "write_minutes",
    "write_set_up",
]
