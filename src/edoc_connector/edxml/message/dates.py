"""Dates and times as packets write them: the standard's form, and those of other systems.

A readable day keeps its value whatever stands behind it; an unreadable time of day is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7))
"""The time zone of all times on the wire, which carry no offset."""

_PLAUSIBLE_YEARS = range(1900, 2101)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_REST = r"(?P<rest>(?:[T \t].*)?)"
_DAY_FORMS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(?P<year>[0-9]{4})(?P<mark>[/.-])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})" + _REST,
        r"(?P<day>[0-9]{1,2})(?P<mark>[/.-])(?P<month>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4})" + _REST,
        # compact: with a year of our time, or eight digits mean anything
        r"(?P<year>(?:19|20)[0-9]{2})(?P<month>0[1-9]|1[0-2])(?P<day>[0-9]{2})(?P<digits>[0-9]{6})?" + _REST,
        r"(?P<day>[0-9]{2})(?P<month>0[1-9]|1[0-2])(?P<year>(?:19|20)[0-9]{2})" + _REST,
        # Java's Date.toString, and C's ctime without a zone
        r"[A-Z][a-z]{2} (?P<name>[A-Z][a-z]{2}) +(?P<day>[0-9]{1,2})(?P<rest> .*) (?P<year>[0-9]{4})",
        # JavaScript's Date.toString
        r"[A-Z][a-z]{2} (?P<name>[A-Z][a-z]{2}) (?P<day>[0-9]{2}) (?P<year>[0-9]{4})(?P<rest>(?: .*)?)",
    )
)
_EPOCH = re.compile(r"/Date\((?P<written>-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/|(?P<bare>1[0-9]{12})")
"""Milliseconds since 1970, bare or as .NET writes them in JSON; the offset behind them changes no moment."""

_TIME_OF_DAY = re.compile(
    r"[T \t]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"(?: ?(?P<half>SA|CH|AM|PM))?(?: ?(?P<zone>[A-Z]{1,4})?(?P<offset>[+-][0-9]{2}:?[0-9]{2})?(?: \(.*\))?)",
    re.IGNORECASE,
)
_AFTERNOON = {"CH", "PM"}
_ZONES = {"": None, "Z": 0, "UTC": 0, "GMT": 0, "ICT": 7}
"""Hours east of Greenwich; None where the text has no zone."""


@dataclass(frozen=True, slots=True)
class _WrittenMoment:
    """A day, and the time of day behind it; the offset is unknown where the text has none."""

    day: date
    time_of_day: timedelta = timedelta()
    offset: timedelta | None = None


def parse_date(text: str) -> date | None:
    """Parse a date of any form that occurs in packets; the day in Vietnam where the text gives a time with an offset.

    Returns:
        The date; None where the text holds no day, or one that does not exist.
    """
    written = _parse_written(text)
    if written is None:
        return None
    if written.offset is None:
        return written.day
    moment = _compute_moment(written)
    return moment.astimezone(VIETNAM).date() if moment else None


def parse_time(text: str) -> datetime | None:
    """Parse a time of any form that occurs in packets, Vietnam time where it has no offset, to UTC.

    Returns:
        The moment, the first one of the day where the text has no readable time of day; None where it holds no day.
    """
    written = _parse_written(text)
    return _compute_moment(written) if written else None


def is_plausible_year(day: date) -> bool:
    """Tell whether a date is of a year in which a document of today may lie."""
    return day.year in _PLAUSIBLE_YEARS


def _parse_written(text: str) -> _WrittenMoment | None:
    written = next((one for form in _DAY_FORMS if (one := _parse_form(form, text)) is not None), None)
    if written is None and (found := _EPOCH.fullmatch(text)):
        return _parse_epoch(int(found["written"] or found["bare"]))
    return written


def _parse_epoch(milliseconds: int) -> _WrittenMoment | None:
    try:
        moment = datetime(1970, 1, 1) + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    midnight = datetime.combine(moment, datetime.min.time())
    return _WrittenMoment(moment.date(), moment.replace(microsecond=0) - midnight, timedelta())


def _parse_form(form: re.Pattern[str], text: str) -> _WrittenMoment | None:
    found = form.fullmatch(text)
    if found is None:
        return None
    parts = found.groupdict()
    try:
        month = _MONTHS.index(parts["name"]) + 1 if "name" in parts else int(parts["month"])
        day = date(int(parts["year"]), month, int(parts["day"]))
    except ValueError:  # no such day or month
        return None
    digits = parts.get("digits")
    rest = f" {digits[:2]}:{digits[2:4]}:{digits[4:]}" if digits else parts["rest"]
    return _WrittenMoment(day, *_parse_time_of_day(rest.rstrip()))


def _parse_time_of_day(text: str) -> tuple[timedelta, timedelta | None]:
    """Parse a time and its offset, which is None where there is none; an unreadable one is the day's beginning."""
    found = _TIME_OF_DAY.fullmatch(text)
    nothing = timedelta(), None
    if found is None:
        return nothing
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    half = (found["half"] or "").upper()
    if half and hour <= 12:
        hour = hour % 12 + (12 if half in _AFTERNOON else 0)
    whole = timedelta(hours=hour, minutes=minute, seconds=second)
    zone = (found["zone"] or "").upper()
    if whole > timedelta(days=1) or minute > 59 or second > 60 or zone not in _ZONES:
        return nothing
    offset = _parse_offset(found["offset"], _ZONES[zone])
    return nothing if offset == _IMPOSSIBLE else (whole, offset)


_IMPOSSIBLE = timedelta.max


def _parse_offset(text: str | None, hours: int | None) -> timedelta | None:
    if text is None:
        return None if hours is None else timedelta(hours=hours)
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    if size >= timedelta(days=1):
        return _IMPOSSIBLE
    return -size if text[0] == "-" else size


def _compute_moment(written: _WrittenMoment) -> datetime | None:
    offset = written.offset if written.offset is not None else VIETNAM.utcoffset(None)
    try:
        midnight = datetime.combine(written.day, datetime.min.time())
        moment = (midnight + written.time_of_day - offset).replace(tzinfo=UTC)
        moment.astimezone(VIETNAM)
    except OverflowError:  # a day before year 1 or after 9999
        return None
    return moment
