"""Ids of documents (DocumentId): a UUID, or ``OrganId,YYYY/MM/DD,number/notation``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from uuid import UUID

_STANDARD_FORM = re.compile(r"([^,]*),([^,]*),([^/]*)/(.*)", re.DOTALL)
_DATE = re.compile(r"([0-9]{4})/([0-9]{1,2})/([0-9]{1,2})")


def compose_document_id(organ_id: str, issued_on: date | None, number: str, notation: str) -> str:
    """Compose a DocumentId of the standard's own form."""
    day = f"{issued_on.year:04}/{issued_on.month:02}/{issued_on.day:02}" if issued_on else ""
    return f"{organ_id},{day},{number}/{notation}"


@dataclass(frozen=True, slots=True)
class DocumentIdParts:
    """The parts of a DocumentId.

    Args:
        is_known_form: whether it is a UUID or the standard's own form.
        is_possible: whether the date inside, if there is one, exists.
        number: the document's number, empty for other forms.
        notation: its notation, empty for other forms.
        issued_on: the date inside, None for other forms and where it does not exist.
    """

    is_known_form: bool
    is_possible: bool = True
    number: str = ""
    notation: str = ""
    issued_on: date | None = None

    @classmethod
    def from_text(cls, text: str) -> DocumentIdParts:
        """Split a DocumentId into its parts."""
        found = _STANDARD_FORM.fullmatch(text)
        if found is None:
            return cls(_is_uuid(text))
        day = _DATE.fullmatch(found.group(2))
        issued_on = _parse_day(day) if day else None
        return cls(day is not None, day is None or issued_on is not None, found.group(3), found.group(4), issued_on)


def find_doubt(text: str) -> str:
    """Find the code of the finding for a doubtful DocumentId; empty if there is none."""
    parts = DocumentIdParts.from_text(text)
    if not parts.is_possible:
        return "EDX-ID-DATE"
    return "" if parts.is_known_form else "EDX-ID-FORM"


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _parse_day(day: re.Match[str]) -> date | None:
    try:
        return date(*(int(part) for part in day.groups()))
    except ValueError:
        return None
