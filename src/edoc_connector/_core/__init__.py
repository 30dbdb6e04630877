"""Foundations of every layer: the clock, files that appear whole, and texts in two languages."""

from .clock import SteadyClock, utc_now
from .files import (
    cannot_write,
    create_private,
    download_part,
    is_open_to_others,
    make_private_folder,
    open_atomic,
    place_download,
    protect_database,
    save_atomic,
    save_folder,
    sync_early,
    sync_folder,
    tighten,
    tighten_folder,
    write_private,
)
from .logs import log_exception
from .stored_file import AnyFile, StoredFile, get_path, measure_open_file, open_file
from .text import Text, describe_error

__all__ = [
    "AnyFile",
    "SteadyClock",
    "StoredFile",
    "Text",
    "cannot_write",
    "create_private",
    "describe_error",
    "download_part",
    "get_path",
    "is_open_to_others",
    "log_exception",
    "make_private_folder",
    "measure_open_file",
    "open_atomic",
    "open_file",
    "place_download",
    "protect_database",
    "save_atomic",
    "save_folder",
    "sync_early",
    "sync_folder",
    "tighten",
    "tighten_folder",
    "utc_now",
    "write_private",
]
