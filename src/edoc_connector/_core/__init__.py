"""Foundations of every layer: the clock, files that appear whole, texts in two languages, and Unicode's normal form."""

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
from .normal_form import MAX_MARKS, has_too_many_marks, to_nfc
from .text import Text, describe_error

__all__ = [
    "MAX_MARKS",
    "SteadyClock",
    "Text",
    "cannot_write",
    "create_private",
    "describe_error",
    "download_part",
    "has_too_many_marks",
    "open_atomic",
    "place_download",
    "save_atomic",
    "save_folder",
    "sync_early",
    "sync_folder",
    "to_nfc",
    "utc_now",
]
