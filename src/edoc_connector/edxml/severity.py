"""The scale of severity for findings, problems and remarks."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """The weight of a finding, problem or remark."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
