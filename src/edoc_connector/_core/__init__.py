"""Foundations of every layer: the clock, files that appear whole, and texts in two languages."""

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
from .text import (
    MAX_MARKS,
    Text,
    describe_error,
    has_too_many_marks,
    join_languages,
    split_languages,
    to_nfc,
)

__all__ = [
    "MAX_MARKS",
    "SteadyClock",
    "Text",
    "cannot_write",
    "create_private",
    "describe_error",
    "download_part",
    "has_too_many_marks",
    "join_languages",
    "open_atomic",
    "place_download",
    "save_atomic",
    "save_folder",
    "split_languages",
    "sync_early",
    "sync_folder",
    "to_nfc",
    "utc_now",
]
