"""What the log may say of an exception that is not ours: its text may hold what a document says."""

from __future__ import annotations

import logging

from ..errors import has_details


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
