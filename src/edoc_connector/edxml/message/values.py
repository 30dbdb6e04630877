"""Kinds of values: how texts, numbers, dates, times and codes are written and read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any

from . import document_id, organ_id
from .codes import StatusCode
from .dates import VIETNAM, is_plausible_year, parse_date, parse_time


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value.

    Args:
        name: name in the documentation.
        write: makes the text of a value.
        read: makes the value of a trimmed, non-empty text; None where the text is no such value.
        form_finding: code of the finding for a text that is understood but is not of the form that `write` gives.
        keeps_text: whether a text that is no such value is kept as it is.
        odd_finding: code of the finding for a text that is no such value.
        find_doubt: finds the code of the finding for a doubtful text that is a value, empty if none; None where no
            text is doubtful.
        allowed: all texts, where they are few; for the schema.
        pattern: form of the text, as a regular expression of XML Schema; for the schema.
    """

    name: str
    write: Callable[[Any], str]
    read: Callable[[str], Any]
    form_finding: str = "EDX-FORM"
    keeps_text: bool = False
    odd_finding: str = "EDX-VALUE"
    find_doubt: Callable[[str], str] | None = None
    allowed: tuple[str, ...] = ()
    pattern: str = ""


def write_date(value: date) -> str:
    """Write a date as ``yyyy/MM/dd``."""
    return f"{value.year:04}/{value.month:02}/{value.day:02}"


def write_time(value: datetime) -> str:
    """Write an aware time as ``yyyy/MM/dd HH:mm:ss``, Vietnam time."""
    local = value.astimezone(VIETNAM)
    return f"{write_date(local)} {local:%H:%M:%S}"


def build_code_kind(codes: type[IntEnum]) -> Kind:
    """Build the kind of a numbered code."""
    by_number: dict[int | None, IntEnum] = {int(code): code for code in codes}
    first, last = min(codes), max(codes)
    texts = tuple(_write_int(code) for code in codes)
    return Kind(f"int, {first:d} to {last:d}", _write_int, lambda text: by_number.get(_read_int(text)), allowed=texts)


def _write_int(value: int) -> str:
    return str(int(value))


def _read_int(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _read_truth(text: str) -> bool | None:
    return {"0": False, "1": True, "false": False, "true": True}.get(text.lower())


def _read_status(text: str) -> StatusCode | None:
    code = text.zfill(2)
    return StatusCode(code) if code in set(StatusCode) else None


def _find_date_doubt(text: str) -> str:
    if text[:2] in _PLAIN_CENTURIES and text[4:5] == "/":
        return ""
    day = parse_date(text)
    return "EDX-YEAR" if day is not None and not is_plausible_year(day) else ""


def _write_steering(value: bool | str) -> str:
    return value if isinstance(value, str) else str(int(value))


_PLAIN_CENTURIES = ("19", "20")
_DAY_PATTERN = "[0-9]{4}/(0[1-9]|1[0-2])/(0[1-9]|[12][0-9]|3[01])"
_TIME_PATTERN = _DAY_PATTERN + " ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"

# Hubs trim texts, so the spaces around one carry no meaning.
TEXT = Kind("text", str.strip, str)
ORGAN_ID = Kind("OrganId", str.strip, str, find_doubt=organ_id.find_doubt)
DOCUMENT_ID = Kind("DocumentId", str.strip, str, find_doubt=document_id.find_doubt)
INT = Kind("int", _write_int, _read_int, pattern="[0-9]{1,9}")
DATE = Kind(
    "yyyy/MM/dd",
    write_date,
    parse_date,
    form_finding="EDX-DATE-FORM",
    find_doubt=_find_date_doubt,
    pattern=_DAY_PATTERN,
)
TIME = Kind(
    "yyyy/MM/dd HH:mm:ss",
    write_time,
    parse_time,
    form_finding="EDX-TIME-FORM",
    find_doubt=_find_date_doubt,
    pattern=_TIME_PATTERN,
)
BIT = Kind("0 or 1", lambda value: "1" if value else "0", _read_truth, allowed=("0", "1"))
STEERING = Kind("0 or 1", _write_steering, _read_truth, keeps_text=True, odd_finding="EDX-KEPT", allowed=("0", "1"))
TRUTH = Kind("true or false", lambda value: "true" if value else "false", _read_truth, allowed=("false", "true"))
STATUS = Kind("two digits", str, _read_status, keeps_text=True, allowed=tuple(StatusCode))
