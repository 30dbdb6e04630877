"""Loggers of the library, whose records are one line each, whatever stands in what they tell of.

The text of an exception that is not ours may hold what a document says: it is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..errors import EdocError, find_stored_name, has_details
from .log_fields import read_log_fields
from .telemetry import read_trace_ids
from .text import escape_line

ABOUT_SETTINGS: Mapping[str, object] = {"edoc_about_settings": True}
"""``extra=`` of warnings about settings: commands tell them to their users in both languages, once, by themselves."""

CONTEXT_FIELDS = "edoc_context"
"""Attribute of a record with the fields of `log_fields.LOG_FIELDS`."""

MAX_LOGGED = 4_000
"""Most characters of a value in a record: a packet may hold a DocumentId of megabytes, and a log is for people."""

_PLAIN_KINDS = (int, float, type(None))
_TRACEBACK_INDENT = "    "
_formatter = logging.Formatter()


def get_logger(name: str) -> logging.Logger:
    """Get a logger of the library; every module that logs gets its own here.

    A record's message and the values in it are escaped before any handler sees them, and cut where they are long: what
    came from the network can neither begin a line of the log, nor drive the terminal that shows it, nor fill the disk.
    A traceback keeps its lines, indented, so that none of them looks like a record.

    Args:
        name: under ``edoc_connector``.
    """
    logger = logging.getLogger(name)
    logger.addFilter(make_record_safe)
    return logger


def quieten_logger(name: str) -> None:
    """Let another library log errors only, unless somebody set its level.

    What such a library warns of, a stranger's file decides, once for each of its thousand parts and unescaped; what
    comes of it is in the result.

    Args:
        name: the library's logger.
    """
    logger = logging.getLogger(name)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)


def make_record_safe(record: logging.LogRecord) -> bool:
    """Escape what a record says, in place, and note what it is about; it is a filter that lets every record through."""
    setattr(record, CONTEXT_FIELDS, _list_fields(record))
    if isinstance(record.msg, str):
        record.msg = _escape_text(record.msg)
    elif not isinstance(record.msg, _EscapedValue):
        record.msg = _EscapedValue(record.msg)
    if isinstance(record.args, Mapping):
        record.args = {key: _escape_value(value) for key, value in record.args.items()}
    elif record.args:
        record.args = tuple(map(_escape_value, record.args))
    if record.exc_info and not record.exc_text:
        lines = _formatter.formatException(record.exc_info).split("\n")
        record.exc_text = "\n".join(_TRACEBACK_INDENT + _escape_text(line) for line in lines)
    return True


def _list_fields(record: logging.LogRecord) -> dict[str, str]:
    """List the fields of a record: what its thread works on, and the class of the error that it tells of."""
    fields = {name: _escape_text(value) for name, value in read_log_fields().items()}
    values = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    error = next((value for value in values if isinstance(value, EdocError)), None)
    if error is not None:
        fields["error"] = find_stored_name(error)
    return fields | read_trace_ids()


def is_about_settings(record: logging.LogRecord) -> bool:
    """Tell whether a record is a warning about settings."""
    return all(hasattr(record, name) for name in ABOUT_SETTINGS)


def _escape_value(value: object) -> object:
    if isinstance(value, str):
        return _escape_text(value)
    return value if isinstance(value, (*_PLAIN_KINDS, _EscapedValue)) else _EscapedValue(value)


def _escape_text(text: str) -> str:
    if len(text) <= MAX_LOGGED:
        return escape_line(text)
    return f"{escape_line(text[:MAX_LOGGED])}… (+{len(text) - MAX_LOGGED})"


class _EscapedValue:
    """A value whose texts are escaped once a handler asks for them: a failure to make them is the handler's to report.

    Args:
        value: an error, a path, a time.
    """

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        # a log is in English, whatever language people here are spoken to in
        text = self._value.message if isinstance(self._value, EdocError) else str(self._value)
        return _escape_text(text)

    def __repr__(self) -> str:
        return _escape_text(repr(self._value))


class _Withheld(Exception):
    """Stands for an exception in a traceback, without its text."""


def log_exception(log: logging.Logger, level: int, message: str, *args: object, error: BaseException) -> None:
    """Log a message with the traceback of an exception, and with its text only where the settings want details.

    Args:
        log: the logger.
        level: level of the entry.
        message: words of the entry, with places for `args`.
        args: values in the message.
        error: the exception.
    """
    if has_details():
        log.log(level, message, *args, exc_info=error)
        return
    withheld = _Withheld(f"{type(error).__name__}: its text is left out ([logs] details)")
    log.log(level, message, *args, exc_info=(_Withheld, withheld, error.__traceback__))
