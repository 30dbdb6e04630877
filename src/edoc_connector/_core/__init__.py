"""Foundations of every layer: the clock, whole files, files of certificates, and texts in two languages."""

from .certificate_files import decode_text, split_certificates
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
from .text import Text, describe_error

__all__ = [
    "SteadyClock",
    "Text",
    "cannot_write",
    "create_private",
    "decode_text",
    "describe_error",
    "download_part",
    "open_atomic",
    "place_download",
    "save_atomic",
    "save_folder",
    "split_certificates",
    "sync_early",
    "sync_folder",
    "utc_now",
]
