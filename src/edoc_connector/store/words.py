"""What timeline entries say, in English and Vietnamese: a move's cause stands in `states`, the rest in the entry."""

from __future__ import annotations

from ..errors import EdocError
from .records import TimelineRow
from .states import MACHINES

_BETWEEN = " ‖ "
_MOST = 950  # characters of each language: an entry has room for both, and for the cause


def both(en: str, vi: str) -> str:
    """Words in both languages as one text."""
    return _BETWEEN.join(text.replace(_BETWEEN, " | ")[:_MOST] for text in (en, vi))


def spoken(error: EdocError) -> str:
    """What an error says, as one text."""
    return both(error.message, error.vi)


def parted(text: str) -> tuple[str, str]:
    """The two languages of a text; one that was not made by `both` (a person's own words) is the same in both."""
    en, between, vi = text.partition(_BETWEEN)
    return (en, vi) if between else (text, text)


def told(entry: TimelineRow) -> tuple[str, str]:
    """What an entry says, in English and Vietnamese: the move's cause first, where the entry is about a move."""
    en, vi = parted(entry.detail)
    machine = next((one for one in MACHINES if one.subject == entry.subject), None)
    move = machine.find(entry.old, entry.new) if machine else None
    if move is None or not en.startswith(move.cause):
        return en, vi
    more = vi.removeprefix(move.cause).removeprefix(": ")
    return en, f"{move.cause_vi}: {more}" if more else move.cause_vi
