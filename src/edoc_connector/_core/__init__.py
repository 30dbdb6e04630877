"""Foundations of every layer: clock, whole files, forks, texts, their normal form, and what may be shown."""

from .clock import SteadyClock, utc_now
from .files import (
    cannot_write,
    create_private,
    download_part,
    open_atomic,
    place_download,
    save_atomic,
    save_folder,
    sync_early,
    sync_folder,
)
from .forks import ForkAware, make_lock, notice_fork, watch_forks
from .logs import ABOUT_SETTINGS, get_logger, is_about_settings, make_record_safe
from .normal_form import MAX_MARKS, has_too_many_marks, to_nfc
from .text import Text, describe_error, escape_json, escape_line, escape_lines

__all__ = [
    "ABOUT_SETTINGS",
    "MAX_MARKS",
    "ForkAware",
    "SteadyClock",
    "Text",
    "cannot_write",
    "create_private",
    "describe_error",
    "download_part",
    "escape_json",
    "escape_line",
    "escape_lines",
    "get_logger",
    "has_too_many_marks",
    "is_about_settings",
    "make_lock",
    "make_record_safe",
    "notice_fork",
    "open_atomic",
    "place_download",
    "save_atomic",
    "save_folder",
    "sync_early",
    "sync_folder",
    "to_nfc",
    "utc_now",
    "watch_forks",
]
