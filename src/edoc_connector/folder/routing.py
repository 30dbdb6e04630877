"""Whose a received document is, by the table of rules in the settings."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from ..config import FolderRule, FolderSettings
from ..connector import Receipt
from ..edxml import Document


def choose_department(settings: FolderSettings, receipt: Receipt, document: Document) -> str:
    """Choose the department of a received document: the first rule that fits, else the default; empty for none."""
    for rule in settings.rules:
        if _fits(rule, receipt, document):
            return rule.department
    return settings.default or ""


def _fits(rule: FolderRule, receipt: Receipt, document: Document) -> bool:
    return (
        _matches(rule.senders, receipt.sender)
        and _matches(rule.kinds, document.type_name)
        and _matches(rule.subjects, document.subject)
        and _matches(rule.codes, document.code)
    )


def _matches(patterns: Iterable[str], value: str) -> bool:
    wanted = [pattern.casefold() for pattern in patterns]
    return not wanted or any(fnmatchcase(value.casefold(), pattern) for pattern in wanted)
