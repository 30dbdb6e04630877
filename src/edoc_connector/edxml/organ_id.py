"""Codes of organisations: the two systems in use, and whatever else a hub hands out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class CodeSystem(StrEnum):
    """Which rule a code follows."""

    QCVN_102 = "QCVN 102:2016"
    """Four dot-separated groups of 3.2.2.3 characters, lowest level first: ``000.00.00.H29``."""
    QD_20 = "20/2020/QĐ-TTg"
    """Highest level first: ``H29``, ``H29.05``, ``H29.05.01``…"""
    OTHER = "other"
    """Anything else; test hubs hand out such codes."""


_SHAPES = (
    (CodeSystem.QCVN_102, re.compile(r"[0-9A-Z]{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[0-9A-Z]{3}")),
    (CodeSystem.QD_20, re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,4})*")),
)


@dataclass(frozen=True, slots=True)
class OrganId:
    """The code of an organisation.

    Only a hub's directory maps a code of one system to the other; nothing here computes it.

    Args:
        value: the code, trimmed and in upper case where its system has upper case only.
        system: the rule it follows.
    """

    value: str
    system: CodeSystem

    @classmethod
    def parse(cls, text: str) -> OrganId:
        """Read a code; an unknown shape is `CodeSystem.OTHER` and is kept as written."""
        trimmed = text.strip()
        upper = trimmed.upper()
        for system, shape in _SHAPES:
            if shape.fullmatch(upper):
                return cls(upper, system)
        return cls(trimmed, CodeSystem.OTHER)

    @property
    def groups(self) -> tuple[str, ...]:
        """The dot-separated groups, highest level first."""
        parts = tuple(self.value.split("."))
        return parts[::-1] if self.system is CodeSystem.QCVN_102 else parts

    def __str__(self) -> str:
        return self.value


def doubt(text: str) -> str:
    """The code of the finding an OrganId deserves, empty if none: unknown shapes are told, never refused."""
    return "EDX-ORGAN-ID" if OrganId.parse(text).system is CodeSystem.OTHER else ""
