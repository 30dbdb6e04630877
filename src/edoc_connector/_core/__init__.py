"""Foundations of every layer: the clock, files that appear whole, forks, and texts in two languages."""

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
from .text import Text, describe_error

__all__ = [
    "ForkAware",
    "SteadyClock",
    "Text",
    "cannot_write",
    "create_private",
    "describe_error",
    "download_part",
    "make_lock",
    "notice_fork",
    "open_atomic",
    "place_download",
    "save_atomic",
    "save_folder",
    "sync_early",
    "sync_folder",
    "utc_now",
    "watch_forks",
]
