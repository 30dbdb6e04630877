"""Values about agencies, as a caller gets them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from ..._core import Labelled, Text, label_members
from ...store import DirectoryRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRecord:
    """An agency of the directory.

    Args:
        code: its code.
        name: its name.
        other_code: its code of the other system, where the directory says.
        parent: code of the agency above it.
        email: e-mail address.
        valid_from: first day of the code; None where nobody says.
        valid_to: its last day; None where it has none, or nobody says.
        successor: code that took its place; several, parted by spaces, where it was split.
        ended: whether it is none any more today, in Vietnam.
    """

    code: str
    name: str
    other_code: str | None = None
    parent: str | None = None
    email: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: str | None = None
    ended: bool = False

    @classmethod
    def from_row(cls, row: DirectoryRow, today: date) -> AgencyRecord:
        """Make it of what the store has."""
        return cls(
            code=row.code,
            name=row.name,
            other_code=row.other_code,
            parent=row.parent,
            email=row.email,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            successor=row.successor,
            ended=row.has_ended(today),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyHistory:
    """An agency with those around it.

    Args:
        agency: the agency.
        parents: the agencies above it, the nearest first.
        heir: the living agency that has its place, over several reforms; None where it lives, or none is known.
        predecessors: the ended codes that it took the place of.
    """

    agency: AgencyRecord
    parents: tuple[AgencyRecord, ...] = ()
    heir: AgencyRecord | None = None
    predecessors: tuple[AgencyRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencySync:
    """What taking over the hub's directory changed.

    Args:
        agencies: how many agencies the hub lists now.
        added: codes that are new here.
        changed: codes of which something changed.
        ended: codes that ended.
        whole: whether the whole directory was asked for, and not its changes.
    """

    agencies: int
    added: int
    changed: int
    ended: int
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyImport:
    """What a list of our own changed.

    Args:
        lines: codes that it names.
        added: codes that are new in our list.
        changed: codes of which it said something else before.
        unknown_successors: successors that neither the list nor the directory has.
        ignored_columns: heads of columns that mean nothing here.
    """

    lines: int
    added: int
    changed: int
    unknown_successors: tuple[str, ...] = ()
    ignored_columns: tuple[str, ...] = ()


@label_members(
    {
        "known": Text("known", "có trong danh bạ"),
        "unknown": Text("not in the directory", "không có trong danh bạ"),
        "ended": Text("ended", "đã ngừng sử dụng"),
        "not judged": Text("not judged", "chưa xác định"),
    }
)
class RecipientKind(Labelled, StrEnum):
    """How the directory knows a recipient."""

    KNOWN = "known"
    """It lists the code."""
    UNKNOWN = "unknown"
    """It lists everybody, and not this code."""
    ENDED = "ended"
    """The code is none any more."""
    NOT_JUDGED = "not judged"
    """The directory was not taken over, or lists a part of the agencies only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientCheck:
    """A recipient as the directory knows it.

    Args:
        code: the code that was asked about.
        kind: how it is known.
        name: its name in the directory; empty where it is not there.
        valid_to: last day of a code that ended, where known.
        heir: the agency that has the place of one that ended, where known.
        choices: the agencies that it was split into, where it was: which of them is meant, only the sender knows.
    """

    code: str
    kind: RecipientKind
    name: str = ""
    valid_to: date | None = None
    heir: AgencyRecord | None = None
    choices: tuple[AgencyRecord, ...] = ()
