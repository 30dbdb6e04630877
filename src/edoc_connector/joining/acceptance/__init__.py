"""The acceptance run: the scenarios that show that an agency, its partner and the hub work together."""

from .outcomes import LineOutcome
from .reports import format_junit, summarise
from .run import AcceptanceRun, LineResult
from .scenarios import SCENARIOS, Scenario

__all__ = ["SCENARIOS", "AcceptanceRun", "LineOutcome", "LineResult", "Scenario", "format_junit", "summarise"]
