"""Weights of findings, problems and remarks."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How much a finding or problem weighs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
