"""Conversions of single values in a hub's answer: texts bounded and clean, times aware UTC."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ..errors import ProtocolError

VIETNAM = timezone(timedelta(hours=7))

MAX_ID = 256
MAX_TEXT = 4096

_EPOCH_MS = re.compile(r"[0-9]{12,13}")
_EPOCH_S = re.compile(r"[0-9]{9,10}")
_FRACTION = re.compile(r"(\d{2}:\d{2}:\d{2})[.,]\d+")
_TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%Y/%m/%d",
    "%d/%m/%Y",
)
_BOOLS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def as_text(value: Any) -> str:
    """Convert a value to text of at most `MAX_TEXT` characters.

    Null becomes empty, numbers and booleans what JSON writes; NUL and lone surrogates, which no database takes, become
    U+FFFD.

    Raises:
        ProtocolError: the value is a list or an object.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ProtocolError(
            "The hub's answer has a list or an object where a text belongs; show this to the hub's operator.",
            vi="Câu trả lời của trục có danh sách hoặc đối tượng ở chỗ phải là chuỗi; hãy báo đơn vị vận hành trục.",
        )
    text = str(value)[:MAX_TEXT]
    return text if text.isascii() and "\0" not in text else replace_unstorable(text)


def replace_unstorable(value: str) -> str:
    """Replace NUL and lone surrogates, which no database takes, by U+FFFD."""
    return value.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def as_json_or_text(value: Any) -> str:
    """Convert a value as `as_text` does, and a list or an object to its JSON.

    For rows where one odd value must not cost the others.
    """
    is_structured = isinstance(value, list | dict)
    return as_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) if is_structured else value)


def as_printable(value: str, limit: int = 300) -> str:
    """Make words of a hub or proxy fit for one line of an error or a log.

    Args:
        value: the words.
        limit: most characters; longer words end in ``…``.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def parse_identifier(value: Any) -> str | None:
    """Parse a hub's id: 1 to `MAX_ID` printable characters without spaces at the ends; None for any other value."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_ID:
        return None
    return value if value.isprintable() and value == value.strip() else None


def parse_time(value: Any) -> datetime | None:
    """Parse a hub's time to aware UTC; None for an unknown form.

    Known forms are ISO 8601, the Vietnamese and the SQL notation, and seconds or milliseconds since 1970. A time
    without an offset is Vietnam time.
    """
    words = as_json_or_text(value).strip()
    try:
        if _EPOCH_MS.fullmatch(words):
            return datetime.fromtimestamp(int(words) / 1000, UTC)
        if _EPOCH_S.fullmatch(words):
            return datetime.fromtimestamp(int(words), UTC)
        found = _parse_iso(words) or _parse_known_format(_FRACTION.sub(r"\1", words))
        if found is None:
            return None
        return (found if found.tzinfo else found.replace(tzinfo=VIETNAM)).astimezone(UTC)
    except (OverflowError, OSError):  # year 1 before its offset, year 9999 after it
        return None


def _parse_iso(words: str) -> datetime | None:
    if not re.match(r"\d{4}-\d{2}-\d{2}", words):  # fromisoformat also reads 20261120 and week dates
        return None
    try:
        return datetime.fromisoformat(words)
    except ValueError:
        return None


def _parse_known_format(words: str) -> datetime | None:
    for form in _TIME_FORMATS:
        try:
            return datetime.strptime(words, form).replace(tzinfo=VIETNAM)
        except ValueError:
            continue
    return None


def parse_flag(value: Any) -> bool | None:
    """Parse a yes or no, written as a boolean, a number or a word; None for any other value."""
    return _BOOLS.get(as_text(value).strip().lower())
