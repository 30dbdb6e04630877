"""The scale of severity for findings, problems and remarks."""

from __future__ import annotations

from enum import StrEnum

from .._core import Labelled, Text, label_members


@label_members(
    {
        "error": Text("error", "lỗi"),
        "warning": Text("warning", "cảnh báo"),
        "info": Text("note", "thông tin"),
    }
)
class Severity(Labelled, StrEnum):
    """The weight of a finding, problem or remark."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
