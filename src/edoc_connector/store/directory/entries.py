"""What a hub or a list of our own says of an agency, and what taking it over changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryEntry:
    """An agency as a hub or our own list has it.

    Args:
        code: its code, the form the hub uses.
        name: its name.
        other_code: its code of the other system, where the hub says; one of the same system is a code of before.
        parent: the agency above it, by its code.
        email: e-mail address.
        hub_id: the hub's own id of the entry.
        parent_id: the `hub_id` of the agency above it, where `parent` is not known.
        valid_from: the first day of the code; None where nobody says.
        valid_to: its last day; None where it has none, or nobody says.
        successor: the code that took its place; several, parted by spaces, where it was split.
        is_deleted: whether the hub says that it ended.
    """

    code: str
    name: str
    other_code: str | None = None
    parent: str | None = None
    email: str | None = None
    hub_id: str | None = None
    parent_id: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryDifference:
    """What taking over a directory changed.

    Args:
        agencies: how many agencies it has now.
        added: codes that are new.
        changed: codes of which something is other than before.
        ended: codes that ended, also counted as changed where they were there.
    """

    agencies: int = 0
    added: int = 0
    changed: int = 0
    ended: int = 0
